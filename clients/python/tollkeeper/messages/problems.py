"""Problems with the fields of a message, reported all at once."""

from typing import NamedTuple

_SHOWN = 64


class Problem(NamedTuple):
    """A problem with a field: its path, such as `deployments[2].upstream`, the reason and the remedy."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}" if self.path else self.why


class MessageError(ValueError):
    """The error for values that do not fit a message, or a message that no value fits. It shows no value."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Problems:
    """Collects problems, so that they are reported together."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, why: str) -> None:
        """Add a problem with a field."""
        self.found.append(Problem(path, why))

    def raise_any(self) -> None:
        """Raise `MessageError` with every problem, if there is one."""
        if self.found:
            raise MessageError(tuple(self.found))


def printable(text: str) -> str:
    """Return a name of a caller's choosing in a form, and length, that can stand in a message."""
    return plain(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def plain(text: str) -> str:
    """Return a text with characters that a terminal might obey, or not show, escaped."""
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode() for it in text)
