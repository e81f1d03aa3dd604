"""How requests are spread over upstreams: members with weights, and the policy by which they are called."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Strategy(StrEnum):
    """The rule by which the next member is chosen."""

    ROUND_ROBIN = "round_robin"
    """Each member in turn."""
    WEIGHTED_ROUND_ROBIN = "weighted_round_robin"
    """Each member in proportion to its weight, spread evenly."""
    RANDOM = "random"
    """A random member, in proportion to its weight."""
    RESPONSE_AWARE = "response_aware"
    """The member with the least average duration x (calls under way + 1) / share of successes."""
    FAILOVER = "failover"
    """The first member that is available."""


class Retry(Struct, frozen=True, kw_only=True):
    """How often, and when, a failed call is made again.

    `attempts` is the number of calls after the first. The wait before the n-th round is random, between half
    and all of `initial_ms` x 2^(n-1), at most `max_ms`. No call begins later than `total_seconds` after the
    request arrived. `only_safe` excludes requests that an upstream may have acted on (RFC 9110, 9.2.2). The
    calls after the first are at most `budget_percent` of recent requests.
    """

    attempts: int = 2
    initial_ms: int = 500
    max_ms: int = 8_000
    total_seconds: float = 60.0
    only_safe: bool = False
    budget_percent: int = 20


class TrafficPolicy(Struct, frozen=True, kw_only=True):
    """How the members of a group, or the deployments of a model, are called.

    `timeouts` holds the limits that differ from the upstream's, in seconds, by name: `connect`, `request`
    (for a whole answer that is not streamed) and `idle`. `keep_alive_seconds` is the silence after which TCP
    probes a connection; 0 is the gateway's default. Without `retry`, a failed call is repeated at once, at
    up to two members that were not tried yet. `session_header` names a request header; its value pins a
    caller to one member as long as that member is available.
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
    """Upstreams that can serve the same requests. `name` identifies the group and never changes."""

    name: str
    members: tuple[Member, ...]
    policy: TrafficPolicy = TrafficPolicy()
    created_at: datetime
    updated_at: datetime
    revision: int = 1
