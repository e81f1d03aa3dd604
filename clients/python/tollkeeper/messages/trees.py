"""Messages out of trees of names and values, in any format."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tollkeeper.messages.fields import descriptor_of, is_map
from tollkeeper.messages.problems import Problems, printable

N = TypeVar("N")
Scalar = str | int | float | bool

# What may have been meant is looked for in the first problems alone: it takes much of the time.
_EXPLAINED = 50
_WELL_KNOWN = "google.protobuf."


class TreeReader(ABC, Generic[N]):
    """Fills messages from trees of nodes; a format says what its nodes are. A null node leaves a field unset.

    `problems` has everything that is wrong: fields that are unknown, and values of the wrong form. No problem
    shows a value.
    """

    not_a_mapping = "must be a mapping of names to values"

    def __init__(self) -> None:
        self.problems = Problems()

    @abstractmethod
    def is_null(self, node: N) -> bool:
        """Return whether a node stands for no value."""

    @abstractmethod
    def names(self, node: N) -> Iterable[tuple[str, N]] | None:
        """Return the names of a mapping with their nodes, None for another node."""

    @abstractmethod
    def items(self, node: N) -> Iterable[N] | None:
        """Return the items of a list, None for another node."""

    @abstractmethod
    def scalar(self, node: N, field: FieldDescriptor) -> Scalar:
        """Return a value, not a list or mapping. Raises `ValueError` saying what it must be."""

    @abstractmethod
    def well_known(self, node: N, message: Any) -> None:
        """Fill a Timestamp, Duration or FieldMask. Raises `ValueError` saying what it must be."""

    @abstractmethod
    def wrong(self, path: str, node: N, why: str) -> None:
        """Add a problem with a node."""

    def fill(self, message: Message, node: N, path: str = "") -> None:
        """Fill an empty message, which stands at `path`."""
        if descriptor_of(message).full_name.startswith(_WELL_KNOWN):
            self._attempt(path, node, lambda: self.well_known(node, message))
            return
        named = self.names(node)
        if named is None:
            self.wrong(path, node, self.not_a_mapping)
            return
        start = f"{path}." if path else ""
        fields = {field.name: field for field in descriptor_of(message).fields}
        for name, value in named:
            where = start + printable(name)
            field = fields.get(name)
            if field is None:
                few = len(self.problems.found) < _EXPLAINED
                self.wrong(where, value, unknown(name, fields, start) if few else "is not known here")
            elif not self.is_null(value):
                self._field(message, field, value, where)

    def _field(self, message: Message, field: FieldDescriptor, node: N, where: str) -> None:
        target: Any = getattr(message, field.name)
        if is_map(field):
            self._pairs(target, field, node, where)
        elif field.is_repeated:
            items = self.items(node)
            if items is None:
                self.wrong(where, node, "must be a list")
            for index, item in enumerate(items or ()):
                if field.message_type is not None:
                    self.fill(target.add(), item, f"{where}[{index}]")
                else:
                    self._scalar(item, field, f"{where}[{index}]", target.append)
        elif field.message_type is not None:
            target.SetInParent()
            self.fill(target, node, where)
        else:
            self._scalar(node, field, where, lambda value: setattr(message, field.name, value))

    def _pairs(self, target: Any, field: FieldDescriptor, node: N, where: str) -> None:
        named = self.names(node)
        if named is None:
            self.wrong(where, node, self.not_a_mapping)
            return
        assert field.message_type is not None, "a map has entries"
        text = field.message_type.fields_by_name["value"]
        for name, value in named:
            place = f"{where}[{printable(name)}]"
            if self.is_null(value):
                self.wrong(place, value, "needs a value; an empty text is one")
            else:
                self._scalar(value, text, place, partial(target.__setitem__, name))

    def _scalar(self, node: N, field: FieldDescriptor, where: str, keep: Any) -> None:
        if self.names(node) is not None or self.items(node) is not None:
            self.wrong(where, node, "must be one value, not a list or mapping")
            return

        def read() -> None:
            value = self.scalar(node, field)
            try:
                keep(value)
            except (ValueError, TypeError, OverflowError):  # protobuf's; its message shows the value
                raise ValueError("has a value that is out of range") from None

        self._attempt(where, node, read)

    def _attempt(self, where: str, node: N, read: Any) -> None:
        try:
            read()
        except ValueError as error:
            self.wrong(where, node, str(error))


def unknown(name: str, known: Iterable[str], start: str = "") -> str:
    """Return the problem of an unknown name, with the path of the one that may have been meant.

    `start` is the beginning of the path, such as `timeouts.`.
    """
    names = list(known)
    meant = get_close_matches(name[:64], names, n=1)
    hint = f"did you mean {start}{meant[0]}?" if meant else f"these are: {', '.join(names) or 'none'}"
    return f"is not known here; {hint}"
