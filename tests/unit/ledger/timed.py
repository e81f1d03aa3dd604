"""The ledger of one process, which is told the time with each call."""

from collections.abc import Sequence

from tollkeeper_server.ledger.local import LIFETIME, LocalLedger
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.ledger.reservation import Outcome, Standing


class Timed:
    """`accounts.Subject` of a `LocalLedger`."""

    def __init__(self, *, crossed: Crossed | None = None, lifetime: int = LIFETIME) -> None:
        self.now = 0
        self.ledger = LocalLedger(lambda: self.now, crossed=crossed, lifetime=lifetime)

    def reserve(self, id_: str, meters: Sequence[Meter], needs: Sequence[int], now: int) -> Outcome:
        self.now = now
        return self.ledger.reserve(id_, tuple(meters), needs, now)

    def top_up(self, id_: str, needs: Sequence[int], now: int) -> Outcome | None:
        self.now = now
        return self.ledger.top_up(id_, needs, now)

    def settle(self, id_: str, actual: Sequence[int], now: int) -> bool:
        self.now = now
        return self.ledger.settle(id_, actual)

    def give_back(self, id_: str, now: int) -> bool:
        self.now = now
        return self.ledger.give_back(id_)

    def standing(self, meter: Meter, now: int) -> Standing:
        self.now = now
        return self.ledger.standing(meter, now)
