"""Limits are read as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import Limit, LimitMeasure, LimitPeriod
from tollkeeper.cli.limits import limit

AMOUNTS = st.integers(1, 2**52)
RATES = st.builds(
    Limit,
    st.sampled_from([LimitMeasure.REQUESTS_PER_MINUTE, LimitMeasure.TOKENS_PER_MINUTE]),
    AMOUNTS,
    burst=st.integers(0, 150_000_000),
)
SLOTS = st.builds(Limit, st.just(LimitMeasure.CONCURRENT_REQUESTS), AMOUNTS)
BUDGETS = st.builds(
    Limit,
    st.sampled_from([LimitMeasure.REQUESTS, LimitMeasure.TOKENS, LimitMeasure.MONEY]),
    AMOUNTS,
    period=st.sampled_from([it for it in LimitPeriod if it is not LimitPeriod.UNKNOWN]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]),
    clamp=st.booleans(),
    allow_unpriced=st.booleans(),
)


@given(RATES | SLOTS | BUDGETS)
def test_a_limit_is_read_back(written: Limit) -> None:
    assert limit(str(written)) == written


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("requests_per_minute=60", Limit(LimitMeasure.REQUESTS_PER_MINUTE, 60)),
        ("tokens_per_minute=60000/2000", Limit(LimitMeasure.TOKENS_PER_MINUTE, 60_000, burst=2_000)),
        ("concurrent_requests=5", Limit(LimitMeasure.CONCURRENT_REQUESTS, 5)),
        ("tokens=1000000/total", Limit(LimitMeasure.TOKENS, 1_000_000, period=LimitPeriod.TOTAL)),
        ("money=0.5/hour", Limit(LimitMeasure.MONEY, 500_000_000, period=LimitPeriod.HOUR)),
        (
            "money=25/month@Europe/Berlin",
            Limit(LimitMeasure.MONEY, 25_000_000_000, period=LimitPeriod.MONTH, zone="Europe/Berlin"),
        ),
        (
            "money=25/month:clamp:allow_unpriced",
            Limit(
                LimitMeasure.MONEY,
                25_000_000_000,
                period=LimitPeriod.MONTH,
                clamp=True,
                allow_unpriced=True,
            ),
        ),
    ],
)
def test_a_limit_reads_as_people_say_it(text: str, read: Limit) -> None:
    assert limit(text) == read
    assert str(read) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "=", "requests_per_minute", "requests_per_minute=", "=60",
        "requests_per_minute=60/", "money=25/month@", "money=25@Europe/Berlin", "money=25/",
        "money=25/month/day", "money=25 /day", "money=25/day:", "money=25/day:clamp:", "money=25/day clamp",
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit; expected MEASURE=AMOUNT"):
        limit(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("request=60", "request is none of requests_per_minute, "),
        ("unknown=60", "unknown is none of requests_per_minute, "),
        ("money=25/year", "year is none of hour, day, week, month, total"),
        ("money=25/unknown", "unknown is none of hour, "),
        ("money=25", "money is a budget of a period; add one of /hour, day, week, month, total"),
        ("tokens=5/5", "tokens is a budget of a period"),
        ("tokens=5/day:lower", "lower is none of clamp, allow_unpriced"),
        ("tokens=1.5/day", "of tokens the amount must be a whole number"),
        ("requests_per_minute=-1", "the amount must be a number of up to 16 digits"),
        ("requests_per_minute=12345678901234567", "the amount must be a number of up to 16 digits"),
        ("money=1e3/day", "the amount must be a number"),
        ("tokens=\u0661/day", "the amount must be a number"),
        ("money=0.0000000001/day", "the amount .*, of money dollars with up to nine decimals"),
        ("money=4503599.627370497/total", "of money the amount is at most 4503599.627370496 dollars"),
        ("tokens=4503599627370497/total", "of tokens the amount is at most 4503599627370496"),
        ("requests_per_minute=60/0", "a burst is at least 1; without one it is the amount"),
    ],
)
def test_a_refusal_says_what_is_missing(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"is not a limit: {why}"):
        limit(text)
