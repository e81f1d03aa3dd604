"""The ledger in one process."""

import pytest
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.ledger.local import LIFETIME, LocalLedger
from tollkeeper_server.ledger.meter import Meter, MeterKind, check_meters, meter_of
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Cause, Pending, Refused

from tests.unit.ledger.accounts import HOUR, METERS, START, exercise
from tests.unit.ledger.timed import Timed

TOKEN = Scope(ScopeKind.TOKEN, "tok_1")


def budget(amount: int, period: Period = Period.HOUR) -> Meter:
    return meter_of(TOKEN, Limit(measure=Measure.MONEY, amount=amount, period=period))


def slots(amount: int) -> Meter:
    return meter_of(TOKEN, Limit(measure=Measure.CONCURRENT, amount=amount))


@pytest.mark.parametrize("exceeds", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_it_counts_as_the_accounts_do(seed: int, exceeds: bool) -> None:
    exercise(Timed(), seed, exceeds=exceeds)


def test_two_hundred_against_a_budget_for_fifty() -> None:
    ledger, meter = LocalLedger(lambda: START), budget(50_000)
    port: Ledger = ledger
    made = [port.reserve(f"r{number}", (meter,), (1000,), START) for number in range(200)]
    assert sum(isinstance(one, Pending) for one in made) == 50
    for number in range(50):
        ledger.settle(f"r{number}", (1000,))
    assert ledger.standing(meter, START)[1:4] == (50_000, 0, 0)
    refused = ledger.reserve("late", (meter,), (1,), START)
    assert refused == Refused(meter, Cause.SPENT, 0)
    assert not refused.should_retry
    assert isinstance(ledger.reserve("next hour", (meter,), (1,), START + HOUR), Pending)


def test_what_nobody_settles_is_spent_after_its_lifetime_and_can_be_corrected() -> None:
    ledger, meters = LocalLedger(lambda: START), (budget(100, Period.TOTAL), slots(1))
    ledger.reserve("lost", meters, (60, 1), START)
    assert ledger.expire(START + LIFETIME - 1) == []
    (expired,) = ledger.expire(START + LIFETIME)
    assert expired.id == "lost"
    assert ledger.standing(meters[0], START + LIFETIME)[1:4] == (60, 0, 40)
    assert ledger.standing(meters[1], START + LIFETIME).remaining == 1
    assert ledger.settle("lost", (10, 0))
    assert ledger.standing(meters[0], START + LIFETIME)[1:4] == (10, 0, 90)
    assert not ledger.settle("lost", (10, 0))


def test_a_renewed_reservation_lives_on() -> None:
    ledger = LocalLedger(lambda: START)
    ledger.reserve("long", (slots(1),), (1,), START)
    ledger.reserve("short", (budget(9),), (1,), START + 1)
    ledger.renew("long", START + 2)
    assert [one.id for one in ledger.expire(START + LIFETIME + 1)] == ["short"]


def test_a_clock_that_goes_back_reopens_no_period() -> None:
    ledger, meter = LocalLedger(lambda: START), budget(100)
    ledger.charge(meter.key, meter.calendar.at(START).id, 90)
    assert ledger.standing(meter, START).remaining == 10
    ledger.reserve("later", (meter,), (50,), START + HOUR)
    assert ledger.standing(meter, START)[1:4] == (0, 50, 50)


def test_what_was_spent_before_a_start_counts_in_its_period() -> None:
    ledger, meter = LocalLedger(lambda: START), budget(100)
    period = meter.calendar.at(START).id
    ledger.charge(meter.key, period - 3600, 70)
    ledger.charge(meter.key, period, 30)
    ledger.charge(meter.key, period - 3600, 70)
    assert ledger.standing(meter, START)[1:4] == (30, 0, 70)


def test_each_threshold_is_told_once_a_period() -> None:
    told: list[tuple[str, int]] = []
    ledger = LocalLedger(lambda: START, crossed=lambda meter, reached: told.append((meter.key, reached)))
    meter = budget(100)
    for number, amount in enumerate((79, 1, 10, 5, 5)):
        ledger.reserve(f"r{number}", (meter,), (amount,), START)
        assert told == [(meter.key, reached) for reached in range(1, {0: 1, 1: 1, 2: 2, 3: 2, 4: 3}[number])]
        ledger.settle(f"r{number}", (amount,))
    assert told == [(meter.key, 1), (meter.key, 2)]
    ledger.reserve("next", (meter,), (99,), START + HOUR)
    ledger.settle("next", (99,))
    assert told[2:] == [(meter.key, 2)]


def test_thresholds_are_those_of_the_present_amount() -> None:
    told: list[tuple[int, int]] = []
    ledger = LocalLedger(lambda: START, crossed=lambda meter, reached: told.append((meter.amount, reached)))

    def use(amount: int, of: int) -> None:
        id_ = f"r{len(told)}-{amount}-{of}"
        if isinstance(ledger.reserve(id_, (budget(of),), (amount,), START), Pending):
            ledger.settle(id_, (amount,))

    use(96, 100)
    assert told == [(100, 2)]
    use(600, 1000)  # raised
    assert told == [(100, 2)]
    use(110, 1000)
    use(150, 1000)
    assert told[1:] == [(1000, 1), (1000, 2)]
    use(1, 900)  # lowered to less than is used: nothing passes
    use(1, 900)
    assert told[3:] == []


def test_a_limit_that_is_lowered_to_what_is_used_is_told_by_the_first_refusal() -> None:
    told: list[tuple[int, int]] = []
    ledger = LocalLedger(lambda: START, crossed=lambda meter, reached: told.append((meter.amount, reached)))
    ledger.reserve("r", (budget(1000),), (90,), START)
    ledger.settle("r", (90,))
    for number in range(3):
        assert isinstance(ledger.reserve(f"n{number}", (budget(80),), (1,), START), Refused)
    assert told == [(80, 2)]


def test_what_stands_as_if_it_were_new_is_forgotten() -> None:
    ledger, now = LocalLedger(lambda: START), START + HOUR
    ledger.charge(budget(100, Period.TOTAL).key, 0, 1)
    ledger.reserve("open", METERS, (1,) * len(METERS), START)
    ended = tuple(meter_of(Scope(ScopeKind.TOKEN, "tok_2"), meter.limit) for meter in METERS)
    ledger.reserve("ended", ended, (1,) * len(ended), START)
    ledger.settle("ended", (1,) * len(ended))
    hourly, daily, *_ = ended
    keys = {meter.key for meter in ended}
    assert ledger.sweep(START) == {meter.key for meter in ended if meter.kind is MeterKind.SLOTS}
    assert hourly.key in ledger.sweep(now)
    gone = keys - ledger._counts.keys()
    assert gone == {meter.key for meter in ended if meter.kind is not MeterKind.BUDGET} | {hourly.key}
    assert ledger.settle("open", (1,) * len(METERS))
    assert daily.key in ledger.sweep(START + 30 * HOUR)
    assert ledger.standing(hourly, now) == LocalLedger(lambda: START).standing(hourly, now)


def test_the_gravest_refusal_is_told() -> None:
    rate = meter_of(TOKEN, Limit(measure=Measure.TOKEN_RATE, amount=60, burst=10))
    slow = meter_of(TOKEN, Limit(measure=Measure.REQUEST_RATE, amount=1, burst=10))
    ledger, meters = LocalLedger(lambda: START), (rate, slow, slots(1), budget(10))
    ledger.reserve("first", meters, (10, 10, 1, 10), START)
    for count, cause, wait in ((4, Cause.SPENT, None), (3, Cause.BUSY, None), (2, Cause.PACE, 60_000_000)):
        refused = ledger.reserve("again", meters[:count], (1,) * count, START)
        assert isinstance(refused, Refused)
        assert (refused.cause, refused.wait) == (cause, wait)
        if cause is Cause.PACE:
            assert refused.retry_after == 60
    never = ledger.reserve("huge", meters, (11, 1, 1, 1), START)
    assert isinstance(never, Refused)
    assert (never.cause, never.retry_after, never.should_retry) == (Cause.NEVER, None, False)


def test_one_reservation_counts_no_meter_twice() -> None:
    check_meters(METERS)
    with pytest.raises(ValueError, match="one key"):
        check_meters((budget(1), budget(2)))


def test_a_rate_goes_on_under_another_amount_and_under_the_old_one_again() -> None:
    old, new = (
        meter_of(TOKEN, Limit(measure=Measure.TOKEN_RATE, amount=amount)) for amount in (6_000, 12_000)
    )
    ledger = LocalLedger(lambda: START)
    for number, (meter, need, left) in enumerate(
        ((old, 3_000, 3_000), (new, 2_000, 4_000), (old, 1_000, 1_000), (new, 2_000, 0))
    ):
        assert isinstance(ledger.reserve(f"r{number}", (meter,), (need,), START), Pending)
        assert ledger.standing(meter, START).remaining == left
    assert isinstance(ledger.reserve("late", (old,), (1,), START), Refused)
    assert ledger.give_back("r0")
    assert ledger.standing(new, START).remaining == 6_000


def test_meters_that_were_forgotten_are_counted_when_they_are_reserved_again() -> None:
    ledger, meters = LocalLedger(lambda: START), (budget(100), slots(2))
    later = START + HOUR
    for id_, now in (("before", START), ("after", later)):
        ledger.reserve(id_, meters, (60, 1), now)
        assert [ledger.standing(meter, now).held for meter in meters] == [60, 1]
        ledger.settle(id_, (60, 0))
        assert ledger.standing(meters[0], now).spent == 60
        assert len(ledger.sweep(now + HOUR)) == len(meters)
