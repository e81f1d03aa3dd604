"""Values as messages and back; `plans.py` says what becomes of what.

All problems are reported at once, by path, and no message shows a value.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.messages.fields import descriptor_of, is_map, is_text, numbers_of, prefix_of, words_of
from tollkeeper.messages.lengths import NANOS
from tollkeeper.messages.plans import SCALARS, UNSET, Part, is_value_class, plan_of
from tollkeeper.messages.problems import Problems

T = TypeVar("T")
M = TypeVar("M", bound=Message)

_UNKNOWN = "UNKNOWN"
_OUT_OF_RANGE = "has a value that is out of range"
_UNIT_NAMES = {NANOS["s"]: "seconds", NANOS["ms"]: "milliseconds"}


def read(kind: type[T], message: Message) -> T:
    """Return the value of a class that a message describes.

    An unset field is the attribute's default. Raises `MessageError` for what no value can hold, or what the
    class refuses with a `ValueError`, and `TypeError` if the class has no attribute for a field.
    """
    problems = Problems()
    value = _read(kind, message, "", problems)
    problems.raise_any()
    return value  # type: ignore[no-any-return]  # the class made it


def read_fields(kind: type, message: Message, *, only: Collection[str] | None = None) -> dict[str, Any]:
    """Return a message's fields, or `only` some of them, as the attributes of a class. Raises as `read`."""
    plan = plan_of(kind, descriptor_of(message))
    wanted = plan.parts.keys() | plan.missing if only is None else set(only)
    if left := wanted - plan.parts.keys():
        raise TypeError(f"{kind.__name__} has no attribute for {', '.join(sorted(left))}")
    problems = Problems()
    found = {
        part.attribute: _read_part(part, message, "", problems)
        for name, part in plan.parts.items()
        if name in wanted
    }
    problems.raise_any()
    return found


def write(value: object, message: M, /, **others: object) -> M:
    """Fill an empty message with a value and return it. `others` are fields instead of their attributes.

    None leaves a field unset. Raises `MessageError` for what no message can hold, and `TypeError` if the
    value has no attribute for a field.
    """
    problems = Problems()
    _write(value, message, "", problems, others)
    problems.raise_any()
    return message


def fill(message: M, /, **fields: object) -> M:
    """Fill an empty message with values by the names of fields, and return it. Raises as `write`."""
    return write(fields, message)


def clear_defaults(value: object, message: Message) -> None:
    """Clear the fields that say whether they are set where they hold what an unset one stands for."""
    for name, part in plan_of(type(value), descriptor_of(message)).parts.items():
        if part.field.has_presence and getattr(value, part.attribute) == part.default:
            message.ClearField(name)


def _read(kind: Any, message: Message, path: str, problems: Problems) -> Any:
    if kind is dict:
        return {field.name: length.ToMicroseconds() / 1_000_000 for field, length in message.ListFields()}
    if not isinstance(kind, type):  # tuple[str, str]
        return tuple(getattr(message, field.name) for field in descriptor_of(message).fields)
    plan = plan_of(kind, descriptor_of(message))
    if plan.missing:
        raise TypeError(f"{kind.__name__} has no attribute for {', '.join(sorted(plan.missing))}")
    start = f"{path}." if path else ""
    known = len(problems.found)
    held = {part.attribute: _read_part(part, message, start, problems) for part in plan.parts.values()}
    if len(problems.found) > known:
        return UNSET
    try:
        return plan.make(**held)
    except ValueError as error:
        # A class says what it can not be, of one field: `amount: must be …`.
        name, _, why = str(error).partition(": ")
        problems.add(start + name if name in held else path, why if name in held else str(error))
        return UNSET


def _read_part(part: Part, message: Message, start: str, problems: Problems) -> Any:
    field = part.field
    value = getattr(message, field.name)
    if part.is_plain and not field.has_presence:
        return value
    where = start + field.name
    if is_map(field):
        return dict(value)
    if field.is_repeated:
        items = (_read_item(part, it, f"{where}[{index}]", problems) for index, it in enumerate(value))
        return tuple(it for it in items if it is not UNSET)
    found = (
        UNSET
        if part.default is not UNSET and field.has_presence and not message.HasField(field.name)
        else _read_item(part, value, where, problems)
    )
    if found is not UNSET:
        return found
    return {} if part.kind is dict else part.default


