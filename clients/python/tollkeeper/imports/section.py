"""Reading another system's file: the parts that are used are checked, all others are reported."""

import re
from collections.abc import Iterator

from tollkeeper.configuration.errors import ConfigurationError
from tollkeeper.configuration.tree import Mapping, Node, Scalar, Sequence
from tollkeeper.messages.problems import printable

_INTEGER = re.compile(r"-?[0-9]{1,12}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Section:
    """A mapping in the file. Each name is taken once; `left` are those that were not taken.

    Every method raises `ConfigurationError`, naming the place, for a value of another form.
    """

    def __init__(self, node: Node | None, path: str = "") -> None:
        """Take the mapping, None for one that is not there, and where it stands."""
        if node is not None and not isinstance(node, Mapping):
            raise wrong(path or "the file", "must be a mapping of names to values")
        self.path = path
        self.is_there = node is not None
        self._values: dict[str, Node] = {}
        self._parts: list[Section] = []
        for name, value in node.items() if node is not None else ():
            if not (isinstance(value, Scalar) and value.is_null):
                self._values[name] = value

    def where(self, name: str) -> str:
        """Return the path of a name in here."""
        return f"{self.path}.{printable(name)}" if self.path else printable(name)

    def text(self, name: str, default: str = "") -> str:
        """Take a text."""
        node = self._values.pop(name, None)
        if node is None:
            return default
        if not isinstance(node, Scalar):
            raise wrong(self.where(name), "must be one value")
        return node.text

    def required(self, name: str) -> str:
        """Take a text that must be there."""
        found = self.text(name)
        if not found:
            raise wrong(self.where(name), "is required")
        return found

    def integer(self, name: str) -> int | None:
        """Take a whole number, None if it is not there."""
        text = self.text(name)
        if text and not _INTEGER.fullmatch(text):
            raise wrong(self.where(name), "must be a whole number")
        return int(text) if text else None

    def number(self, name: str) -> float | None:
        """Take a number, None if it is not there."""
        text = self.text(name)
        if text and not _NUMBER.fullmatch(text):
            raise wrong(self.where(name), "must be a number")
        return float(text) if text else None

    def flag(self, name: str) -> bool | None:
        """Take true or false, None if it is not there."""
        text = self.text(name).lower()
        if text and text not in _TRUE | _FALSE:
            raise wrong(self.where(name), "must be true or false")
        return text in _TRUE if text else None

    def texts(self, name: str) -> list[str]:
        """Take a list of texts; one alone is a list, too."""
        node = self._values.pop(name, None)
        if node is None:
            return []
        items = node.items if isinstance(node, Sequence) else [node]
        if not all(isinstance(it, Scalar) for it in items):
            raise wrong(self.where(name), "must be a list of texts")
        return [it.text for it in items if isinstance(it, Scalar)]

    def has_section(self, name: str) -> bool:
        """Return whether a mapping is there."""
        return isinstance(self._values.get(name), Mapping)

    def values(self) -> dict[str, str]:
        """Take everything that is one value, by name."""
        found = {name: node.text for name, node in self._values.items() if isinstance(node, Scalar)}
        for name in found:
            del self._values[name]
        return found

    def section(self, name: str) -> "Section":
        """Take a mapping; one that is not there is empty."""
        part = Section(self._values.pop(name, None), self.where(name))
        self._parts.append(part)
        return part

    def sections(self, name: str) -> list["Section"]:
        """Take a list of mappings."""
        parts = sections(self._values.pop(name, None), self.where(name))
        self._parts += parts
        return parts

    def left(self) -> Iterator[str]:
        """Yield the paths of the names that were not taken, here and in the sections taken from here."""
        yield from map(self.where, self._values)
        for part in self._parts:
            yield from part.left()


def sections(node: Node | None, path: str) -> list[Section]:
    """Return the mappings of a list; none if there is none. Raises as `Section` does."""
    if node is None:
        return []
    if not isinstance(node, Sequence):
        raise wrong(path or "the file", "must be a list")
    return [Section(item, f"{path}[{index}]") for index, item in enumerate(node.items)]


def wrong(path: str, problem: str) -> ConfigurationError:
    """Return the error for a place in the file."""
    return ConfigurationError(f"{path}: {problem}")
