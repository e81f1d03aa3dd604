"""Meters: what a limit is to the ledger, compiled once, so that a request only counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from tollkeeper_server.domain.limit import THRESHOLDS, Limit, Scope, calendar_of_key, key_of
from tollkeeper_server.domain.period import FOREVER, Calendar, Period, calendar_of
from tollkeeper_server.domain.rate import Rate

METER_KEY = "m:"
"""What the key of a meter begins with in messages."""
_SECOND = 1_000_000


class MeterKind(IntEnum):
    """How a meter counts. The numbers are those that processes send each other."""

    BUDGET = 0
    """What is spent and held comes to no more than the amount, in each period."""
    RATE = 1
    """So much a minute, by GCRA."""
    SLOTS = 2
    """So many at once: what is held is given back, and nothing is spent."""


@dataclass(frozen=True, slots=True, eq=False)
class Meter:
    """One limit of one scope. `key` names what is counted; two meters with one key count the same.

    `wire_key` and `code` are key and kind in messages. `amount` is the limit's, `rate` that of a rate,
    `calendar` that of a budget. `marks` are the amounts at which the thresholds are reached.
    """

    key: str
    wire_key: str
    kind: MeterKind
    code: int
    amount: int
    scope: Scope
    limit: Limit
    rate: Rate
    calendar: Calendar
    marks: tuple[int, ...]


def meter_of(scope: Scope, limit: Limit) -> Meter:
    """Return the meter of a scope's limit."""
    kind, key = MeterKind.SLOTS, key_of(scope, limit)
    if limit.measure.is_rate:
        kind = MeterKind.RATE
    elif limit.measure.is_budget:
        kind = MeterKind.BUDGET
    return Meter(
        key=key,
        wire_key=METER_KEY + key,
        kind=kind,
        code=int(kind),
        amount=limit.amount,
        scope=scope,
        limit=limit,
        rate=Rate(limit.amount, limit.burst or limit.amount) if kind is MeterKind.RATE else Rate(1, 1),
        calendar=calendar_of(limit.period or Period.TOTAL, limit.zone),
        marks=tuple(limit.amount - limit.amount * (100 - percent) // 100 for percent in THRESHOLDS),
    )


def end_of(meter: Meter, period: int) -> int:
    """Return the first microsecond after a period of a meter's."""
    return FOREVER * _SECOND if period == 0 else meter.calendar.at(period * _SECOND).end * _SECOND


def is_over(key: str, period: int, now: int) -> bool:
    """Return whether a period of the budget that is counted under a key has ended by a microsecond."""
    return period > 0 and calendar_of_key(key).at(period * _SECOND).end * _SECOND <= now


def seconds_up(microseconds: int) -> int:
    """Return a length of time in whole seconds, rounded up, as headers have it."""
    return -(-microseconds // _SECOND)


def check_meters(meters: Iterable[Meter]) -> None:
    """Raise ValueError if two meters count the same: one reservation would be charged twice."""
    keys = [meter.key for meter in meters]
    if len(set(keys)) != len(keys):
        raise ValueError("meters: two of them have one key")
