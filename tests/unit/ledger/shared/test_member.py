"""A member of a shared ledger, and all that can go wrong between members and their table."""

import copy

import pytest
from tollkeeper_server.ledger.reservation import Cause, Pending, Refused
from tollkeeper_server.ledger.shared.member import PATIENCE
from tollkeeper_server.ledger.shared.messages import GATHERING, TICK, Verb
from tollkeeper_server.ledger.shared.table import Table

from tests.simulation.chances import KINDS
from tests.simulation.world import world_of
from tests.unit.ledger.accounts import HOUR, METERS, START, exercise
from tests.unit.ledger.shared.direct import Asked, Direct


@pytest.mark.parametrize("exceeds", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_it_counts_as_the_accounts_do(seed: int, exceeds: bool) -> None:
    exercise(Direct(), seed, steps=200, exceeds=exceeds, folds=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("round_", range(4))
def test_a_world_keeps_its_promises(kind: str, round_: int) -> None:
    world_of(round_ * len(KINDS) + list(KINDS).index(kind)).run()


def test_the_first_to_reach_a_table_that_was_put_back_waits_for_the_others() -> None:
    table = [Table(run="before")]
    one, other = (Direct(lambda request, now: table[0].answer(request, now), name) for name in ("p1", "p2"))
    budget = (METERS[0],)
    assert isinstance(other.reserve("r1", budget, (1,), START), Pending)
    assert isinstance(one.reserve("r2", budget, (1000,), START), Pending)
    earlier = copy.deepcopy(table[0])
    assert isinstance(one.reserve("r3", budget, (3000,), START), Pending)
    earlier.run = "after"
    table[0] = earlier
    # To this member nothing seems to be lost.
    other.member.disconnected(START)
    other.member.connected(START)
    told: list[object] = []
    other.member.reserve("r4", budget, (2000,), START, told.append)
    for _ in range(5):
        other.line.step(START)
    assert told == []
    one.member.disconnected(START)
    one.member.connected(START)
    one.line.carry(START)
    other.line.carry(START)
    (answer,) = told
    assert isinstance(answer, Refused)
    assert answer.left == METERS[0].amount - 4001


def test_a_share_is_had_once_however_often_the_table_goes_away() -> None:
    """Between outages so short that nobody asked for anything, nobody has heard what is left."""
    table, budget, now = Table(run="run"), (METERS[0],), START
    other, one = (Direct(table.answer, name) for name in ("p1", "p2"))
    for member in (other, one):
        assert isinstance(member.reserve("r", budget, (1,), now), Pending)
    told: list[object] = []
    for outage in range(3):
        one.member.disconnected(now)
        now += PATIENCE
        for number in range(METERS[0].amount // 200):
            one.member.reserve(f"r{outage}-{number}", budget, (100,), now, told.append)
        one.member.connected(now)
        one.line.carry(now)
    assert sum(isinstance(it, Pending) for it in told) == (METERS[0].amount - 2) // 2 // 100


def test_members_that_do_not_come_are_waited_for_so_long() -> None:
    table = Table(run="run")
    for name in ("p1", "p2"):
        Direct(table.answer, name).reserve("r", (METERS[0],), (1,), START)
    lost = Table(run="run")
    member = Direct(table.answer, "p3")
    member.reserve("r", (METERS[0],), (1,), START)
    member.line.answer = lost.answer
    told: list[object] = []
    member.member.reserve("r2", (METERS[0],), (1,), START, told.append)
    for now in (START, START + 1, START + GATHERING - 1):
        for _ in range(5):
            member.line.step(now)
    assert told == []
    member.line.carry(START + GATHERING)
    assert len(told) == 1


def test_what_was_taken_over_while_the_store_was_asked_is_counted_once() -> None:
    """The store has it under the name of a member that joined after the names were heard."""
    table = [Table(run="before")]
    now, budget, period = START + 1, METERS[0], METERS[0].calendar.at(START).id
    one, dead, late = (Direct(lambda request, at: table[0].answer(request, at), f"p{n}") for n in range(3))
    assert isinstance(one.reserve("r1", (budget,), (1,), now), Pending)
    assert isinstance(dead.reserve("r2", (budget,), (7,), now), Pending)
    assert dead.settle("r2", (7,), now)
    table[0] = Table(run="after")
    for member in (one, dead):
        member.member.disconnected(now)
        member.member.connected(now)
        member.line.step(now)
    one.line.carry(now)
    dead.line.carry(now)
    asked: list[Asked] = []
    one.line.asked = asked
    told: list[object] = []
    one.member.reserve("r3", (budget,), (1,), now, told.append)
    for _ in range(5):
        one.line.step(now)
    late.member.connected(now)
    late.line.carry(now)
    late.member.take_over("p1", [(budget.key, period, 7)])
    late.line.carry(now)
    for _ in range(2):
        ((members, answer),) = asked
        asked.clear()
        answer(0 if "p2" in members else 7)
        for _ in range(5):
            one.line.step(now)
    assert len(told) == 1
    standing = late.standing(budget, now)
    assert standing is not None
    assert (standing.spent, standing.held) == (7, 2)


def alone(member: Direct, now: int) -> int:
    """Have a member lose the table; return a time at which it goes on alone."""
    member.member.disconnected(now)
    return now + PATIENCE


def ask_alone(member: Direct, id_: str, need: int, now: int) -> Pending | Refused:
    told: list[Pending | Refused | None] = []
    member.member.reserve(id_, (METERS[0],), (need,), now, told.append)
    (answer,) = told
    assert answer is not None
    return answer


def test_what_a_share_lacks_may_be_asked_for_again_and_what_all_lack_may_not() -> None:
    table = Table(run="run")
    one, other = Direct(table.answer, "p1"), Direct(table.answer, "p2")
    budget = METERS[0]  # of 5,000
    other.reserve("r", (budget,), (1,), START)
    one.reserve("r", (budget,), (999,), START)
    now = alone(one, START)
    standing = one.member.standing(budget, now)
    assert standing is not None
    assert (standing.spent, standing.remaining) == (1000, 2000)
    assert isinstance(ask_alone(one, "a", 1500, now), Pending)
    more = ask_alone(one, "b", 501, now)
    assert isinstance(more, Refused)
    assert (more.cause, more.should_retry, more.retry_after) == (Cause.UNKNOWN, True, 1)
    assert one.member.standing(budget, now)[1:4] == (2500, 0, 500)  # type: ignore[index]  # it is known
    never = ask_alone(one, "c", 2501, now)
    assert isinstance(never, Refused)
    assert (never.cause, never.left) == (Cause.SPENT, 500)


def test_a_member_forgets_what_stands_as_if_it_were_new() -> None:
    member, meters = Direct(), (METERS[0], METERS[2], METERS[5])  # of an hour, in total, and a rate
    member.reserve("r", meters, (1, 1, 1), START)
    assert member.settle("r", (1, 1, 1), START)
    assert member.member.sweep(START) == set()
    assert member.member.sweep(START + HOUR) == {METERS[0].key, METERS[5].key}
    assert member.member.standing(METERS[2], START + HOUR) is not None


def test_a_member_that_was_killed_takes_no_share_after_two_minutes() -> None:
    table = Table(run="run")
    members = [Direct(table.answer, f"p{number}") for number in range(3)]
    for member in members:
        member.reserve("r", (METERS[0],), (0,), START)
    *living, _ = members
    now = START
    for minute in range(1, 3):
        now = START + minute * TICK
        for member in living:
            member.line.step(now)
        assert table.live == (3 if minute == 1 else 2)
    now = alone(living[1], now)
    assert isinstance(ask_alone(living[1], "half", 2500, now), Pending)
    living[0].member.leave()
    living[0].line.carry(now)
    assert table.live == 1


def test_all_members_are_known_when_some_joined_before_a_new_minute_and_some_in_it() -> None:
    table = Table(run="run")
    before = [Direct(table.answer, f"before {number}") for number in range(3)]
    late = Direct(table.answer, "late")
    for member in before:
        member.reserve("r", (METERS[0],), (0,), START)
    assert table.live == 3
    late.reserve("r", (METERS[0],), (0,), START + TICK)
    assert table.live == 4
    for member in before:
        member.line.step(START + TICK + 1)
        assert table.live == 4
    late.member.leave()
    late.line.carry(START + TICK + 2)
    assert table.live == 3
    before[0].line.step(START + 2 * TICK)
    table.bury("before 1")
    assert table.live == 2


def test_a_new_epoch_waits_for_those_who_joined_while_its_first_member_asked_who_is_there() -> None:
    table = Table(run="run")
    for name in ("p1", "p2", "p3"):
        Direct(table.answer, name).reserve("r", (METERS[0],), (1,), START)
    # A member that knows of nobody, and one of those three.
    table.answer([Verb.BUMP, "p4", table.epoch, 1], START)
    assert table.expected == 4
    for name in ("p1", "p2", "p3"):
        table.answer([Verb.JOIN, name, table.epoch, []], START)
    table.answer([Verb.BUMP, "p1", table.epoch, 1], START)
    assert table.expected == 3
