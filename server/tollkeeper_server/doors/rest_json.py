"""JSON for people, in both directions, driven by the descriptors.

It differs from Protobuf's own JSON in what someone with curl would expect: names are snake_case,
integers of 64 bits are numbers, enum values are short lower-case words (`openai` for PROVIDER_OPENAI),
and every field is there, `null` if it has no value. On input, Protobuf's own forms are taken as well.
"""

import re
from typing import cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from tollkeeper_server.errors import Reason, TollkeeperError

_WELL_KNOWN = "google.protobuf."
_DURATION = "google.protobuf.Duration"
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_PARSE_FIELD = re.compile(r"Failed to parse (\w+) field")

Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None


def short_name(enum: EnumDescriptor, name: str) -> str:
    """Returns the word for an enum value: its name without the enum's, in lower case."""
    return name.removeprefix(prefix(enum)).lower()


def prefix(enum: EnumDescriptor) -> str:
    """Returns what the names of an enum's values begin with, such as `AUTH_SCHEME_`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"


def descriptor_of(message: Message) -> Descriptor:
    """Returns a message's descriptor, under the one of its two names that has types throughout."""
    return cast("Descriptor", message.DESCRIPTOR)


def to_json(message: Message) -> dict[str, Json]:
    """Returns a message as JSON, every field in the order of its definition."""
    return {field.name: _field_to_json(message, field) for field in descriptor_of(message).fields}


def _field_to_json(message: Message, field: FieldDescriptor) -> Json:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value_to_json(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value_to_json(value, field)


def _value_to_json(value: object, field: FieldDescriptor) -> Json:
    if isinstance(value, Message):
        if value.DESCRIPTOR.full_name.startswith(_WELL_KNOWN):
            json: Json = json_format.MessageToDict(value)
            return json
        return to_json(value)
    if field.enum_type is not None:
        assert isinstance(value, int)
        known = field.enum_type.values_by_number.get(value)
        if value == 0 or known is None:
            return None if value == 0 else value
        return short_name(field.enum_type, known.name)
    assert isinstance(value, str | int | float)
    return value


def from_json(content: Json, message: Message) -> None:
    """Fills a message from JSON.

    Raises INVALID_ARGUMENT naming the field, and never showing its value.
    """
    canonical = _canonical(content, descriptor_of(message), "")
    try:
        json_format.ParseDict(canonical, message)
    except json_format.ParseError as error:
        # Its message may quote the value; only the field's name is taken from it.
        found = _PARSE_FIELD.search(str(error))
        name = found.group(1) if found else ""
        raise _wrong(name or "body", "has a value of the wrong type or form") from None


def _canonical(content: Json, descriptor: Descriptor, path: str) -> dict[str, Json]:
    if not isinstance(content, dict):
        raise _wrong(path.rstrip(".") or "body", "must be a JSON object")
    known = {field.name: field for field in descriptor.fields}
    known |= {field.json_name: field for field in descriptor.fields}
    canonical: dict[str, Json] = {}
    for name, value in content.items():
        field = known.get(name)
        shown = path + name[:64].encode("ascii", "backslashreplace").decode()
        if field is None:
            names = ", ".join(it.name for it in descriptor.fields)
            raise _wrong(shown, f"is not known here; these are: {names}")
        if field.name in canonical:
            raise _wrong(shown, "is given twice")
        canonical[field.name] = _field_from_json(value, field, shown)
    return canonical


def _field_from_json(value: Json, field: FieldDescriptor, path: str) -> Json:
    if value is None:
        return None
    if field.is_repeated:
        if not isinstance(value, list):
            raise _wrong(path, "must be a list")
        return [_value_from_json(item, field, f"{path}[{index}]") for index, item in enumerate(value)]
    return _value_from_json(value, field, path)


def _value_from_json(value: Json, field: FieldDescriptor, path: str) -> Json:
    if field.message_type is not None:
        if field.message_type.full_name == _DURATION and isinstance(value, int | float):
            return f"{value}s"
        if field.message_type.full_name.startswith(_WELL_KNOWN):
            return value
        return _canonical(value, field.message_type, f"{path}.")
    if field.enum_type is not None:
        return _enum_from_json(value, field.enum_type, path)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not isinstance(value, str):
        raise _wrong(path, "must be a string")
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and not isinstance(value, bool):
        raise _wrong(path, "must be true or false")
    if field.cpp_type in _INTEGERS and (isinstance(value, bool) or not isinstance(value, int | str | float)):
        raise _wrong(path, "must be a whole number")
    return value


def _enum_from_json(value: Json, enum: EnumDescriptor, path: str) -> Json:
    if isinstance(value, str):
        upper = value.upper()
        for name in (value, upper, prefix(enum) + upper):
            if name in enum.values_by_name:
                return name
    elif isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
        return value
    words = ", ".join(short_name(enum, it.name) for it in enum.values if it.number)
    raise _wrong(path, f"must be one of {words}")


def _wrong(field: str, problem: str) -> TollkeeperError:
    return TollkeeperError(Reason.INVALID_ARGUMENT, f"{field}: {problem}", field=field)


def check_depth(content: Json, depth: int = 32) -> None:
    """Raises INVALID_ARGUMENT if JSON is nested more deeply than any message is."""
    if depth == 0:
        raise _wrong("body", "is nested too deeply")
    inner: list[Json] = []
    if isinstance(content, dict):
        inner = list(content.values())
    elif isinstance(content, list):
        inner = content
    for value in inner:
        check_depth(value, depth - 1)
