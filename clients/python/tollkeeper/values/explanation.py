"""Explanations of requests: the way a request would take through the gateway, which is not taken."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tollkeeper.values.limits import Limit, LimitScope
from tollkeeper.values.price import ModelPrice
from tollkeeper.values.traffic import Price
from tollkeeper.values.upstream import ConnectFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict of one step on the request.

    `code` and `status`, of HTTP, are those of the error that the caller would see; "" and 0 if it passed.
    """

    step: str
    passed: bool
    detail: str
    code: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedMember:
    """An upstream that could serve the request, and how it is at the moment.

    `success_share` is the share of the recent calls that went well, None without any. `average_duration` and
    `score` are of moving averages; of several, RESPONSE_AWARE takes the one with
    the least `score`. `breaker` is closed, open or half_open.
    """

    upstream: str
    upstream_model: str
    weight: int
    score: float
    in_flight: int
    success_share: float | None
    average_duration: timedelta
    breaker: str
    is_available: bool
    is_chosen: bool
    url: str
    connect_failure: ConnectFailure | None
    proxy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedReservation:
    """What a request would reserve of a limit, of which `left` may be reserved before, None if not known.

    `need` is what one request reserves, `left_after` what is left when all have that are admitted.
    `admitted_calls` is how many the limit alone admits. `passes_at` is when those that it refuses may pass,
    None if it refuses none, or if waiting does not help.
    """

    scope: LimitScope
    scope_id: str
    scope_name: str
    limit: Limit
    need: int
    left: int | None
    left_after: int | None
    admitted_calls: int
    passes_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a request would go, and why. `headers` are those for the chosen member, credentials masked.

    `billed` is the price that its answer would be billed by, None without a member. `admitted_calls` of the
    requests that were asked about would be admitted, all under way at once.
    """

    admitted: bool
    verdicts: tuple[Verdict, ...]
    listener: str
    rule: str
    group: str
    model: str
    fallbacks: tuple[str, ...]
    strategy: str
    members: tuple[ExplainedMember, ...]
    headers: tuple[tuple[str, str], ...]
    project_id: str
    token_id: str
    price: Price | None
    revision: int
    billed: ModelPrice | None
    reservations: tuple[ExplainedReservation, ...]
    admitted_calls: int
