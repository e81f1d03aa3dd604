"""A process's part in a shared ledger: it asks the table, a batch at a time, and goes on alone without it.

A state machine without I/O, so that a seed can drive any number of them: whoever owns it tells it what has
come and what time it is, and sends what it gives out.

One request is under way at a time; meanwhile others gather for the next batch. A batch whose reply did not
come is sent again: the table keeps the reply. If the table has lost something (it was emptied, restarted, put
back), the first member to notice begins a new epoch, and each brings what it has spent and holds.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType

from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.ledger.reservation import Cause, Pending, Refused, Standing
from tollkeeper_server.ledger.shared.batches import Batches
from tollkeeper_server.ledger.shared.known import Known, reset_of
from tollkeeper_server.ledger.shared.line import Line
from tollkeeper_server.ledger.shared.messages import MANY, Code, Message, Verb
from tollkeeper_server.ledger.shared.news import News
from tollkeeper_server.ledger.shared.queue import Done, Entry, Leave, Look, Post, Reserve, Seed, Take
from tollkeeper_server.ledger.shared.requests import Requests
from tollkeeper_server.ledger.shared.seeding import Seeding
from tollkeeper_server.ledger.shared.share import Share

PATIENCE = 500_000
"""Microseconds: a reply that takes longer is given up with its connection; without one the share is used."""
HEARTBEAT = 500_000
"""Microseconds after which a member that has nothing to say asks whether the epoch goes on."""
_TAKEN = 500
_NOBODY = ""
"""Is no member of any epoch."""
_SECOND = 1_000_000


class _Step(Enum):
    """What a member waits for."""

    AWAY = auto()
    HELLO = auto()
    BUMP = auto()
    JOIN = auto()
    BATCH = auto()
    READY = auto()


class Member:
    """Makes reservations of the table. `name` is its own among all that ever were.

    `now` is this process's time in microseconds, of any clock that does not go back.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        *,
        crossed: Crossed | None = None,
        beyond: Callable[[str], object] | None = None,
        untold: Callable[[bool], object] | None = None,
        expected: int = MANY,
    ) -> None:
        """Begin without a connection.

        `beyond` is told the key of each budget that is found beyond its first threshold, whoever has used it,
        with what is held. `untold` is told whether the epoch would lack something if this member were never
        heard again: it must `begin_again` then. `expected` is how many members an epoch waits for that this
        one begins before it knows of others.
        """
        self.name = name
        self.epoch = 0
        self._line = line
        self._expected = expected
        self._requests = Requests()
        self._known = Known(beyond)
        self._news = News(untold)
        self._seeding = Seeding(line.ask)
        self._batches = Batches(name, self._requests, self._known, self._seeding, crossed)
        self._step = _Step.AWAY
        self._joining: list[Pending] = []
        self._joins = 0
        self._lost = False
        self._share: Share | None = None
        self._sent_at = 0
        self._renewed = self._renewed_at = 0
        self._lost_at: int | None = None

    # -- what requests ask

    @property
    def pending(self) -> int:
        """The number of reservations that are held."""
        return len(self._requests.holdings.pending)

    @property
    def ready(self) -> bool:
        """Whether the table answers."""
        return self._step in (_Step.READY, _Step.BATCH)

    @property
    def idle(self) -> bool:
        """Whether the table knows all that there is to tell."""
        has_told = not (self._requests.queue or self._requests.parked) and self._seeding.is_idle
        return self._step is _Step.READY and has_told

    def reserve(
        self, reservation_id: str, /, meters: Sequence[Meter], needs: Sequence[int], now: int, done: Done
    ) -> None:
        """Reserve as the ledger's port says; `done` is called with the answer, perhaps at once."""
        entry = self._requests.reserve(reservation_id, meters, needs, done)
        if entry is not None:
            self._put(entry, now)

    def top_up(self, reservation_id: str, /, needs: Sequence[int], now: int, done: Done) -> None:
        """Hold more as the ledger's port says; `done` is called with the answer, perhaps at once."""
        entry = self._requests.top_up(reservation_id, needs, done)
        if entry is not None:
            self._put(entry, now)

    def cancel(self, reservation_id: str, /) -> None:
        """Give up waiting for a reservation; if it is made it is given back."""
        self._requests.cancel(reservation_id)

    def settle(self, reservation_id: str, /, actual: Sequence[int]) -> bool:
        """Settle as the ledger's port says."""
        parts = self._requests.settle(reservation_id, actual)
        if not parts:
            return False
        if self._share is not None:
            for part, used in parts:
                self._share.give(part, used)
        if not self.ready:
            self._news.gather()
        self._line.wake()
        return True

    def give_back(self, reservation_id: str, /) -> bool:
        """Give back as the ledger's port says."""
        known = self._requests.holdings.pending.get(reservation_id)
        return known is not None and self.settle(reservation_id, (0,) * len(known.meters))

    def standing(self, meter: Meter, /, now: int) -> Standing | None:
        """Return how a meter stood when this process last heard of it; what others hold counts as spent.

        While the table is away, `remaining` is what is left of this process's share.
        """
        if not self._is_alone(now) or not self.epoch:
            return self._known.standing(meter, now)
        time = self._known.time(now)
        period = self._known.period(meter, time) if meter.kind is MeterKind.BUDGET else 0
        return self._alone(time).standing(meter, period, time, reset_of(meter, time))

    @property
    def names(self) -> Sequence[str]:
        """The members that were heard last; after `hear_names` and a look at nothing, all of the epoch."""
        return self._seeding.names

    def hear_names(self) -> None:
        """Ask who the members are before the next batch."""
        self._seeding.wanted = True

    def sweep(self, now: int) -> set[str]:
        """Forget meters that stand as if they were new, and return their keys."""
        return self._known.sweep(now)

    def look(self, meters: Sequence[Meter], done: Callable[[list[Standing | None]], None]) -> None:
        """Have the table tell how meters stand; None for one that it does not know."""
        self._tell(Look(meters, done))

    def take_over(
        self,
        owner: str,
        spent: Sequence[tuple[str, int, int]],
        held: Mapping[tuple[str, int], int] = MappingProxyType({}),
    ) -> None:
        """Count what a process that died has spent, by key and period, with what this one has.

        `held` is how much of that it held when it died: where the table has it so, it is spent.
        Call it before the events are stored as this one's: a crash in between counts them twice, not never.
        """
        for key, period, amount in spent:
            self._requests.holdings.spend(key, period, amount)
        for first in range(0, len(spent), _TAKEN):
            self._requests.queue.append(Take(owner, spent[first : first + _TAKEN], held))
        if not self.ready:
            self._news.gather()
        self._line.wake()

    def charge(self, spent: Sequence[tuple[str, int, int]]) -> None:
        """Count what this process has spent past the ledger, by key and period, or gives back."""
        self.take_over(_NOBODY, spent)

    def begin_again(self) -> None:
        """Have a new epoch begin: the present one lacks what a process knew that is gone."""
        self._lost = True
        self._news.gather()
        self.hear_names()
        self._line.wake()

    def leave(self) -> None:
        """Tell the table that this process ends, once all is settled."""
        self._tell(Leave())

    def seed(self, key: str, period: int, members: Sequence[str], spent: int | None, now: int) -> None:
        """Take what all but these members have spent, which was asked for; None if nobody can say."""
        waiting = self._seeding.pop(key, period, members)
        if not waiting:
            return
        if spent is None:
            for entry in waiting:
                meter = next(it for it in entry.part.meters if it.key == key)
                self._requests.end(entry, Refused(meter, Cause.UNKNOWN))
            return
        self._requests.queue.append(Seed(len(members), key, period, spent))
        for entry in waiting:
            self._put(entry, now)

    # -- what happens

    def connected(self, now: int) -> None:
        """Begin on a new connection."""
        self._ask(_Step.HELLO, [Verb.HELLO], now)

    def disconnected(self, now: int) -> None:
        """Note that the connection is gone, and with it the reply that was waited for."""
        self._step = _Step.AWAY
        if self._lost_at is None:
            self._lost_at = now
        if self._requests.has_news:
            self._news.gather()

    def received(self, reply: Message, now: int) -> None:
        """Take the reply to the request that is under way."""
        step = self._step
        if step is _Step.HELLO:
            self._greeted(now, *reply[1:])
        elif step is _Step.BUMP:
            self._join(reply[1], now)
        elif step is _Step.JOIN:
            self._joined(reply, now)
        elif step is _Step.BATCH:
            if reply[0] == Code.OK:
                self._step = _Step.READY
                self._batches.take(reply, now)
                if self._requests.queue or self._seeding.wanted:
                    self._line.wake()
            else:
                self._lost = self._lost or reply[0] == Code.LOST
                self._ask(_Step.HELLO, [Verb.HELLO], now)

    def tick(self, now: int) -> None:
        """Do what time demands; to be called several times in `PATIENCE`."""
        if self._step not in (_Step.AWAY, _Step.READY) and now - self._sent_at >= PATIENCE:
            self._line.drop()
        if self._is_alone(now):
            for entry in self._requests.to_decide(self._seeding.pop_all()):
                self._decide(entry, now)
            return
        self._requests.come_again()
        if self.ready:
            self._renew(now)
        self.flush(now, heartbeat=now - self._sent_at >= HEARTBEAT)

    def flush(self, now: int, *, heartbeat: bool = False) -> None:
        """Send what has gathered, if nothing is under way."""
        if self._step is not _Step.READY:
            return
        if self._seeding.wanted:
            self._ask(_Step.HELLO, [Verb.HELLO], now)
            return
        batch = self._batches.gather(self.epoch, now, even_empty=heartbeat)
        if batch is not None:
            self._ask(_Step.BATCH, batch, now)

    # -- epochs

    def _ask(self, step: _Step, request: Message, now: int) -> None:
        self._step, self._sent_at = step, now
        self._line.send(request)

    def _greeted(self, now: int, epoch: int, goes_on: bool, names: Sequence[str]) -> None:
        self._seeding.names = names
        if self._lost or epoch < self.epoch or epoch == 0 or not goes_on:
            self._bump(max(epoch, self.epoch), now)
        elif epoch > self.epoch:
            self._join(epoch, now)
        else:
            self._return()
            if self._requests.flight:
                self._ask(_Step.BATCH, self._batches.latest, now)
            else:
                self._step = _Step.READY
                self._seeding.ask_all()
                self.flush(now)

    def _bump(self, seen: int, now: int) -> None:
        # Who is not waited for comes late and ends the epoch again: the table adds those that it knows of.
        expected = 1 if self._seeding.names else self._known.live or self._expected
        self._ask(_Step.BUMP, [Verb.BUMP, self.name, seen, expected], now)

    def _join(self, epoch: int, now: int) -> None:
        # What this process has spent and holds says it all: what it had to tell the last epoch is in it.
        self._requests.keep_for_next_epoch()
        holdings = self._requests.holdings
        self._joining = holdings.parts()
        self._joins = epoch
        listed = holdings.listed(self._known.time(now))
        self._ask(_Step.JOIN, [Verb.JOIN, self.name, epoch, listed], now)

    def _joined(self, reply: Message, now: int) -> None:
        if reply[0] == Code.OTHER_EPOCH:
            self._ask(_Step.HELLO, [Verb.HELLO], now)
            return
        if reply[0] != Code.OK:
            self._bump(self._joins, now)
            return
        self.epoch, self._lost = self._joins, False
        self._batches.begin_epoch()
        self._known.heard(reply, now)
        for part in self._joining:
            part.at = self._known.held_since
            # The rates of an epoch begin whole: nobody gives back to them what was taken before.
            part.periods = [
                0 if it.kind is MeterKind.RATE else period
                for it, period in zip(part.meters, part.periods, strict=True)
            ]
        self._joining = []
        self._known.begin_epoch()
        self._requests.queue.extend(self._seeding.pop_all())
        self._return()
        self._step = _Step.READY
        self.flush(now)

    def _return(self) -> None:
        if self._share is not None:
            self._known.left.update(self._share.rest())
        self._lost_at = self._share = None
        told = self._news.telling()
        if told is not None:
            self.look((), told)

    # -- batches

    def _put(self, entry: Reserve, now: int) -> None:
        if self._is_alone(now):
            self._decide(entry, now)
        else:
            self._tell(entry)

    def _tell(self, entry: Entry) -> None:
        self._requests.queue.append(entry)
        self._line.wake()

    def _renew(self, now: int) -> None:
        tick = self._known.tick
        if self._renewed != tick or now - self._renewed_at >= _SECOND:
            self._renewed, self._renewed_at = tick, now
            self._requests.renew(tick, self._known.held_since)

    # -- alone

    def _is_alone(self, now: int) -> bool:
        return self._lost_at is not None and now - self._lost_at >= PATIENCE and not self.ready

    def _decide(self, entry: Reserve, now: int) -> None:
        """Decide without the table."""
        part, known = entry.part, self._known
        if not self.epoch:
            self._requests.end(entry, Refused(part.meters[0], Cause.UNKNOWN))
            return
        time = known.time(now)
        share = self._alone(time)
        part.periods = [known.period(it, time) if it.kind is MeterKind.BUDGET else 0 for it in part.meters]
        part.at = known.held_since
        refusal = share.refusal(part.meters, part.needs, part.periods, time)
        if refusal is not None:
            self._requests.end(entry, refusal)
            return
        share.take(part, time)
        self._news.gather()
        self._requests.queue.append(Post(part, (0,) * len(part.meters), forced=True))
        self._requests.make(entry)

    def _alone(self, time: int) -> Share:
        if self._share is None:
            self._share = Share(self._known.live, dict(self._known.left), time)
        return self._share
