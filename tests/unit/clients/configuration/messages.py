"""Configurations of any content, as the descriptors allow them."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st
from tollkeeper.messages.fields import is_map, words_of
from tollkeeper.v1.configuration_service_pb2 import Configuration

# Also what YAML or references might take for something else.
_WORDS = st.sampled_from(
    [
        "",
        "null",
        "~",
        "no",
        "true",
        "1e3",
        "012",
        "2024-10-21",
        "${A}",
        "$${A}",
        "$",
        "a: b",
        "- a",
        "#",
        "<<",
        "*a",
        "a\nb\n",
    ]
)
_TEXTS = st.one_of(
    _WORDS, st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.text("$${}AB\n ", max_size=8)
)
_NAMES = st.from_regex("[a-z0-9][a-z0-9_-]{0,4}", fullmatch=True)  # of labels
_NUMBERS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: _TEXTS,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
}


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from(sorted(words_of(field.enum_type).values()))
    if field.message_type is not None:
        return messages(field.message_type)
    return _NUMBERS[field.cpp_type]


def _most(field: FieldDescriptor) -> int:
    """Return how long a list is: prices are lists of lists of lists of many numbers."""
    return 1 if field.message_type is not None and field.message_type.file.name.endswith("price.proto") else 2


def messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Generate messages of a type, with any of its fields set."""
    if descriptor.full_name == Duration.DESCRIPTOR.full_name:
        return st.builds(
            Duration, seconds=st.integers(0, 10**9), nanos=st.sampled_from([0, 1, 500_000_000, 999_999_999])
        )
    if descriptor.full_name == Timestamp.DESCRIPTOR.full_name:
        return st.builds(
            Timestamp,
            seconds=st.integers(-62_135_596_800, 253_402_300_799),
            nanos=st.sampled_from([0, 1, 500_000_000, 999_999_999]),
        )
    fields = {
        field.name: st.dictionaries(_NAMES, _TEXTS, max_size=2)
        if is_map(field)
        else st.lists(_values(field), max_size=_most(field))
        if field.is_repeated
        else _values(field)
        for field in descriptor.fields
    }
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda content: GetMessageClass(descriptor)(**content)
    )


CONFIGURATIONS = messages(Configuration.DESCRIPTOR)