def _read_item(part: Part, value: Any, where: str, problems: Problems) -> Any:
    if part.field.enum_type is not None:
        word = numbers_of(part.field.enum_type).get(value)
        if _UNKNOWN in part.kind.__members__:
            return part.kind.__members__.get((word or _UNKNOWN).upper(), part.kind[_UNKNOWN])
        if word is None and value:
            problems.add(where, "has a value that is not known here")
        return part.kind(word) if word else UNSET
    if part.field.message_type is None:
        return value
    if isinstance(value, Timestamp):
        return _read_moment(value, where, problems)
    if isinstance(value, Duration):
        return _read_length(part, value, where, problems)
    return _read(part.kind, value, where, problems)


def _read_moment(value: Timestamp, where: str, problems: Problems) -> datetime | None:
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        problems.add(where, "not a time between the years 1 and 9999")
        return None


def _read_length(part: Part, value: Duration, where: str, problems: Problems) -> timedelta | float | None:
    if part.kind is timedelta:
        return value.ToTimedelta()
    if part.kind is float:
        return value.ToMicroseconds() * 1_000 / part.unit
    count, rest = divmod(value.ToNanoseconds(), part.unit)
    if rest:
        problems.add(where, f"give whole {_UNIT_NAMES[part.unit]}")
    return count


def _write(
    value: object, message: Message, path: str, problems: Problems, others: Mapping[str, object]
) -> None:
    start = f"{path}." if path else ""
    fields = descriptor_of(message).fields_by_name
    if isinstance(value, Mapping):
        others = value
    else:
        plan = plan_of(type(value), descriptor_of(message))
        if left := plan.missing - others.keys():
            raise TypeError(f"{type(value).__name__} has no attribute for {', '.join(sorted(left))}")
        for name, part in plan.parts.items():
            held = getattr(value, part.attribute)
            if held is None or name in others or (part.zero_is_unset and held == 0):
                continue
            if part.is_plain:
                _put_scalar(message, name, held, start, problems)
            elif part.kind is dict and not is_map(part.field):
                getattr(message, name).SetInParent()
                _write(held, getattr(message, name), start + name, problems, {})
            else:
                _put(message, part.field, held, start, problems, part.unit)
    for name, given in others.items():
        if name not in fields:
            raise TypeError(f"{descriptor_of(message).name} has no field {name!r}")
        if given is not None:
            _put(message, fields[name], given, start, problems, NANOS["s"])


def _put(
    message: Message, field: FieldDescriptor, value: Any, start: str, problems: Problems, unit: int
) -> None:
    """Set a field to a value; a number of a Duration counts `unit` nanoseconds."""
    where = start + field.name
    if is_map(field):
        _put_pairs(getattr(message, field.name), value, where, problems)
    elif field.is_repeated:
        _put_items(getattr(message, field.name), field, value, where, problems, unit)
    elif field.message_type is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        _put_message(target, value, where, problems, unit)
    else:
        _put_scalar(message, field.name, _number(field, value, where, problems), start, problems)


def _put_pairs(target: Any, value: Any, where: str, problems: Problems) -> None:
    if not isinstance(value, Mapping):
        problems.add(where, _wrong_type("a dict of str to str", value))
        return
    for name, text in value.items():
        if isinstance(name, str) and isinstance(text, str):
            target[name] = text
        else:
            problems.add(where, "must be a dict of str to str")


def _put_items(
    target: Any, field: FieldDescriptor, value: Any, where: str, problems: Problems, unit: int
) -> None:
    if isinstance(value, Mapping) and _is_pair(field):
        value = value.items()
    # The letters of a text, or the names of a mapping, are never the items that were meant.
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        expected = "a dict of str to str" if _is_pair(field) else f"a list of {_expected(field)}"
        problems.add(where, _wrong_type(expected, value))
        return
    for index, item in enumerate(value):
        place = f"{where}[{index}]"
        if field.message_type is not None:
            _put_message(target.add(), item, place, problems, unit)
            continue
        try:
            target.append(_number(field, item, place, problems))
        except (TypeError, ValueError, OverflowError) as error:
            problems.add(place, _refusal(field, item, error))


