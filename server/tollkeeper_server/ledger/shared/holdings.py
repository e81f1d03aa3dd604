"""What one process has spent and holds: all that a new epoch needs to know from it."""

from collections.abc import Iterable

from tollkeeper_server.ledger.meter import METER_KEY, MeterKind, is_over
from tollkeeper_server.ledger.reservation import Pending
from tollkeeper_server.ledger.shared.messages import Message


class Holdings:
    """Sums of a process: spent by key, in its latest period; and the reservations that are pending."""

    def __init__(self) -> None:
        self.pending: dict[str, Pending] = {}
        # key -> period, spent, thresholds told and of which amount
        self._spent: dict[str, tuple[int, int, int, int]] = {}

    def spend(self, key: str, period: int, amount: int) -> None:
        """Count what was spent of a budget in a period, unless a later one has begun."""
        known = self._spent.get(key)
        if known is None or period > known[0]:
            self._spent[key] = (period, amount, 0, 0)
        elif period == known[0]:
            self._spent[key] = (period, known[1] + amount, *known[2:])

    def tell(self, key: str, period: int, amount: int, reached: int) -> bool:
        """Note that a budget of an amount has reached thresholds; return whether that was not known."""
        known = self._spent.get(key, (period, 0, 0, 0))
        if period != known[0] or (amount == known[3] and reached <= known[2]):
            return False
        self._spent[key] = (period, known[1], reached, amount)
        return True

    def parts(self) -> list[Pending]:
        """Return the parts of all reservations that are pending."""
        return [part for pending in self.pending.values() for part in pending.parts]

    def listed(self, now: int) -> Message:
        """Return the holdings as the table takes them, and forget those of periods that are over at `now`."""
        found: dict[str, list[int]] = {}
        for key, (period, spent, told, amount) in list(self._spent.items()):
            if is_over(key, period, now):
                del self._spent[key]
            elif spent or told:
                found[key] = [MeterKind.BUDGET, period, spent, 0, told, amount]
        for key, kind, period, need in _held(self.parts()):
            if kind == MeterKind.BUDGET and is_over(key, period, now):
                continue
            known = found.get(key)
            if known is None or period > known[1]:
                found[key] = [kind, period, 0, need, 0, 0]
            elif period == known[1]:
                known[3] += need
        return [[METER_KEY + key, *numbers] for key, numbers in found.items()]


def _held(parts: Iterable[Pending]) -> Iterable[tuple[str, MeterKind, int, int]]:
    for part in parts:
        for meter, need, period in zip(part.meters, part.needs, part.periods, strict=True):
            if meter.kind is not MeterKind.RATE and need:
                yield meter.key, meter.kind, period, need
