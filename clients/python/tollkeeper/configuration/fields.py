"""What the descriptors say of a message's fields, as a configuration file needs to know it."""

from collections.abc import Iterator
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

INTEGERS = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64})


def descriptor_of(message: Message) -> Descriptor:
    """Returns a message's descriptor, under the one of its two names that has types throughout."""
    return cast("Descriptor", message.DESCRIPTOR)


def is_secret(field: FieldDescriptor) -> bool:
    """Tells whether a field holds a secret: the protos mark it `debug_redact`."""
    return bool(field.GetOptions().debug_redact)


def words_of(enum: EnumDescriptor) -> dict[str, int]:
    """Returns an enum's values by the short words for them: `openai` for PROVIDER_OPENAI."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {it.name.removeprefix(prefix).lower(): it.number for it in enum.values if it.number}


def secrets_of(message: Message, path: str = "") -> Iterator[tuple[Message, FieldDescriptor, str]]:
    """Yields every secret that is set in a message or below it: where it stands, its field and its path."""
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if field.message_type is None:
            if is_secret(field):
                yield message, field, where
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from secrets_of(item, f"{where}[{index}]")
        else:
            yield from secrets_of(value, where)
