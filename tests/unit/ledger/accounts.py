"""A model of the ledger that any implementation is held to: plain sums of what callers were told."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.rate import MINUTE, mark_of, settled
from tollkeeper_server.ledger.meter import Meter, MeterKind, meter_of
from tollkeeper_server.ledger.reservation import Cause, Outcome, Pending, Refused, Standing

START = 1_800_000_000_000_000
"""When the model's time begins, in microseconds."""
HOUR = 60 * MINUTE


def _meter(kind: ScopeKind, id_: str, measure: Measure, amount: int, period: Period | None = None) -> Meter:
    return meter_of(Scope(kind, id_), Limit(measure=measure, amount=amount, period=period))


METERS = (
    _meter(ScopeKind.TOKEN, "a", Measure.MONEY, 5_000, Period.HOUR),
    _meter(ScopeKind.TOKEN, "b", Measure.MONEY, 3_000, Period.DAY),
    _meter(ScopeKind.PROJECT, "p", Measure.TOKENS, 20_000, Period.TOTAL),
    _meter(ScopeKind.TOKEN, "a", Measure.CONCURRENT, 4),
    _meter(ScopeKind.PROJECT, "p", Measure.TOKEN_RATE, 70_000),
    _meter(ScopeKind.TOKEN, "a", Measure.REQUEST_RATE, 7),
    _meter(ScopeKind.TOKEN, "a", Measure.REQUESTS, 300, Period.TOTAL),
)


class Subject(Protocol):
    """An implementation, called and waited for."""

    def reserve(self, id_: str, meters: Sequence[Meter], needs: Sequence[int], now: int) -> Outcome: ...

    def top_up(self, id_: str, needs: Sequence[int], now: int) -> Outcome | None: ...

    def settle(self, id_: str, actual: Sequence[int], now: int) -> bool: ...

    def give_back(self, id_: str, now: int) -> bool: ...

    def standing(self, meter: Meter, now: int) -> Standing | None: ...


class Accounts:
    """What callers were told, by meter and period."""

    def __init__(self) -> None:
        self.spent: dict[tuple[str, int], int] = {}
        self.held: dict[tuple[str, int], int] = {}
        self.earned_at: dict[str, int] = {}
        self.given: dict[str, int] = {}
        self.marks: dict[tuple[int, str], int] = {}

    def room(self, meter: Meter, now: int) -> int:
        """Return what may be reserved."""
        if meter.kind is MeterKind.RATE:
            return meter.rate.remaining(self.earned_at.get(meter.key, 0), now)
        place = self.place(meter, now)
        return meter.amount - self.spent.get(place, 0) - self.held.get(place, 0)

    def place(self, meter: Meter, now: int) -> tuple[str, int]:
        """Return under what a meter is counted at a time."""
        return meter.key, (meter.calendar.at(now).id if meter.kind is MeterKind.BUDGET else 0)

    def hold(self, part: Pending, now: int) -> None:
        """Count a reservation, or a part of it."""
        for meter, need in zip(part.meters, part.needs, strict=True):
            if meter.kind is MeterKind.RATE:
                key = meter.key
                earned_at = self.earned_at[key] = meter.rate.taken(self.earned_at.get(key, 0), need, now)
                self.marks[id(part), key] = mark_of(earned_at, meter.amount, self.given.get(key, 0))
            else:
                place = self.place(meter, now)
                self.held[place] = self.held.get(place, 0) + need

    def post(self, part: Pending, actual: Sequence[int], now: int) -> None:
        """Count what a reservation, or a part of it, was settled at."""
        for meter, need, period, used in zip(part.meters, part.needs, part.periods, actual, strict=True):
            if meter.kind is MeterKind.RATE:
                key = meter.key
                self.earned_at[key], self.given[key] = settled(
                    self.earned_at[key],
                    meter.amount,
                    self.given.get(key, 0),
                    used - need,
                    self.marks[id(part), key],
                    now,
                )
                continue
            place = meter.key, period
            self.held[place] -= need
            if meter.kind is MeterKind.BUDGET:
                self.spent[place] = self.spent.get(place, 0) + used


