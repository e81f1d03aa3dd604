"""How requests are spread over upstreams: members with weights, and the policy they are called by."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Strategy(StrEnum):
    """How the next member is chosen."""

    ROUND_ROBIN = "round_robin"
    """Each in turn."""
    WEIGHTED_ROUND_ROBIN = "weighted_round_robin"
    """Each in proportion to its weight, spread evenly."""
    RANDOM = "random"
    """Any, in proportion to its weight."""
    RESPONSE_AWARE = "response_aware"
    """The one with the least average duration x (calls under way + 1) / share of successes."""
    FAILOVER = "failover"
    """The first, unless it is unavailable."""


class Retry(Struct, frozen=True, kw_only=True):
    """How often, and when, a failed call is made again.

    `attempts` are those after the first. The wait before the n-th round is between half of and the whole of
    `initial_ms` x 2^(n-1), at most `max_ms`. Nothing is begun `total_seconds` after the request came.
    `only_safe` excludes requests that an upstream may have acted on (RFC 9110, 9.2.2). No more than
    `budget_percent` of recent requests may be attempts after the first.
    """

    attempts: int = 2
    initial_ms: int = 500
    max_ms: int = 8_000
    total_seconds: float = 60.0
    only_safe: bool = False
    budget_percent: int = 20


class TrafficPolicy(Struct, frozen=True, kw_only=True):
    """How the members of a group, or the deployments of a model, are called.

    `timeouts` holds those that differ from the upstream's, in seconds, by name: `connect`, `request` (a whole
    answer that is not streamed) and `idle`. `keep_alive_seconds` is the silence after which TCP probes a
    connection, 0 leaves it to the gateway's default. Without `retry` a failed call goes to members that were
    not tried yet, at once, and never twice to the same one. `session_header` names a request header whose
    value pins a caller to a member for as long as that is available.
    """

    strategy: Strategy = Strategy.ROUND_ROBIN
    user_agent: str = ""
    keep_alive_seconds: int = 0
    timeouts: dict[str, float] = {}
    retry: Retry | None = None
    session_header: str = ""


class Member(Struct, frozen=True, kw_only=True):
    """An upstream that belongs to a group. `weight` is from 1 to 65,535."""

    upstream: str
    weight: int = 1


class Group(Struct, frozen=True, kw_only=True):
    """Upstreams that serve the same. `name` identifies it and never changes."""

    name: str
    members: tuple[Member, ...]
    policy: TrafficPolicy = TrafficPolicy()
    created_at: datetime
    updated_at: datetime
    revision: int = 1
