"""Which attribute of a class holds which field of a message, and how: by names and types, found out once.

A field is the attribute of its name. Differences are declared here: a length of time may be a number of
the unit that ends the attribute's name, `cooldown_seconds` of `cooldown`.

| field | attribute |
|---|---|
| text, number, truth | the same; unset is the attribute's default, or None |
| enum | the `StrEnum` member of the short word; `UNKNOWN`, if there is one, for unset and newer numbers |
| Timestamp | an aware `datetime` in UTC |
| Duration | a `timedelta`, or a number with a unit |
| message | a dataclass or Struct; `dict[str, float]`, names to seconds, if its fields are Durations |
| map | a `dict[str, str]` |
| repeated | a `tuple` of these; `tuple[str, str]` is a message of two fields, in their order |
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tollkeeper.messages.fields import is_map
from tollkeeper.messages.lengths import NANOS

_TIMESTAMP: Final = "google.protobuf.Timestamp"
_DURATION: Final = "google.protobuf.Duration"
SAID_ELSEWHERE: Final = "said_elsewhere"
"""The attribute of a class that names fields which say once more what others do, and need not be held."""
_UNITS = {"": NANOS["s"], "_seconds": NANOS["s"], "_ms": NANOS["ms"]}
SCALARS: dict[int, type] = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
}


class Unset(Enum):
    """The mark of a value that is not there, where None would be one."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Part:
    """A field and the attribute that holds it.

    `kind` is the class of the value, or of a list's items. `unit` is what a number of a Duration counts, in
    nanoseconds; one that is 0 by default is unset at 0 (`zero_is_unset`). `default` is that of the attribute,
    None of an optional one, else `UNSET`. Values of a field that `is_plain` are taken as they are.
    """

    field: FieldDescriptor
    attribute: str
    kind: Any
    unit: int
    default: object
    zero_is_unset: bool
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How a class's values are held by a message.

    `missing` are the fields that have no attribute, but for those that the class names in `SAID_ELSEWHERE`.
    """

    make: Callable[..., object]
    parts: dict[str, Part]
    missing: frozenset[str]


_plans: dict[tuple[type, str], Plan] = {}


def plan_of(kind: type, message: Descriptor) -> Plan:
    """Return how a class's values are held by a message.

    Raises `TypeError` for an attribute of a type that can't hold the field of its name.
    """
    key = kind, message.full_name
    plan = _plans.get(key)
    if plan is None:
        plan = _plans[key] = _plan(kind, message)
    return plan


def _plan(kind: type, message: Descriptor) -> Plan:
    attributes = inspect.signature(kind).parameters
    parts = {
        field.name: _part(field, attributes[f"{field.name}{suffix}"], unit)
        for field in message.fields
        for suffix, unit in _UNITS.items()
        if f"{field.name}{suffix}" in attributes and (not suffix or _is(field, _DURATION))
    }
    elsewhere: frozenset[str] = getattr(kind, SAID_ELSEWHERE, frozenset())
    return Plan(kind, parts, frozenset(it.name for it in message.fields) - parts.keys() - elsewhere)


def _part(field: FieldDescriptor, attribute: inspect.Parameter, unit: int) -> Part:
    kind = attribute.annotation
    default: object = UNSET if attribute.default is inspect.Parameter.empty else attribute.default
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = (it for it in get_args(kind) if it is not type(None))
        default = None if default is UNSET else default
    if is_map(field):
        if kind != dict[str, str]:
            raise TypeError(f"{attribute} can't hold {field.full_name}, a map: it must be dict[str, str]")
        kind, default = dict, {}
    elif field.is_repeated:
        of = get_args(kind)
        if get_origin(kind) is not tuple or len(of) != 2 or of[1] is not ...:
            raise TypeError(f"{attribute} can't hold {field.full_name}, a list: it must be tuple[..., ...]")
        kind = of[0]
    elif get_origin(kind) is dict:
        kind, default = dict, {}
    if not _can_hold(kind, field):
        raise TypeError(f"{attribute} can't hold {field.full_name}")
    return Part(
        field,
        attribute.name,
        kind,
        unit,
        default,
        zero_is_unset=_is(field, _DURATION) and default == 0,
        is_plain=field.message_type is None and field.enum_type is None and not field.is_repeated,
    )


def _can_hold(kind: Any, field: FieldDescriptor) -> bool:
    if _is(field, _TIMESTAMP):
        return kind is datetime
    if _is(field, _DURATION):
        return kind in {timedelta, int, float}
    if field.message_type is not None:
        return is_value_class(kind) or kind is dict or get_origin(kind) is tuple
    if not isinstance(kind, type):
        return False
    if field.enum_type is not None:
        return issubclass(kind, StrEnum)
    return issubclass(kind, SCALARS[field.cpp_type])


def is_value_class(kind: Any) -> bool:
    """Return whether a class is a dataclass or a Struct, whose values hold messages."""
    return hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__struct_fields__")


def _is(field: FieldDescriptor, message: str) -> bool:
    return field.message_type is not None and field.message_type.full_name == message
