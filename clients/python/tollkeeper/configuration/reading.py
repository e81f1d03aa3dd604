"""Filling a message from a YAML tree, as the message's descriptor says."""

import math
import re
from difflib import get_close_matches
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.references import references_in, unescape
from tollkeeper.configuration.tree import Mapping, Node, Scalar, Sequence, printable
from tollkeeper.messages.fields import INTEGERS, descriptor_of, is_secret, words_of
from tollkeeper.messages.lengths import EXPECTED, read_duration

_INTEGER = re.compile(r"[-+]?[0-9](?:_?[0-9]){0,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False}


def fill(message: Message, root: Node) -> None:
    """Fills an empty message. A field that is null stays unset; secrets keep their references.

    Raises `ConfigurationError` naming every field that is unknown or has a value of the wrong form.
    """
    reader = _Reader()
    reader.message(message, root, "")
    if reader.problems:
        raise ConfigurationError(*reader.problems)


class _Reader:
    def __init__(self) -> None:
        self.problems: list[str] = []

    def message(self, message: Message, node: Node, path: str) -> None:
        if isinstance(message, Duration):
            self._duration(message, node, path)
            return
        if not isinstance(node, Mapping):
            self._wrong(path or "the file", node, "must be a mapping of names to values")
            return
        fields = {field.name: field for field in descriptor_of(message).fields}
        for name, value in node.items():
            where = f"{path}.{printable(name)}" if path else printable(name)
            field = fields.get(name)
            if field is None:
                meant = get_close_matches(name[:64], fields, n=1)
                hint = f"did you mean {meant[0]}?" if meant else f"these are: {', '.join(fields)}"
                self._wrong(where, value, f"is not known here; {hint}")
            elif not (isinstance(value, Scalar) and value.is_null):
                self._field(message, field, value, where)

    def _field(self, message: Message, field: FieldDescriptor, node: Node, where: str) -> None:
        target: Any = getattr(message, field.name)  # what it is depends on the field
        if field.is_repeated:
            if not isinstance(node, Sequence):
                self._wrong(where, node, "must be a list")
                return
            for index, item in enumerate(node.items):
                place = f"{where}[{index}]"
                if field.message_type is not None:
                    self.message(target.add(), item, place)
                else:
                    self._scalar(item, field, place, target.append)
        elif field.message_type is not None:
            target.SetInParent()
            self.message(target, node, where)
        else:
            self._scalar(node, field, where, lambda value: setattr(message, field.name, value))

    def _scalar(self, node: Node, field: FieldDescriptor, where: str, keep: Any) -> None:
        try:
            if not isinstance(node, Scalar):
                self._wrong(where, node, "must be one value, not a list or mapping")
                return
            value = _read(node, field)
        except ValueError as error:
            self._wrong(where, node, str(error))
            return
        try:
            keep(value)
        except (ValueError, TypeError):  # protobuf's; its message shows the value
            self._wrong(where, node, "has a value that is out of range")

    def _duration(self, message: Duration, node: Node, where: str) -> None:
        if not isinstance(node, Scalar):
            self._wrong(where, node, f"must be {EXPECTED}")
            return
        try:
            message.CopyFrom(read_duration(node.text))
        except ValueError as error:
            self._wrong(where, node, str(error))

    def _wrong(self, where: str, node: Node, problem: str) -> None:
        self.problems.append(f"{where} (line {node.line}): {problem}")


def _read(node: Scalar, field: FieldDescriptor) -> str | int | float | bool:
    """Returns the value of a word. Raises `ValueError`, which does not show it."""
    text, kind = node.text, field.cpp_type
    if field.enum_type is not None:
        words = words_of(field.enum_type)
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return words[text.lower()]
    if kind == FieldDescriptor.CPPTYPE_STRING and field.type != FieldDescriptor.TYPE_BYTES:
        if not is_secret(field):
            return unescape(text)
        references_in(text)
        return text
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if text.lower() not in _BOOLEANS:
            raise ValueError("must be true or false")
        return _BOOLEANS[text.lower()]
    if kind in INTEGERS:
        if not _INTEGER.fullmatch(text):
            raise ValueError("must be a whole number")
        return int(text)
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            raise ValueError("must be a number")
        return float(text)
    raise TypeError(f"{field.full_name} is of a kind that this file has no form for")
