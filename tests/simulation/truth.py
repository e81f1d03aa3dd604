"""What is true in a world: what callers were told, against which everything is held."""

from collections import Counter

from tollkeeper_server.ledger.meter import Meter

Place = tuple[str, int]
"""A budget's key and period."""


class FoundError(AssertionError):
    """A promise was broken."""


class Truth:
    """What callers were told, by budget and period, and by process."""

    def __init__(self) -> None:
        self.spent: Counter[Place] = Counter()
        self.held: Counter[Place] = Counter()
        self.alone: Counter[Place] = Counter()
        self.missing: Counter[Place] = Counter()
        self.unheard: Counter[str] = Counter()

    def hold_to(self, meter: Meter, place: Place) -> None:
        """Raise `FoundError` if more is spent and held than may be."""
        used = self.spent[place] + self.held[place]
        allowed = meter.amount + self.alone[place] + self.missing[place]
        if used > allowed:
            raise FoundError(
                f"{place}: {used} used of {meter.amount}, {self.alone[place]} of it alone, "
                f"{self.missing[place]} missing"
            )
