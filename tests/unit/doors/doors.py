"""What the tests of the doors share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from tollkeeper.messages.fields import is_map
from tollkeeper_server.doors.metrics.exposition import Exposition
from tollkeeper_server.management.chain.registry import methods
from tollkeeper_server.telemetry.metrics import Gauges, Metrics


@dataclass
class Readiness:
    """What stands in the way of serving, as a test wants it."""

    problems: dict[str, str | None] = field(default_factory=lambda: {"store": None})

    async def __call__(self) -> Mapping[str, str | None]:
        return self.problems


GAUGES = Gauges(snapshot_revision=7, snapshot_age=0.5, journal_waiting=0, journal_skipped=0, drain_lag=0.25)


def exposition(
    metrics: Metrics | None = None, gauges: Gauges = GAUGES, *, llmproxy_names: bool = False
) -> Exposition:
    """Return what answers scrapes; without metrics, of nothing counted."""
    counted = metrics or Metrics()

    async def look() -> tuple[Metrics, Gauges]:
        return counted, gauges

    return Exposition(look, "1.2.3", llmproxy_names=llmproxy_names)


def all_messages() -> list[Descriptor]:
    """Return every request and response of the management plane."""
    return [it for method in methods() for it in (method.input_type, method.output_type)]


def fields_within(descriptor: Descriptor) -> list[FieldDescriptor]:
    """Return the fields of a message and of the messages within it."""
    found: list[FieldDescriptor] = []
    for it in descriptor.fields:
        found.append(it)
        inner = it.message_type
        if inner is not None and not is_map(it) and not inner.full_name.startswith("google.protobuf."):
            found += fields_within(inner)
    return found


_SECONDS = st.integers(-62_135_596_800, 253_402_300_799)
_NANOS = st.integers(0, 999_999_999)
_NAMES = st.from_regex(r"[a-z]{1,8}(_[a-z]{1,8}){0,2}", fullmatch=True)
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
}


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Draw a message with any values that its fields can hold."""
    message: Any = GetMessageClass(descriptor)()
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            message.seconds, message.nanos = draw(_SECONDS), draw(_NANOS)
        case "google.protobuf.Duration":
            seconds = draw(st.integers(-315_576_000_000, 315_576_000_000))
            message.seconds = seconds
            message.nanos = draw(_NANOS) * (-1 if seconds < 0 else 1)
        case "google.protobuf.FieldMask":
            message.paths.extend(draw(st.lists(_NAMES, max_size=3)))
        case _:
            for it in descriptor.fields:
                if draw(st.booleans()):
                    _fill(draw, message, it)
    drawn: Message = message
    return drawn


def _fill(draw: st.DrawFn, message: Any, it: FieldDescriptor) -> None:
    if is_map(it):
        pairs = st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3)
        getattr(message, it.name).update(draw(pairs))
    elif it.is_repeated:
        values = [draw(_values(it)) for _ in range(draw(st.integers(0, 3)))]
        getattr(message, it.name).extend(values)
    elif it.message_type is not None:
        getattr(message, it.name).CopyFrom(draw(_values(it)))
        getattr(message, it.name).SetInParent()
    else:
        setattr(message, it.name, draw(_values(it)))


def _values(it: FieldDescriptor) -> st.SearchStrategy[Any]:
    if it.message_type is not None:
        return messages(it.message_type)
    if it.enum_type is not None:
        return st.sampled_from([*it.enum_type.values_by_number, 99])
    if it.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if it.cpp_type in _RANGES:
        low, high = _RANGES[it.cpp_type]
        return st.integers(low, high)
    if it.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.text(max_size=20)