def exercise(
    subject: Subject, seed: int, *, steps: int = 400, exceeds: bool = False, folds: bool = False
) -> Accounts:
    """Drive an implementation by a seed, and hold every answer to the accounts.

    Requests use no more than they have reserved, unless `exceeds`. At the end all is settled. One that
    `folds` may count what has been held for long as spent.
    """
    chance = random.Random(seed)
    accounts = Accounts()
    open_: dict[str, Pending] = {}
    ended: list[str] = []
    now = START

    def standings() -> list[Standing | None]:
        return [subject.standing(meter, now) for meter in METERS]

    def check() -> None:
        for meter in METERS:
            standing = subject.standing(meter, now)
            if standing is None:
                continue
            room = accounts.room(meter, now)
            assert standing.remaining == max(room, 0), (meter.key, standing, room)
            assert exceeds or room >= 0, (meter.key, room)
            if meter.kind is not MeterKind.RATE:
                place = accounts.place(meter, now)
                spent, held = accounts.spent.get(place, 0), accounts.held.get(place, 0)
                assert standing.spent + standing.held == spent + held, (meter.key, standing)
                assert folds or standing.held == held, (meter.key, standing)

    def judge(answer: Outcome | None, meters: Sequence[Meter], needs: Sequence[int]) -> bool:
        short = [meter for meter, need in zip(meters, needs, strict=True) if need > accounts.room(meter, now)]
        if isinstance(answer, Refused):
            assert answer.meter in short, (answer, short)
            assert answer.left == max(accounts.room(answer.meter, now), 0)
            if answer.cause is Cause.PACE:
                assert answer.wait is not None
                assert not any(meter.kind is not MeterKind.RATE for meter in short)
                waited = [
                    meter.rate.wait(accounts.earned_at.get(meter.key, 0), need, now + answer.wait)
                    for meter, need in zip(meters, needs, strict=True)
                    if meter.kind is MeterKind.RATE
                ]
                assert waited == [0] * len(waited)
            return False
        assert isinstance(answer, Pending)
        assert short == []
        accounts.hold(answer, now)
        return True

    def used(needs: Sequence[int], meters: Sequence[Meter]) -> list[int]:
        most = 2 if exceeds and chance.random() < 0.2 else 1
        return [
            0 if meter.kind is MeterKind.SLOTS else chance.randrange(need * most + 1)
            for meter, need in zip(meters, needs, strict=True)
        ]

    def needs_of(meters: Sequence[Meter]) -> list[int]:
        return [1 if meter.amount < 1000 else chance.choice([1, 40, 400, 900]) for meter in meters]

    def settle(id_: str) -> None:
        pending = open_.pop(id_)
        ended.append(id_)
        if chance.random() < 0.1:
            assert subject.give_back(id_, now)
            for part in pending.parts:
                accounts.post(part, [0] * len(part.meters), now)
            return
        parts = [used(part.needs, part.meters) for part in pending.parts[:-1]]
        # What goes beyond a part is charged to the next one: the earlier ones are used up first.
        parts = [list(part.needs) for part in pending.parts[: len(parts)]]
        last = pending.parts[-1]
        parts.append(used(last.needs, last.meters))
        total = [sum(one) for one in zip(*parts, strict=True)]
        assert subject.settle(id_, total, now)
        for part, actual in zip(pending.parts, parts, strict=True):
            accounts.post(part, actual, now)

    actions: list[Callable[[], None]] = []

    def begin() -> None:
        meters = tuple(chance.sample(METERS, chance.randrange(1, len(METERS))))
        needs = needs_of(meters)
        id_ = f"r{len(open_) + len(ended)}"
        before = standings()
        answer = subject.reserve(id_, meters, needs, now)
        if judge(answer, meters, needs):
            assert isinstance(answer, Pending)
            assert subject.reserve(id_, meters, needs, now) is answer  # a repeat holds no more
            open_[id_] = answer
        elif None not in before:
            assert standings() == before  # a refusal changes nothing

    def top_up() -> None:
        if open_:
            id_ = chance.choice(list(open_))
            needs = [
                0 if m.kind is MeterKind.SLOTS else n
                for m, n in zip(open_[id_].meters, needs_of(open_[id_].meters), strict=True)
            ]
            judge(subject.top_up(id_, needs, now), open_[id_].meters, needs)

    def end() -> None:
        if open_:
            settle(chance.choice(list(open_)))

    def repeat() -> None:
        if ended:
            id_ = chance.choice(ended)
            assert not subject.settle(id_, [9] * len(METERS), now)
            assert not subject.give_back(id_, now)
            assert subject.top_up(id_, [9] * len(METERS), now) is None

    actions = [begin, begin, begin, top_up, end, end, end, repeat]
    for _ in range(steps):
        now += chance.choice([0, 1, 1000, 500_000, 20_000_000]) if chance.random() < 0.9 else HOUR // 3
        chance.choice(actions)()
        check()
    for id_ in list(open_):
        settle(id_)
    check()
    assert not any(accounts.held.values())
    return accounts
