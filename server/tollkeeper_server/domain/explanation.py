"""The explanation of a request: where the gateway would send it, without sending it."""

from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.model import Price


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
    """A request to explain. `token` is a secret or an id; empty `method` and `path` are those of chat."""

    listener: str = ""
    method: str = ""
    path: str = ""
    model: str = ""
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    streamed: bool = False


class Verdict(Struct, frozen=True, kw_only=True):
    """The result of a step; `code` is the code of the error that the caller would get."""

    step: Step
    passed: bool
    detail: str
    code: str = ""


class ExplainedMember(Struct, frozen=True, kw_only=True):
    """An upstream that could serve the request, and its health. `average_seconds` is of whole answers."""

    upstream: str
    upstream_model: str
    weight: int
    score: float
    in_flight: int
    success_share: float
    average_seconds: float
    breaker: str
    is_available: bool
    is_chosen: bool
    url: str


class Explanation(Struct, frozen=True, kw_only=True):
    """Where a request would go, and why. `headers` would go to the chosen member; credentials are masked."""

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
