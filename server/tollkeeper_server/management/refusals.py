"""Everything that is wrong with a described configuration, told at once."""

from dataclasses import dataclass, field

from tollkeeper_server.errors import FieldViolation, Reason, TollkeeperError

# More would not fit into the trailers of a gRPC call, which clients limit to 8 KiB.
_MOST = 10
_LONGEST = 400


@dataclass(slots=True)
class Refusals:
    """Collects what is wrong, by path. `raise_any` ends the call if there is anything."""

    _found: list[tuple[Reason, FieldViolation]] = field(default_factory=list)

    def add(self, path: str, why: str, reason: Reason = Reason.INVALID_ARGUMENT) -> None:
        """Notes what is wrong with what stands at `path`."""
        self._found.append((reason, FieldViolation(path, why)))

    def add_error(self, path: str, error: TollkeeperError) -> None:
        """Notes an error about a field of what stands at `path`."""
        where = f"{path}.{error.field}" if error.field else path
        self.add(where, error.message.removeprefix(f"{error.field}: "), error.reason)

    def raise_any(self) -> None:
        """Raises the first one's reason, naming every field, if something was noted."""
        if not self._found:
            return
        shown = tuple(it for _, it in self._found[:_MOST])
        sentences = [f"{it.field}: {it.description}"[:_LONGEST] for it in shown]
        if len(self._found) > _MOST:
            sentences.append(f"and {len(self._found) - _MOST} more")
        raise TollkeeperError(self._found[0][0], "; ".join(sentences), field=shown[0].field, violations=shown)
