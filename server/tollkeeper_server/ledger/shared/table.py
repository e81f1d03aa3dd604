"""The table: what the members of an epoch have spent and hold, counted in one place.

It is a state machine without a clock and without I/O. An **epoch** is a time in which the table has lost
nothing. Each member brings what it has spent and holds into a new one, once. Batches of a member are
numbered; the reply to the latest one is kept, so that a batch whose reply was lost can be sent again.
A member that
is heard no more, as it died, is alive for one to two minutes. `table.lua` says the same, for Redis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tollkeeper_server.ledger.shared.counts import Counts
from tollkeeper_server.ledger.shared.messages import GATHERING, MEMBER_KEY, TICK, Code, Message, Op, Verb, Why


@dataclass(slots=True)
class _Member:
    """The latest batch of a member in an epoch, the tick that it came in, and the reply to it."""

    epoch: int
    number: int
    tick: int
    reply: Message


@dataclass(slots=True)
class Table:
    """Answers requests. `run` names its life: one that is put back, or copied elsewhere, has another."""

    run: str
    epoch_run: str = ""
    expected: int = 0
    minute: int = 0
    heard: int = 0
    unheard: int = 0  # in this tick; heard in the last one
    names: list[str] = field(default_factory=list)
    members: dict[str, _Member] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    @property
    def live(self) -> int:
        """How many members are alive: those heard in the present tick, or in the last one."""
        return self.heard + self.unheard

    @property
    def epoch(self) -> int:
        """The number of the present epoch, 0 before the first."""
        return self.counts.epoch

    def answer(self, request: Message, now: int) -> Message:
        """Return the reply to a request that comes at `now`, in microseconds since 1970."""
        verb, *rest = request
        if verb == Verb.HELLO:
            goes_on = self.epoch_run == self.run
            return [Code.OK, self.epoch, goes_on, list(self.names)]
        if verb == Verb.BUMP:
            return self._bump(now, *rest)
        if verb == Verb.JOIN:
            return self._join(now, *rest)
        return self._batch(now, *rest)

    def _bump(self, now: int, name: str, seen: int, expected: int) -> Message:
        if self.epoch <= seen:
            expected = max(expected, len({*self.names, name}))
            self.counts.epoch, self.counts.since = seen + 1, now
            self.counts.tick = self.minute = now // TICK
            self.epoch_run, self.expected = self.run, expected
            self.heard = self.unheard = 0
            self.names = []
        return [Code.OK, self.epoch]

    def _join(self, now: int, name: str, epoch: int, holdings: Sequence[Message]) -> Message:
        if epoch != self.epoch:
            return [Code.OTHER_EPOCH, self.epoch]
        if self._member(MEMBER_KEY + name) is not None:
            return [Code.JOINED]
        if holdings and not self._gathers(now):
            return [Code.LATE]
        self._advance(now)
        for holding in holdings:
            self.counts.join(holding)
        self.names.append(name)
        self.members[MEMBER_KEY + name] = _Member(epoch, 0, self.counts.tick, [])
        self.heard += 1
        return [Code.OK, self.counts.tick, now, self.live]

    def _batch(
        self,
        now: int,
        name: str,
        epoch: int,
        number: int,
        keys: Sequence[str],
        operations: Sequence[tuple[int, Sequence[int]]],
    ) -> Message:
        if epoch != self.epoch:
            return [Code.OTHER_EPOCH, self.epoch]
        member = self._member(MEMBER_KEY + name)
        if member is None or member.number not in (number, number - 1):
            return [Code.LOST]
        if member.number == number:
            return member.reply
        self._advance(now)
        if member.tick != self.counts.tick:
            self.unheard -= member.tick == self.counts.tick - 1
            self.heard += 1
            member.tick = self.counts.tick
        gathers = self._gathers(now)
        results = [self._result(op, keys, numbers, now, gathers=gathers) for op, numbers in operations]
        member.number = number
        member.reply = [Code.OK, self.counts.tick, now, self.live, *results]
        return member.reply

    def _result(
        self, op: int, keys: Sequence[str], numbers: Sequence[int], now: int, *, gathers: bool
    ) -> Message:
        if op == Op.RESERVE:
            return [0, 0, Why.GATHERING, 0, 0] if gathers else self.counts.reserve(keys, numbers, now)
        if op == Op.POST:
            return self.counts.post(keys, numbers, now)
        if op == Op.LOOK:
            return self.counts.look(keys, numbers, now)
        if op == Op.LEAVE:
            self._leave(self.counts.tick)
        elif op == Op.SEED and numbers[0] == len(self.names):
            self.counts.seed(keys, numbers[1:])
        elif op == Op.TAKE:
            is_member = self._member(keys[numbers[0]]) is not None
            self.counts.take(keys, numbers[1:], is_member=is_member)
        return []

    def bury(self, name: str) -> None:
        """Count a member no more that has died."""
        member = self._member(MEMBER_KEY + name)
        if member is not None:
            self._leave(member.tick)

    def _leave(self, tick: int) -> None:
        """Count one member less, which was heard last in `tick`."""
        self.heard -= tick == self.counts.tick
        self.unheard -= tick == self.counts.tick - 1
        self.expected -= 1

    def _member(self, key: str) -> _Member | None:
        """Return a member of the present epoch."""
        member = self.members.get(key)
        return member if member is not None and member.epoch == self.epoch else None

    def _gathers(self, now: int) -> bool:
        return self.live < self.expected and 0 <= now - self.counts.since < GATHERING

    def _advance(self, now: int) -> None:
        """Count a minute that has begun. However far the clock steps, in either way, it is one or none."""
        minute = now // TICK
        if minute > self.minute:
            self.counts.tick += 1
            self.heard, self.unheard = 0, self.heard
        self.minute = minute
