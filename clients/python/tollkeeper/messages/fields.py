"""Facts about a message's fields from its descriptor: secrets, and the words for an enum's values."""

from collections.abc import Iterator
from functools import cache
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_MASK = "update_mask"
_ETAG = "etag"
VALIDATE_ONLY = "validate_only"
"""The field of a request that is to be checked, and to change nothing."""


def descriptor_of(message: Message | type[Message]) -> Descriptor:
    """Return a message's descriptor, under the one of its two names that has types throughout."""
    return cast("Descriptor", message.DESCRIPTOR)


def is_secret(field: FieldDescriptor) -> bool:
    """Return whether a field holds a secret: the protos mark it `debug_redact`."""
    return bool(field.GetOptions().debug_redact)


def is_text(field: FieldDescriptor) -> bool:
    """Return whether a field holds text: a string, not bytes."""
    return field.type == FieldDescriptor.TYPE_STRING


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a map, of texts to texts as all of ours are."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def changeable(request: Descriptor) -> list[str]:
    """Return the fields that a request gives an entity: all but the first, which names it, and those that
    say how: mask, etag and `validate_only`.
    """
    return [it.name for it in request.fields[1:] if it.name not in {_MASK, _ETAG, VALIDATE_ONLY}]


def prefix_of(enum: EnumDescriptor) -> str:
    """Return what the names of an enum's values begin with: `AUTH_SCHEME_` of AUTH_SCHEME_BASIC."""
    return str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")


@cache
def words_of(enum: EnumDescriptor) -> dict[str, int]:
    """Return an enum's values by the short words for them: `openai` for PROVIDER_OPENAI."""
    prefix = prefix_of(enum)
    return {it.name.removeprefix(prefix).lower(): it.number for it in enum.values if it.number}


@cache
def numbers_of(enum: EnumDescriptor) -> dict[int, str]:
    """Return the short words for an enum's values by their numbers; the unspecified value has none."""
    return {number: word for word, number in words_of(enum).items()}


def secrets_of(message: Message, path: str = "") -> Iterator[tuple[Message, FieldDescriptor, str]]:
    """Yield every secret that is set in a message or below it: the message, the field and its path."""
    for field, value in message.ListFields():
        where = f"{path}.{field.name}" if path else field.name
        if field.message_type is None:
            if is_secret(field):
                yield message, field, where
        elif is_map(field):
            continue
        elif field.is_repeated:
            for index, item in enumerate(value):
                yield from secrets_of(item, f"{where}[{index}]")
        else:
            yield from secrets_of(value, where)
