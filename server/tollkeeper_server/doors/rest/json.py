"""JSON for people, in both directions, driven by the descriptors.

It differs from Protobuf's own JSON (which Connect speaks) in what someone with curl would expect: names
are snake_case, integers of 64 bits are numbers, enum values are short lower-case words (`openai` for
PROVIDER_OPENAI, which is taken, too), and every field is there, `null` if it has no value.
"""

import json
import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NoReturn, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper_server.errors import Reason, TollkeeperError

Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_SHOWN_NAME = 64


def descriptor_of(message: Message) -> Descriptor:
    """Returns a message's descriptor, under the one of its two names that has types throughout."""
    return cast("Descriptor", message.DESCRIPTOR)


def short_name(enum: EnumDescriptor, name: str) -> str:
    """Returns the word for an enum value: its name without the enum's, in lower case."""
    return name.removeprefix(_prefix(enum)).lower()


def _prefix(enum: EnumDescriptor) -> str:
    unspecified: str = enum.values_by_number[0].name
    return unspecified.removesuffix("UNSPECIFIED")


def to_json(message: Message) -> dict[str, Json]:
    """Returns a message as JSON, every field in the order of its definition."""
    return {field.name: _field_to_json(message, field) for field in descriptor_of(message).fields}


def _field_to_json(message: Message, field: FieldDescriptor) -> Json:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value_to_json(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.enum_type is not None and not field.has_presence and value == 0:
        return None
    return _value_to_json(value, field)


def _value_to_json(value: object, field: FieldDescriptor) -> Json:
    if isinstance(value, FieldMask):
        return ",".join(value.paths)
    if isinstance(value, Timestamp | Duration):
        return value.ToJsonString()
    if isinstance(value, Message):
        return to_json(value)
    if field.enum_type is not None:
        assert isinstance(value, int)
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else short_name(field.enum_type, known.name)
    assert isinstance(value, str | int | float)
    return value


def parse_object(body: bytes) -> dict[str, Json]:
    """Returns the JSON object that a body holds.

    Raises INVALID_JSON, saying where, or INVALID_ARGUMENT for JSON that is no object.
    """
    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=_without_repetition, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise TollkeeperError(
            Reason.INVALID_JSON,
            f"the body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}",
        ) from None
    except UnicodeDecodeError as error:
        raise TollkeeperError(
            Reason.INVALID_JSON, f"the body is not valid JSON: no UTF-8 at byte {error.start}"
        ) from None
    except RecursionError:
        raise TollkeeperError(Reason.INVALID_JSON, "the body is nested too deeply") from None
    except ValueError:  # the numbers that Python refuses to read, of thousands of digits
        raise TollkeeperError(Reason.INVALID_JSON, "the body holds a number that is out of range") from None
    if not isinstance(content, dict):
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "the body must be a JSON object")
    return content


def _without_repetition(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise wrong(printable(twice), "is given twice")
    return content


def _no_constant(name: str) -> NoReturn:
    raise TollkeeperError(Reason.INVALID_JSON, f"the body is not valid JSON: {name} is no JSON")


def from_json(content: dict[str, Json], message: Message, path: str = "") -> None:
    """Fills an empty message. A field that is `null` stays unset.

    Raises INVALID_ARGUMENT naming the field, and never showing its value.
    """
    fields: dict[str, FieldDescriptor] = {field.name: field for field in descriptor_of(message).fields}
    for name, value in content.items():
        field = fields.get(name)
        if field is None:
            raise unknown(path, name, fields)
        if value is None:
            continue
        where = path + name
        try:
            _fill(message, field, value, where)
        except (ValueError, OverflowError) as error:  # protobuf's; its message shows the value
            raise wrong(where, "has a value that is out of range or of the wrong form") from error


def _fill(message: Message, field: FieldDescriptor, value: Json, where: str) -> None:
    target: Any = getattr(message, field.name)  # what it is depends on the field
    if field.is_repeated:
        if not isinstance(value, list):
            raise wrong(where, "must be a list")
        for index, item in enumerate(value):
            place = f"{where}[{index}]"
            if field.message_type is not None:
                _fill_message(target.add(), item, place)
            else:
                target.append(_scalar(item, field, place))
    elif field.message_type is not None:
        target.SetInParent()
        _fill_message(target, value, where)
    else:
        setattr(message, field.name, _scalar(value, field, where))


def _fill_message(message: Message, value: Json, where: str) -> None:
    if isinstance(message, Timestamp):
        if not isinstance(value, str):
            raise wrong(where, "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z")
        try:
            message.FromJsonString(value)
        except (ValueError, OverflowError):
            raise wrong(where, "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z") from None
    elif isinstance(message, Duration):
        _fill_duration(message, value, where)
    elif isinstance(message, FieldMask):
        message.paths.extend(_paths(value, where))
    elif not isinstance(value, dict):
        raise wrong(where, "must be a JSON object")
    else:
        from_json(value, message, f"{where}.")


def _fill_duration(message: Duration, value: Json, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong(where, 'must be a length of time in seconds, such as 30 or "30s"')
    try:
        if isinstance(value, str):
            message.FromJsonString(value)
        else:
            message.FromMicroseconds(round(value * 1_000_000))
    except (ValueError, OverflowError):
        raise wrong(where, 'must be a length of time in seconds, such as 30 or "30s"') from None


def _paths(value: Json, where: str) -> list[str]:
    paths = value.split(",") if isinstance(value, str) else value
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise wrong(where, "must be the names of fields, separated by commas")
    return [path.strip() for path in cast("list[str]", paths) if path.strip()]


def _scalar(value: Json, field: FieldDescriptor, where: str) -> str | int | float | bool:
    if field.enum_type is not None:
        return _enum(value, field.enum_type, where)
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING and field.type != FieldDescriptor.TYPE_BYTES:
        if not isinstance(value, str):
            raise wrong(where, "must be a string")
        return value
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise wrong(where, "must be true or false")
        return value
    if kind in INTEGERS:
        return _integer(value, where)
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _number(value, where)
    raise TypeError(f"{field.full_name} is of a kind that this JSON has no form for")


def _integer(value: Json, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise wrong(where, "must be a whole number")


def _number(value: Json, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(where, "must be a number, such as 0.5")
    return float(value)


def _enum(value: Json, enum: EnumDescriptor, where: str) -> int:
    if isinstance(value, str):
        for name in (value.upper(), _prefix(enum) + value.upper()):
            if name in enum.values_by_name:
                return int(enum.values_by_name[name].number)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    words = ", ".join(short_name(enum, it.name) for it in enum.values if it.number)
    raise wrong(where, f"must be one of {words}")


def unknown(path: str, name: str, known: Iterable[str]) -> TollkeeperError:
    """Returns the error for a name that means nothing, with the one that may have been meant."""
    names = list(known)
    meant = get_close_matches(name, names, n=1)
    hint = f"did you mean {path}{meant[0]}?" if meant else f"these are known: {', '.join(names) or 'none'}"
    return wrong(path + printable(name), f"is not known here; {hint}")


def printable(name: str) -> str:
    """Returns a name of the caller's choosing in a form that can stand in any answer."""
    return name[:_SHOWN_NAME].encode("ascii", "backslashreplace").decode().translate(_CONTROLS)


def wrong(field: str, problem: str) -> TollkeeperError:
    """Returns INVALID_ARGUMENT for a field."""
    return TollkeeperError(Reason.INVALID_ARGUMENT, f"{field}: {problem}", field=field)


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)}
