"""What the ledger of one process counts, and the counts of meters that are reserved together."""

from collections.abc import Callable, Sequence

from tollkeeper_server.domain.rate import MINUTE
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.reservation import Pending


class Count:
    """What is counted under one key.

    A rate uses the first four members, others the rest and `amount`: that by which thresholds were told.
    `before` is what `earned_at` was before the latest need was taken.
    """

    __slots__ = ("amount", "before", "earned_at", "ends", "given", "held", "period", "spent", "told")

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self.earned_at = 0
        self.before = 0
        self.given = 0
        self.period = 0
        self.ends = 0
        self.spent = 0
        self.held = 0
        self.told = 0


class Group:
    """Meters that requests reserve together, with their counts.

    `lines` are those of all meters: the count, the amount, and what a rate's burst takes to be earned, 0 of
    all else. `budgets`, `slots` and `rates` are the places of such meters with their counts, of budgets also
    the amount at which the first threshold is reached.
    """

    __slots__ = ("budgets", "lines", "meters", "rates", "slots")

    def __init__(self, meters: tuple[Meter, ...], count: Callable[[Meter], Count]) -> None:
        self.meters = meters
        counts = [count(meter) for meter in meters]
        placed = list(zip(range(len(meters)), counts, meters, strict=True))
        self.lines = tuple(
            (it, meter.amount, meter.rate.burst * MINUTE if meter.kind is MeterKind.RATE else 0)
            for _, it, meter in placed
        )
        self.rates = tuple((at, it) for at, it, meter in placed if meter.kind is MeterKind.RATE)
        self.slots = tuple((at, it) for at, it, meter in placed if meter.kind is MeterKind.SLOTS)
        self.budgets = tuple(
            (at, it, meter.marks[0]) for at, it, meter in placed if meter.kind is MeterKind.BUDGET
        )


class Made(Pending):
    """A reservation of a group's meters."""

    __slots__ = ("group",)

    def __init__(self, id_: str, group: Group, needs: Sequence[int], periods: Sequence[int], at: int) -> None:
        self.id = id_
        self.meters = group.meters
        self.needs = needs
        self.periods = periods
        self.at = at
        self.more = ()
        self.group = group
