"""What the requests of a process hold and wait for, and what the table is still to be told of them."""

from collections import deque
from collections.abc import Sequence

from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.reservation import Outcome, Pending, shared_out
from tollkeeper_server.ledger.shared.holdings import Holdings
from tollkeeper_server.ledger.shared.queue import Done, Entry, Leave, Look, Post, Renew, Reserve, Take

_BUDGET = MeterKind.BUDGET


class Requests:
    """Entries: `queue` is for the next batch, `parked` waits for a tick, `flight` is what was sent."""

    def __init__(self) -> None:
        self.holdings = Holdings()
        self.queue: deque[Entry] = deque()
        self.flight: list[Entry] = []
        self.parked: list[Reserve] = []
        self._waiting: dict[str, Reserve] = {}

    def reserve(
        self, reservation_id: str, meters: Sequence[Meter], needs: Sequence[int], done: Done
    ) -> Reserve | None:
        """Return what is to be reserved; None if it is reserved, or is about to be."""
        known = self.holdings.pending.get(reservation_id)
        if known is not None:
            done(known)
            return None
        waiting = self._waiting.get(reservation_id)
        if waiting is not None:
            waiting.done.append(done)
            return None
        entry = Reserve(Pending(reservation_id, meters, needs, (), 0), [done])
        self._waiting[reservation_id] = entry
        return entry

    def top_up(self, reservation_id: str, needs: Sequence[int], done: Done) -> Reserve | None:
        """Return what is to be reserved; None if what it belongs to has ended."""
        known = self.holdings.pending.get(reservation_id)
        if known is None:
            done(None)
            return None
        part = Pending(reservation_id, known.meters, needs, (), 0)
        return Reserve(part, [done], parent=reservation_id)

    def cancel(self, reservation_id: str) -> None:
        """Have nobody wait for a reservation; if it is made it is given back."""
        waiting = self._waiting.pop(reservation_id, None)
        if waiting is not None:
            waiting.done = []

    def settle(self, reservation_id: str, actual: Sequence[int]) -> Sequence[tuple[Pending, Sequence[int]]]:
        """Have the table told what each part is settled at; return it, nothing if it was settled before."""
        pending = self.holdings.pending.pop(reservation_id, None)
        if pending is None:
            return ()
        parts = shared_out(pending, actual) if pending.more else ((pending, actual),)
        for part, used in parts:
            for meter, period, amount in zip(part.meters, part.periods, used, strict=True):
                if meter.kind is _BUDGET:
                    self.holdings.spend(meter.key, period, amount)
            self.queue.append(Post(part, used))
        return parts

    def make(self, entry: Reserve) -> None:
        """Give a reservation to whoever waits for it, or back."""
        part = entry.part
        parent = self.holdings.pending.get(entry.parent)
        if not entry.done or (entry.parent and parent is None):
            self.queue.append(Post(part, (0,) * len(part.meters)))
            self.end(entry, None)
        elif parent is not None:
            parent.more = (*parent.more, part)
            self.end(entry, part)
        else:
            self.holdings.pending[part.id] = part
            self.end(entry, part)

    def end(self, entry: Reserve, answer: Outcome | None) -> None:
        """Tell whoever waits, and no more."""
        if not entry.parent and self._waiting.get(entry.part.id) is entry:
            del self._waiting[entry.part.id]
        entry.tell(answer)

    @property
    def has_news(self) -> bool:
        """Whether the table is still to be told what was used, or what was taken over."""
        return any(isinstance(it, (Post, Take)) for it in (*self.flight, *self.queue))

    def renew(self, tick: int, at: int) -> None:
        """Have what holds slots since before `at` live on in the table's tick."""
        for part in self.holdings.parts():
            if part.at < at and any(meter.kind is MeterKind.SLOTS for meter in part.meters):
                self.queue.append(Renew(part, tick))

    def come_again(self) -> None:
        """Have what is parked come with the next batch."""
        parked, self.parked = self.parked, []
        self.queue.extend(parked)

    def keep_for_next_epoch(self) -> None:
        """Forget what the holdings say all of: what the table of the last epoch was to be told."""
        self.queue = deque(it for it in (*self.flight, *self.queue) if isinstance(it, (Reserve, Look, Leave)))
        self.flight = []

    def to_decide(self, others: Sequence[Reserve]) -> list[Reserve]:
        """Return all reservations that somebody waits for, with `others`, for the table no more to make them.

        The one that is under way stays there: if it is made, it is given back.
        """
        waiting = [*self.flight, *self.queue, *self.parked, *others]
        self.parked.clear()
        self.queue = deque(it for it in self.queue if not isinstance(it, Reserve))
        return [self._again(it) for it in waiting if isinstance(it, Reserve) and it.done]

    def _again(self, entry: Reserve) -> Reserve:
        part = Pending(entry.part.id, entry.part.meters, entry.part.needs, (), 0)
        again = Reserve(part, entry.done, entry.parent)
        entry.done = []
        if not entry.parent:
            self._waiting[part.id] = again
        return again
