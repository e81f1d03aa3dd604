"""What the broker does besides answering: slots of the dead are free, what counts no more is forgotten."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.ledger.meter import Meter, meter_of
from tollkeeper_server.ledger.reservation import Pending
from tollkeeper_server.ledger.shared.messages import TICK, Message
from tollkeeper_server.ledger.shared.slots_held import SlotsHeld
from tollkeeper_server.ledger.shared.sweep import forget
from tollkeeper_server.ledger.shared.table import Table

from tests.unit.ledger.shared.direct import Direct

DAY = 86_400_000_000
NOON = 20_000 * DAY + DAY // 2
TOKEN = Scope(ScopeKind.TOKEN, "tok_1")
SLOTS = meter_of(TOKEN, Limit(measure=Measure.CONCURRENT, amount=1000))
TOTAL = meter_of(TOKEN, Limit(measure=Measure.REQUESTS, amount=1000, period=Period.TOTAL))
HOUR = meter_of(TOKEN, Limit(measure=Measure.REQUESTS, amount=1000, period=Period.HOUR))
RATE = meter_of(TOKEN, Limit(measure=Measure.REQUEST_RATE, amount=1000))


class Followed:
    """A table, and who holds which of its slots."""

    def __init__(self) -> None:
        self.table = Table(run="run")
        self.slots = SlotsHeld()
        self._again: Message | None = None

    def answer(self, request: Message, now: int) -> Message:
        reply = self.table.answer(request, now)
        self.slots.follow(request, reply)
        self.slots.follow(request, self.table.answer(request, now) if request[0] == 3 else reply)
        return reply

    def held(self, meter: Meter) -> int:
        """Return what is held of a meter."""
        count = self.table.counts.counts.get(meter.wire_key)
        return count.held + count.before if count is not None else 0


def reserve(member: Direct, name: str, meters: Sequence[Meter], now: int) -> None:
    """Hold one of each meter."""
    assert isinstance(member.reserve(name, meters, (1,) * len(meters), now), Pending)


STEPS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 4)), max_size=40)


@given(STEPS)
def test_slots_of_a_dead_member_are_free_and_no_others(steps: list[tuple[bool, bool, int]]) -> None:
    """However they were reserved, settled and renewed before."""
    followed = Followed()
    members = {name: Direct(followed.answer, name) for name in ("alive", "dead")}
    held: dict[str, list[str]] = {"alive": [], "dead": []}
    now = NOON
    for member in members.values():
        member.settle("nothing", (), now)
    for number, (is_dead, settles, minutes) in enumerate(steps):
        name = "dead" if is_dead else "alive"
        now += minutes * TICK // 4
        for member in members.values():
            member.settle("nothing", (), now)
        if settles and held[name]:
            members[name].settle(held[name].pop(), (1, 1), now)
        else:
            reserve(members[name], f"{name}-{number}", (SLOTS, TOTAL), now)
            held[name].append(f"{name}-{number}")
    assert followed.held(SLOTS) == len(held["alive"]) + len(held["dead"])
    live = followed.table.live
    followed.slots.give_back("dead", followed.table)
    assert followed.held(SLOTS) == len(held["alive"])
    assert followed.held(TOTAL) == len(held["alive"]) + len(held["dead"])
    assert followed.table.live == live - 1
    followed.slots.give_back("dead", followed.table)
    assert followed.table.live == live - 1


def test_slots_that_a_dead_member_brought_into_an_epoch_are_free_and_no_others() -> None:
    followed = Followed()
    members = [Direct(followed.answer, name) for name in ("alive", "dead")]
    for member in members:
        reserve(member, f"{member.member.name} holds", (SLOTS, TOTAL), NOON)
        reserve(member, f"{member.member.name} has used", (TOTAL,), NOON)
        member.settle(f"{member.member.name} has used", (1,), NOON)
    followed.table = Table(run="another")
    for member in members:
        member.member.disconnected(NOON)
        member.member.connected(NOON)
        member.line.carry(NOON)
    members[0].standing(TOTAL, NOON)  # the other one came late, which has begun one more epoch
    assert followed.held(SLOTS) == followed.held(TOTAL) == 2
    followed.slots.give_back("dead", followed.table)
    assert followed.held(SLOTS) == 1
    assert followed.held(TOTAL) == 2


def test_what_counts_no_more_is_forgotten() -> None:
    table = Table(run="run")
    member = Direct(table.answer)
    meters = (SLOTS, TOTAL, HOUR, RATE)
    reserve(member, "first", meters, NOON)
    member.settle("first", (0, 1, 1, 1), NOON)
    forget(table, NOON)
    assert table.counts.counts.keys() | table.counts.rates.keys() == {it.wire_key for it in meters}
    table.counts.tick += 3
    forget(table, NOON + 40 * DAY)
    assert table.counts.counts.keys() | table.counts.rates.keys() == {TOTAL.wire_key}
    assert table.members.keys() == {"q:p1"}
    table.counts.epoch += 1
    forget(table, NOON)
    assert not table.counts.counts
    assert not table.members
