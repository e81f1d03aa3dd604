"""Explanations of requests: the way a request would take through the gateway, which is not taken."""

from dataclasses import dataclass
from datetime import timedelta

from tollkeeper.traffic import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict of one step on the request. `code` is that of the error that the caller would see."""

    step: str
    passed: bool
    detail: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedMember:
    """An upstream that could serve the request, and how it is at the moment.

    `success_share` and `average_duration` are of recent calls; of several, RESPONSE_AWARE takes the one with
    the least `score`. `breaker` is closed, open or half_open.
    """

    upstream: str
    upstream_model: str
    weight: int
    score: float
    in_flight: int
    success_share: float
    average_duration: timedelta
    breaker: str
    is_available: bool
    is_chosen: bool
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a request would go, and why. `headers` are those for the chosen member, credentials masked."""

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