def _put_scalar(message: Message, name: str, value: Any, start: str, problems: Problems) -> None:
    try:
        setattr(message, name, value)
    except (TypeError, ValueError, OverflowError) as error:
        field = descriptor_of(message).fields_by_name[name]
        problems.add(start + name, _refusal(field, value, error))


def _refusal(field: FieldDescriptor, value: object, error: Exception) -> str:
    """Return why protobuf refuses a value, which its own words may show. Raise a `UnicodeError` again."""
    if isinstance(error, UnicodeError):
        raise error
    return _wrong_type(_expected(field), value) if isinstance(error, TypeError) else _OUT_OF_RANGE


def _expected(field: FieldDescriptor) -> str:
    """Return the name of the class of a field's value, or of a list's items; messages have that of theirs."""
    kind = field.enum_type or field.message_type
    return str(kind.name) if kind is not None else SCALARS[field.cpp_type].__name__


def _wrong_type(expected: str, value: object) -> str:
    return f"must be {expected}, not {type(value).__name__}"


def _number(field: FieldDescriptor, value: Any, where: str, problems: Problems) -> Any:
    """Return the number of an enum's word; other values are returned as they are."""
    if field.enum_type is None or not isinstance(value, str):
        return value
    number = words_of(field.enum_type).get(value)
    if number is None:
        given = prefix_of(field.enum_type) + value.name if isinstance(value, StrEnum) else "it"
        expected = ", ".join(words_of(field.enum_type))
        problems.add(where, f"{given} can't be sent; expected one of {expected}")
    return number or 0


def _put_message(target: Any, value: Any, where: str, problems: Problems, unit: int) -> None:
    if isinstance(value, type(target)):
        target.CopyFrom(value)
    elif isinstance(target, Timestamp):
        _put_moment(target, value, where, problems)
    elif isinstance(target, Duration):
        _put_length(target, value, where, problems, unit)
    elif isinstance(target, FieldMask):
        target.paths.extend(value)
    elif isinstance(value, tuple) and _holds_texts(descriptor_of(target), len(value)):
        _write(
            dict(zip(descriptor_of(target).fields_by_name, value, strict=True)), target, where, problems, {}
        )
    elif _has_every_field(type(value), descriptor_of(target)):
        _write(value, target, where, problems, {})
    else:
        problems.add(where, _wrong_type(descriptor_of(target).name, value))


def _is_pair(field: FieldDescriptor) -> bool:
    return field.message_type is not None and _holds_texts(field.message_type, 2)


def _holds_texts(message: Descriptor, count: int) -> bool:
    return len(message.fields) == count and all(is_text(it) for it in message.fields)


def _has_every_field(kind: type, message: Descriptor) -> bool:
    """Return whether a class holds all that a message does, under the same names and in the same types."""
    try:
        return is_value_class(kind) and not plan_of(kind, message).missing
    except TypeError:
        return False


def _put_moment(target: Timestamp, value: object, where: str, problems: Problems) -> None:
    if not isinstance(value, datetime):
        problems.add(where, _wrong_type("datetime", value))
    elif value.utcoffset() is None:
        problems.add(where, "needs a time zone, such as datetime.now(UTC)")
    else:
        try:
            target.FromDatetime(value)
        except (ValueError, OverflowError):  # protobuf's, which shows the value
            problems.add(where, _OUT_OF_RANGE)


def _put_length(target: Duration, value: object, where: str, problems: Problems, unit: int) -> None:
    try:
        if isinstance(value, timedelta):
            target.FromTimedelta(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            target.FromMicroseconds(round(value * (unit // 1_000)))
        else:
            problems.add(where, _wrong_type("timedelta", value))
    except (ValueError, OverflowError):  # protobuf's, which shows the value
        problems.add(where, _OUT_OF_RANGE)
