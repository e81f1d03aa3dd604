"""How the meters of a caller stand: in headers of its answers, and as the document that it may ask for."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tollkeeper_server.dataplane.budget.meter_set import BUDGET_USED, RateSet
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.limit import THRESHOLDS, Measure
from tollkeeper_server.ledger.meter import Meter, MeterKind
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Standing
from tollkeeper_server.ledger.standings import look

_MICRO_IN_MILLI = 1000
_MILLI_IN_SECOND = 1000
_MICRO_IN_SECOND = 1_000_000


class _Scope(Struct, frozen=True):
    kind: str
    id: str


class _State(Struct, frozen=True, omit_defaults=True):
    """A meter as the document shows it. `reset_seconds` is until all of it may be used again."""

    scope: _Scope
    measure: str
    unit: str
    limit: int
    used: int | UnsetType
    held: int | UnsetType
    left: int
    reset_seconds: float | None
    burst: int | UnsetType = UNSET
    period: str | UnsetType = UNSET
    zone: str | UnsetType = UNSET


def rate_headers(ledger: Ledger, rates: Iterable[RateSet], now: int) -> list[Header]:
    """Return the headers in OpenAI's form: of requests and tokens apart, of what is nearest its limit."""
    headers: list[Header] = []
    for rate in rates:
        if len(rate.limits) == 1:
            left, limit = ledger.left(rate.meters[0], now), rate.limits[0]
        else:
            left, limit = _nearest(ledger, rate, now)
        if left is None:
            continue
        remaining, reset = left
        if remaining == rate.burst and limit is rate.limits[0]:
            headers += rate.whole
        else:
            headers += (
                limit,
                (rate.remaining, b"%d" % remaining),
                (rate.reset, duration(reset).encode()),
            )
    return headers


def _nearest(ledger: Ledger, rate: RateSet, now: int) -> tuple[tuple[int, int] | None, Header]:
    nearest, limit, amount = None, rate.limits[0], 1
    for meter, header in zip(rate.meters, rate.limits, strict=True):
        left = ledger.left(meter, now)
        if left is not None and (nearest is None or left[0] * amount < nearest[0] * meter.amount):
            nearest, limit, amount = left, header, meter.amount
    return nearest, limit


def budget_header(ledger: Ledger, meters: Iterable[Meter], beyond: set[str], now: int) -> list[Header]:
    """Return the header of the budget that is used up furthest, of those that have reached a threshold.

    It is an item of RFC 9651: whole percents, and of which scope and measure. `beyond` are the keys of those
    that may have; what has not is taken out.
    """
    most, found = 0, None
    for meter in meters:
        if meter.key not in beyond:
            continue
        standing = ledger.standing(meter, now)
        if standing is None or standing.spent < meter.marks[0]:
            beyond.discard(meter.key)
            continue
        percent = max(standing.spent * 100 // standing.amount, THRESHOLDS[0])
        if percent >= most:
            most, found = percent, meter
    if found is None:
        return []
    words = f'{most};scope="{found.scope.kind}";measure="{found.limit.measure}"'
    return [(BUDGET_USED, words.encode())]


def duration(microseconds: int) -> str:
    """Return a length of time as OpenAI's headers have it: `120ms`, `1.5s`, `6m0s`, `1h0m0s`; rounded up."""
    milliseconds = -(-microseconds // _MICRO_IN_MILLI)
    if milliseconds < _MILLI_IN_SECOND:
        return f"{milliseconds}ms" if milliseconds else "0s"
    seconds, rest = divmod(milliseconds, _MILLI_IN_SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    part = f".{rest:03}".rstrip("0") if rest else ""
    text = f"{seconds}{part}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


async def standings(ledger: Ledger, meters: Sequence[Meter], now: int) -> bytes:
    """Return the document of the meters: what is used, held and left of each, and when it is whole again."""
    known = await look(ledger, meters, now)
    states = [_state(meter, standing) for meter, standing in zip(meters, known, strict=True)]
    return msgspec.json.encode({"object": "list", "data": states})


def _state(meter: Meter, standing: Standing | None) -> _State:
    limit = meter.limit
    is_rate, is_budget = meter.kind is MeterKind.RATE, meter.kind is MeterKind.BUDGET
    known = standing or Standing(meter.amount, 0, 0, meter.rate.burst if is_rate else meter.amount, None)
    unit = "nano_dollars" if limit.measure is Measure.MONEY else "requests"
    if limit.measure in {Measure.TOKENS, Measure.TOKEN_RATE}:
        unit = "tokens"
    return _State(
        scope=_Scope(meter.scope.kind, meter.scope.id),
        measure=limit.measure,
        unit=unit,
        limit=limit.amount,
        used=known.spent if is_budget else UNSET,
        held=UNSET if is_rate else known.held,
        left=known.remaining,
        reset_seconds=None if known.reset is None else known.reset / _MICRO_IN_SECOND,
        burst=meter.rate.burst if is_rate else UNSET,
        period=limit.period if limit.period is not None else UNSET,
        zone=limit.zone if is_budget else UNSET,
    )
