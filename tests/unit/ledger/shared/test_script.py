"""The script for Redis answers as the table does, whatever it is asked."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.shared.messages import TICK, Code, Message, Op, Verb, Why, decode
from tollkeeper_server.ledger.shared.script import CLOCK, SCRIPT, call_of
from tollkeeper_server.ledger.shared.table import Table

from tests.unit.ledger.accounts import METERS, START, exercise
from tests.unit.ledger.shared.direct import Direct

assert CLOCK in SCRIPT
TIMED = SCRIPT.replace(CLOCK, "local now = tonumber(ARGV[3])")
"""The script with a clock that the test sets."""


class Scripted:
    """Answers as `Table.answer` does, in Redis."""

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url)
        self._run = self.redis.register_script(TIMED)

    def answer(self, request: Message, now: int) -> Message:
        keys, arguments = call_of(request)
        reply = self._run(keys, [*arguments, now])
        assert isinstance(reply, bytes)
        return decode(reply)


@pytest.fixture
def scripted(redis_url: str) -> Iterator[Scripted]:
    answering = Scripted(redis_url)
    yield answering
    answering.redis.close()


@pytest.mark.parametrize("exceeds", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_it_counts_as_the_accounts_do(scripted: Scripted, seed: int, exceeds: bool) -> None:
    exercise(Direct(scripted.answer), seed, steps=80, exceeds=exceeds, folds=True)


def random_requests(chance: random.Random, now: int, known: list[int]) -> Message:
    """Return any request, of three members; `known` is the epoch, and the latest number of each."""
    epoch = known[0] - (chance.random() < 0.02)
    name = chance.randrange(3)
    kind = chance.random()
    if kind < 0.02:
        return [Verb.HELLO]
    if kind < 0.03:
        return [Verb.BUMP, f"p{name}", known[0] - chance.randrange(2), chance.randrange(1, 5)]
    if kind < 0.1:
        holdings = [
            [
                f"m:{meter.key}",
                meter.kind,
                period_of(chance, meter, now),
                chance.randrange(900),
                5,
                1,
                meter.amount * chance.choice([1, 19]),
            ]
            for meter in chance.sample(METERS, chance.randrange(3))
            if meter.kind != MeterKind.RATE
        ]
        return [Verb.JOIN, f"p{name}", epoch, holdings]
    keys = ["q:p0", *(f"m:{meter.key}" for meter in METERS)]
    operations = [operation(chance, now) for _ in range(chance.randrange(6))]
    number = max(known[1 + name] + chance.choice([1, 1, 1, 1, 1, 1, 1, 0, 2]), 1)
    return [Verb.BATCH, f"p{name}", epoch, number, keys, operations]


def period_of(chance: random.Random, meter: Meter, now: int) -> int:
    """Return the present period of a meter, or seldom another."""
    if meter.kind == MeterKind.SLOTS:
        return 0
    present = meter.calendar.at(now).id
    return present if chance.random() < 0.95 else present + chance.choice([-3600, -3600, 86_400])


def operation(chance: random.Random, now: int) -> Message:
    """Return any operation on some meters."""
    often = [Op.RESERVE, Op.RESERVE, Op.RESERVE, Op.POST, Op.SEED, Op.LOOK, Op.TAKE]
    op = chance.choice(often) if chance.random() < 0.98 else Op.LEAVE
    first = {Op.TAKE: [0], Op.SEED: [chance.randrange(4)]}
    numbers = first.get(op, [])
    tick = now // TICK
    for at in sorted(chance.sample(range(len(METERS)), 3)):
        meter = METERS[at]
        seldom = chance.random() < (0.02 if meter.kind == MeterKind.RATE else 0.5)
        amount = meter.amount * 19 + 1 if seldom else meter.amount
        period = period_of(chance, meter, now)
        need, used = chance.randrange(900 if meter.amount > 900 else 9), chance.randrange(900)
        if op == Op.RESERVE:
            bound = meter.rate.burst if meter.kind == MeterKind.RATE else period
            numbers += (
                at + 1,
                meter.kind,
                need if meter.amount > 900 else chance.randrange(9),
                amount,
                bound,
            )
        elif op == Op.POST:
            mark = now + chance.choice([-TICK, 0, 1, 1000, 3_000_000, 2 * TICK])
            bound = mark if meter.kind == MeterKind.RATE else period
            held_at = tick - chance.choice([0, 0, 1, 2, 31, 61])
            numbers += (at + 1, meter.kind, need, used, bound, held_at, amount)
        elif op == Op.LOOK:
            numbers += (
                at + 1,
                meter.kind,
                amount,
                meter.rate.burst if meter.kind == MeterKind.RATE else period,
            )
        elif meter.kind == MeterKind.BUDGET:
            numbers += (at + 1, period, need, used) if op == Op.TAKE else (at + 1, period, need)
    return [op, [] if op == Op.LEAVE else numbers]


@pytest.mark.parametrize("seed", range(4))
def test_it_answers_as_the_table_does(scripted: Scripted, seed: int) -> None:
    chance, table, now = random.Random(seed), Table(run="run"), START
    known = [0, 0, 0, 0]
    seen: Counter[str] = Counter()
    for step in range(1500):
        now += chance.choice([0, 1, 1000, 100_000, 3_000_000]) if chance.random() < 0.97 else 20 * TICK
        if chance.random() < 0.001:
            now -= 90 * TICK
        request = random_requests(chance, now, known)
        expected, answered = table.answer(request, now), scripted.answer(request, now)
        assert answered == expected, (step, request)
        if request[0] == Verb.BATCH and request[3] == known[1 + int(request[1][1])] + 1:
            seen.update(_answers(request, answered))
        known[0] = table.epoch
        for place in range(3):
            member = table.members.get(f"q:p{place}")
            known[1 + place] = member.number if member is not None and member.epoch == table.epoch else 0
    wanted = ("granted", "SPENT", "BUSY", "PACE", "ABSENT", "STALE", "EARLY")
    assert [name for name in wanted if not seen[name]] == []


def _answers(request: Message, reply: Message) -> Iterator[str]:
    """Return what became of the reservations in a batch."""
    if reply[0] == Code.OK:
        for (op, _), result in zip(request[5], reply[4:], strict=True):
            if op == Op.RESERVE:
                yield "granted" if result[0] else Why(result[2]).name
