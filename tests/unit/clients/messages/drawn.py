"""Messages and values of any content that the other can hold."""

from datetime import UTC, timedelta
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st
from tollkeeper.messages.fields import is_map, words_of
from tollkeeper.messages.lengths import NANOS
from tollkeeper.messages.plans import UNSET, Part, plan_of

_MICROS = st.integers(0, 999_999).map(lambda it: it * 1_000)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}
_PAIRS = st.dictionaries(*[_SCALARS[FieldDescriptor.CPPTYPE_STRING]] * 2, max_size=2)


def whole(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Draw messages of which every field is set: enums to what is known, times to the microsecond."""
    if descriptor.full_name == Duration.DESCRIPTOR.full_name:
        return st.builds(Duration, seconds=st.integers(0, 10**9), nanos=_MICROS)
    if descriptor.full_name == Timestamp.DESCRIPTOR.full_name:
        return st.builds(Timestamp, seconds=st.integers(-62_135_596_800, 253_402_300_799), nanos=_MICROS)
    fields = {
        field.name: _PAIRS
        if is_map(field)
        else st.lists(_whole(field), max_size=_most(field))
        if field.is_repeated
        else _whole(field)
        for field in descriptor.fields
    }
    return st.fixed_dictionaries(fields).map(lambda content: GetMessageClass(descriptor)(**content))


def _most(field: FieldDescriptor) -> int:
    """Return how long a list is: prices are lists of lists of lists of many numbers."""
    return 1 if field.message_type is not None and field.message_type.file.name.endswith("price.proto") else 2


def _whole(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from(sorted(words_of(field.enum_type).values()))
    if field.message_type is not None:
        return whole(field.message_type)
    return _SCALARS[field.cpp_type]


def values_of(kind: Any, descriptor: Descriptor) -> st.SearchStrategy[Any]:
    """Draw values of a class, as far as the plan for a message knows its attributes."""
    if kind is dict:
        names = st.sampled_from([field.name for field in descriptor.fields])
        return st.dictionaries(names, _lengths(NANOS["s"], float))
    if not isinstance(kind, type):  # tuple[str, str]
        return st.tuples(*(_SCALARS[field.cpp_type] for field in descriptor.fields))
    parts = plan_of(kind, descriptor).parts.values()
    return st.builds(kind, **{part.attribute: _held(part) for part in parts})


def _held(part: Part) -> st.SearchStrategy[Any]:
    if is_map(part.field):
        return _PAIRS
    if part.field.is_repeated:
        return st.lists(_value(part), max_size=_most(part.field)).map(tuple)
    if part.default is UNSET or getattr(part.default, "name", "") == "UNKNOWN":  # which can't be sent
        return _value(part)
    return st.just(part.default) | _value(part)


def _value(part: Part) -> st.SearchStrategy[Any]:
    message = part.field.message_type
    if part.field.enum_type is not None:
        return st.sampled_from([it for it in part.kind if it.name != "UNKNOWN"])
    if message is None:
        return _SCALARS[part.field.cpp_type]
    if message.full_name == Timestamp.DESCRIPTOR.full_name:
        return st.datetimes(timezones=st.just(UTC))
    if message.full_name == Duration.DESCRIPTOR.full_name:
        return _lengths(part.unit, part.kind)
    return values_of(part.kind, message)


def _lengths(unit: int, kind: type) -> st.SearchStrategy[Any]:
    if kind is timedelta:
        return st.timedeltas(min_value=timedelta(), max_value=timedelta(days=9999))
    counts = st.integers(0, 10**12)
    return counts if kind is int else counts.map(lambda it: it * 1_000 / unit)
