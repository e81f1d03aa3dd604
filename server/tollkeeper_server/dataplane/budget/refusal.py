"""What a caller is told whose request would use more than its limits leave."""

from collections.abc import Sequence

from tollkeeper_server.dataplane.budget.asked import lowered_by
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.price import NANO_IN_DOLLAR
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.reservation import Cause, Refused

_NAMES = {
    Measure.REQUEST_RATE: "requests a minute",
    Measure.TOKEN_RATE: "tokens a minute",
    Measure.CONCURRENT: "requests at a time",
    Measure.REQUESTS: "requests",
    Measure.TOKENS: "tokens",
}
_REASONS = {
    Cause.NEVER: Reason.ABOVE_LIMIT,
    Cause.SPENT: Reason.INSUFFICIENT_QUOTA,
    Cause.BUSY: Reason.RATE_LIMIT_EXCEEDED,
    Cause.PACE: Reason.RATE_LIMIT_EXCEEDED,
    Cause.UNKNOWN: Reason.STORE_UNAVAILABLE,
}
_OF_ANSWER = frozenset({Measure.TOKEN_RATE, Measure.TOKENS, Measure.MONEY})


class LimitError(TollkeeperError):
    """A limit refuses a request. `meter` is that of the limit, `headers` say how the rates stand."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        meter: Meter,
        *,
        retry_after: int | None,
        headers: Sequence[Header],
    ) -> None:
        super().__init__(reason, message, retry_after=retry_after)
        self.meter = meter
        self.headers = headers


def refusal(refused: Refused, need: int, endpoint: str, headers: Sequence[Header] = ()) -> LimitError:
    """Return the error for a request to an endpoint that needs so much of the meter that refuses it."""
    meter = refused.meter
    return LimitError(
        _REASONS[refused.cause],
        _words(refused, need, lowered_by(endpoint)),
        meter,
        retry_after=refused.retry_after,
        headers=headers,
    )


def _words(refused: Refused, need: int, lowered: str) -> str:
    meter = refused.meter
    limit = meter.limit
    is_asked = limit.measure in _OF_ANSWER
    scope, words = meter.scope.words, limit_words(limit)
    less = f"send less, or lower {lowered}" if lowered else "send less"
    match refused.cause:
        case Cause.NEVER:
            return (
                f"the request may use {_amount(limit, need)}, and the limit of {scope}, {words}, lets "
                f"{_amount(limit, meter.rate.burst)} pass at once; {less}"
            )
        case Cause.SPENT:
            left = f"{_amount(limit, refused.left)} are left of the {words} of {scope}"
            if refused.left and is_asked:
                return f"{left}, and the request may use {_amount(limit, need)}; {less}"
            remedy = "" if limit.period is Period.TOTAL else ", or wait for the next period"
            return f"{left}; have an administrator raise the limit{remedy}"
        case Cause.BUSY:
            return f"as many requests of {scope} as may are under way, {words}; try again when one has ended"
        case Cause.PACE:
            return (
                f"the limit of {scope} is {words}, and the request needs {_amount(limit, need)}; try again "
                f"in {refused.retry_after} s"
            )
        case Cause.UNKNOWN:
            return f"nobody knows at the moment what {scope} has left of {words}; try again shortly"


def need_words(meter: Meter, need: int) -> str:
    """Return what people are told that a request reserves of a meter."""
    amount = _amount(meter.limit, need) if meter.limit.measure is Measure.MONEY else f"{need:,}"
    return f"{amount} of the {limit_words(meter.limit)} of {meter.scope.words}"


def limit_words(limit: Limit) -> str:
    """Return what people are told of a limit."""
    if limit.period is None:
        return f"{limit.amount:,} {_NAMES[limit.measure]}"
    each = "in all" if limit.period is Period.TOTAL else f"a {limit.period}"
    return f"{_amount(limit, limit.amount)} {each}"


def _amount(limit: Limit, amount: int) -> str:
    if limit.measure is Measure.MONEY:
        whole, rest = divmod(amount, NANO_IN_DOLLAR)
        cents = f"{rest:09}".rstrip("0")
        return f"${whole:,}.{cents:0<2}"
    unit = "token" if limit.measure in _OF_ANSWER else "request"
    return f"{amount:,} {unit}" if amount == 1 else f"{amount:,} {unit}s"
