"""All problems of a request, reported at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from tollkeeper.messages import Problem

from tollkeeper_server.errors import FieldViolation, Reason, TollkeeperError

# More would not fit into the trailers of a gRPC call, which clients limit to 8 KiB, and which hold it thrice.
_MOST = 10
_ROOM = 1600
_LONGEST = 400


@dataclass(slots=True)
class Refusals:
    """Collects problems by path. `raise_any` ends the call if there is anything."""

    more: int = 0
    """How many further problems there are, which are only counted."""
    _found: dict[tuple[Reason, FieldViolation], None] = field(default_factory=dict)

    def add(self, path: str, why: str, reason: Reason = Reason.INVALID_ARGUMENT) -> None:
        """Add a problem with the field at `path`, once."""
        self._found[reason, FieldViolation(path, why)] = None

    def add_error(self, path: str, error: TollkeeperError) -> None:
        """Add an error about the value at `path`, which is empty for the request itself."""
        start = f"{path}." if path else ""
        for it in error.wrong_fields or (FieldViolation("", error.message),):
            self.add(f"{start}{it.field}" if it.field else path, it.description, error.reason)

    @contextmanager
    def collect(self, path: str = "") -> Iterator[None]:
        """Add an error that the block ends with, about the value at `path`."""
        try:
            yield
        except TollkeeperError as error:
            self.add_error(path, error)

    def raise_any(self) -> None:
        """Raise `error` if there is a problem."""
        if self._found:
            raise self.error()

    def error(self) -> TollkeeperError:
        """Return the first one's reason, naming every field, as far as there is room. There is one."""
        shown: list[FieldViolation] = []
        room = _ROOM
        for _, violation in islice(self._found, _MOST):
            if shown and len(violation.field) + len(violation.description) > room:
                break
            shown.append(FieldViolation(violation.field, violation.description[:_LONGEST]))
            room -= len(violation.field) + len(shown[-1].description)
        sentences = [f"{it.field}: {it.description}" if it.field else it.description for it in shown]
        if left := len(self._found) - len(shown) + self.more:
            sentences.append(f"and {left} more")
        return TollkeeperError(
            next(iter(self._found))[0],
            "; ".join(sentences),
            field=shown[0].field or None,
            violations=tuple(shown),
        )


def refusal_of(problems: Iterable[Problem], more: int = 0) -> TollkeeperError:
    """Return INVALID_ARGUMENT naming the fields of problems, of which there is one at least, and `more`."""
    refusals = Refusals(more)
    for problem in problems:
        refusals.add(problem.path, problem.why)
    return refusals.error()
