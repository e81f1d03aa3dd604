"""How meters stand, as headers tell it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.budget.meter_set import MeterSet
from tollkeeper_server.dataplane.budget.standings import duration, rate_headers
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.meter import meter_of

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (120_000, "120ms"),
        (999_001, "1s"),
        (SECOND, "1s"),
        (1_500_000, "1.5s"),
        (8_640_000, "8.64s"),
        (86_400_000, "1m26.4s"),
        (360 * SECOND, "6m0s"),
        (3600 * SECOND, "1h0m0s"),
        (3661 * SECOND + 1000, "1h1m1.001s"),
    ],
)
def test_a_duration_is_as_openai_writes_it(microseconds: int, text: str) -> None:
    assert duration(microseconds) == text


@given(st.integers(0, 10**12))
def test_a_duration_is_never_too_short(microseconds: int) -> None:
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", duration(microseconds))
    milliseconds = sum(round(float(number) * units[unit]) for number, unit in parts)
    assert microseconds <= milliseconds * 1000 < microseconds + 1000


def test_headers_are_those_of_the_scope_nearest_its_limit() -> None:
    ledger = LocalLedger(lambda: 60 * SECOND)
    wide = meter_of(Scope(ScopeKind.GATEWAY), Limit(measure=Measure.REQUEST_RATE, amount=1000))
    near = meter_of(Scope(ScopeKind.TOKEN, "t"), Limit(measure=Measure.REQUEST_RATE, amount=60))
    tokens = meter_of(Scope(ScopeKind.TOKEN, "t"), Limit(measure=Measure.TOKEN_RATE, amount=6000))
    ledger.reserve("a", (wide, near, tokens), (1, 1, 3000), 60 * SECOND)

    assert rate_headers(ledger, MeterSet((wide, near, tokens)).rates, 60 * SECOND) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"59"),
        (b"x-ratelimit-reset-requests", b"1s"),
        (b"x-ratelimit-limit-tokens", b"6000"),
        (b"x-ratelimit-remaining-tokens", b"3000"),
        (b"x-ratelimit-reset-tokens", b"30s"),
    ]


def test_headers_of_a_rate_of_which_nothing_is_used_say_its_burst() -> None:
    ledger = LocalLedger(lambda: 60 * SECOND)
    limit = Limit(measure=Measure.REQUEST_RATE, amount=60, burst=70)
    rates = MeterSet((meter_of(Scope(ScopeKind.TOKEN, "t"), limit),)).rates
    assert rate_headers(ledger, rates, 60 * SECOND) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"70"),
        (b"x-ratelimit-reset-requests", b"0s"),
    ]
