"""Filling a message from a YAML tree, as the message's descriptor says."""

import math
import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.references import references_in, unescape
from tollkeeper.configuration.tree import Mapping, Node, Scalar, Sequence
from tollkeeper.messages.fields import INTEGERS, is_secret, is_text, words_of
from tollkeeper.messages.lengths import read_duration
from tollkeeper.messages.trees import TreeReader

_INTEGER = re.compile(r"[-+]?[0-9](?:_?[0-9]){0,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BOOLEANS = {"true": True, "false": False}


def fill(message: Message, root: Node) -> None:
    """Fill an empty message. A field that is null stays unset; secrets keep their references.

    Raises `ConfigurationError` naming every field that is unknown or has a value of the wrong form.
    """
    reader = _Reader()
    reader.fill(message, root)
    problems = reader.problems.found
    if problems:
        raise ConfigurationError(*map(str, problems))


class _Reader(TreeReader[Node]):
    """Reads words as they stand in a file."""

    def is_null(self, node: Node) -> bool:
        return isinstance(node, Scalar) and node.is_null

    def names(self, node: Node) -> Iterable[tuple[str, Node]] | None:
        return node.items() if isinstance(node, Mapping) else None

    def items(self, node: Node) -> Iterable[Node] | None:
        return node.items if isinstance(node, Sequence) else None

    def wrong(self, path: str, node: Node, why: str) -> None:
        self.problems.add(f"{path or 'the file'} (line {node.line})", why)

    def well_known(self, node: Node, message: Any) -> None:
        text = node.text if isinstance(node, Scalar) else ""
        if isinstance(message, Timestamp):
            _read_time(message, text)
        else:
            message.CopyFrom(read_duration(text))

    def scalar(self, node: Node, field: FieldDescriptor) -> str | int | float | bool:
        assert isinstance(node, Scalar), "it is neither list nor mapping"
        text = node.text
        if field.enum_type is not None:
            words = words_of(field.enum_type)
            if text.lower() not in words:
                raise ValueError(f"must be one of {', '.join(words)}")
            return words[text.lower()]
        if is_text(field):
            if not is_secret(field):
                return unescape(text)
            references_in(text)
            return text
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            if text.lower() not in _BOOLEANS:
                raise ValueError("must be true or false")
            return _BOOLEANS[text.lower()]
        if field.cpp_type in INTEGERS:
            if not _INTEGER.fullmatch(text):
                raise ValueError("must be a whole number")
            return int(text)
        if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
            if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
                raise ValueError("must be a number")
            return float(text)
        raise TypeError(f"{field.full_name} is of a kind that this file has no form for")


def _read_time(message: Timestamp, text: str) -> None:
    """Fill a time. A date alone is the beginning of its day in UTC. Raises `ValueError`."""
    try:
        message.FromJsonString(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except (ValueError, OverflowError):
        raise ValueError("must be a time such as 2027-01-31T12:00:00Z, or a date") from None
