"""What is fuzzed: a check that holds for all bytes, the words that matter to it, and kept cases."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import ClassVar, Self

CORPUS = Path(__file__).parent / "corpus"


class Target(ABC):
    """A part that reads what others send. Its kept cases are in the folder of its name in `corpus`."""

    name: ClassVar[str]
    words: ClassVar[Sequence[bytes]]

    @abstractmethod
    def check(self, data: bytes, random: Random) -> str:
        """Hold the part to its promises for one case. Return how it went, in a few words.

        A case that goes as none did before is made others of. Raises AssertionError for a broken promise;
        everything else that is raised is a failure, too.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - most have nothing to release
        """Release what checks need."""

    @property
    def folder(self) -> Path:
        """Where its kept cases are."""
        return CORPUS / self.name

    def kept(self) -> list[bytes]:
        """Return its kept cases, always in the same order."""
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]


def outcome(error: Exception) -> str:
    """Return the words of an error that stay the same whatever it is about."""
    words = "".join(it for it in str(error) if it.isalpha() or it == " ")[:60]
    assert words, f"{error!r} says nothing"
    return words
