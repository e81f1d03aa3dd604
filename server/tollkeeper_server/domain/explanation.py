"""The explanation of a request: where the gateway would send it, without sending it."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.domain.limit import Limit, ScopeKind
from tollkeeper_server.domain.model import Price
from tollkeeper_server.domain.price import ModelPrice


class Step(StrEnum):
    """The steps that a request passes, in order."""

    LISTENER = "listener"
    ENDPOINT = "endpoint"
    TOKEN = "token"  # noqa: S105 - a step's name
    ROUTE = "route"
    AFFINITY = "affinity"
    LIMIT = "limit"
    MEMBER = "member"


class Query(Struct, frozen=True, kw_only=True):
    """A request to explain. `token` is a secret or an id; empty `method` and `path` are those of chat.

    Without a `body` one is made with a prompt of `prompt_bytes`, which allows an answer of
    `max_output_tokens`, if that is not 0. `calls` of these are under way at once, 1 if it is 0. Without a
    token it is one of `project_id` that has no limits.
    """

    listener: str = ""
    method: str = ""
    path: str = ""
    model: str = ""
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    streamed: bool = False
    body: str = ""
    prompt_bytes: int = 0
    max_output_tokens: int = 0
    calls: int = 0
    project_id: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """The result of a step; `code` and `status` (of HTTP) are those of the error that the caller gets."""

    step: Step
    passed: bool
    detail: str
    code: str = ""
    status: int = 0


class ExplainedMember(Struct, frozen=True, kw_only=True):
    """An upstream that could serve the request, and its health. `average_seconds` is of whole answers.

    `success_share` is the share of the recent calls that went well, None without any.
    """

    upstream: str
    upstream_model: str
    weight: int
    score: float
    in_flight: int
    success_share: float | None
    average_seconds: float
    breaker: str
    is_available: bool
    is_chosen: bool
    url: str
    connect_failure: ConnectFailure | None = None
    proxy: str = ""


class ExplainedReservation(Struct, frozen=True, kw_only=True):
    """What a request would reserve of a limit, of which `left` may be reserved before, None if not known.

    `need` is what one request reserves, `left_after` what is left when all have that are admitted.
    `admitted_calls` is how many the limit alone admits. `passes_at` is when those that it refuses may pass,
    None if it refuses none, or if waiting does not help.
    """

    scope: ScopeKind
    scope_id: str
    limit: Limit
    need: int
    left: int | None
    left_after: int | None
    admitted_calls: int
    passes_at: datetime | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """Where a request would go, and why. `headers` would go to the chosen member; credentials are masked.

    `billed` is the price by which its answer would be billed at present. `admitted_calls` of those that were
    asked about would be admitted.
    """

    admitted: bool
    verdicts: tuple[Verdict, ...]
    listener: str = ""
    rule: str = ""
    group: str = ""
    model: str = ""
    fallbacks: tuple[str, ...] = ()
    strategy: str = ""
    members: tuple[ExplainedMember, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    project_id: str = ""
    token_id: str = ""
    price: Price | None = None
    revision: int = 0
    billed: ModelPrice | None = None
    reservations: tuple[ExplainedReservation, ...] = ()
    admitted_calls: int = 0
