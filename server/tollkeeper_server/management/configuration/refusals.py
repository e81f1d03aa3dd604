"""Everything that is wrong with a described configuration, told at once."""

from dataclasses import dataclass, field
from itertools import islice

from tollkeeper_server.errors import FieldViolation, Reason, TollkeeperError

# More would not fit into the trailers of a gRPC call, which clients limit to 8 KiB, and which hold it thrice.
_MOST = 10
_ROOM = 1600
_LONGEST = 400


@dataclass(slots=True)
class Refusals:
    """Collects what is wrong, by path. `raise_any` ends the call if there is anything."""

    _found: dict[tuple[Reason, FieldViolation], None] = field(default_factory=dict)

    def add(self, path: str, why: str, reason: Reason = Reason.INVALID_ARGUMENT) -> None:
        """Notes what is wrong with what stands at `path`, once."""
        self._found[reason, FieldViolation(path, why)] = None

    def add_error(self, path: str, error: TollkeeperError) -> None:
        """Notes an error about a field of what stands at `path`."""
        where = f"{path}.{error.field}" if error.field else path
        self.add(where, error.message.removeprefix(f"{error.field}: "), error.reason)

    def raise_any(self) -> None:
        """Raises the first one's reason, naming every field, if something was noted."""
        if not self._found:
            return
        shown: list[FieldViolation] = []
        room = _ROOM
        for _, violation in islice(self._found, _MOST):
            if shown and len(violation.field) + len(violation.description) > room:
                break
            shown.append(FieldViolation(violation.field, violation.description[:_LONGEST]))
            room -= len(violation.field) + len(shown[-1].description)
        sentences = [f"{it.field}: {it.description}" for it in shown]
        if len(self._found) > len(shown):
            sentences.append(f"and {len(self._found) - len(shown)} more")
        raise TollkeeperError(
            next(iter(self._found))[0], "; ".join(sentences), field=shown[0].field, violations=tuple(shown)
        )
