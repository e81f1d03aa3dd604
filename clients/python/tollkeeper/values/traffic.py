"""Values that say how requests find an upstream and how it is called: groups, policies, listeners and more.

A field that is None, and a time limit that is None, is the gateway's default.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from tollkeeper.values.limits import Limit
from tollkeeper.values.price import DatedPrice


class Strategy(StrEnum):
    """How the next member is chosen. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    ROUND_ROBIN = "round_robin"
    WEIGHTED_ROUND_ROBIN = "weighted_round_robin"
    RANDOM = "random"
    RESPONSE_AWARE = "response_aware"
    FAILOVER = "failover"


class HeaderAction(StrEnum):
    """A change to a header: set it if it is absent, set it in any case, or remove it."""

    UNKNOWN = "unknown"
    INSERT = "insert"
    REPLACE = "replace"
    REMOVE = "remove"


class FallbackCause(StrEnum):
    """A refusal in an upstream's answer upon which a model's fallbacks are tried."""

    UNKNOWN = "unknown"
    CONTEXT_LENGTH = "context_length"
    CONTENT = "content"


class Removal(Enum):
    """The value that removes a field which an update could otherwise only replace."""

    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and when, a failed call is made again. `attempts` are those after the first.

    `initial` is the first wait and doubles each round up to `max`; nothing begins `total` after the request
    came. `only_safe` excludes requests that an upstream may have acted on. `budget_percent` of recent
    requests is the most that attempts after the first may be.
    """

    attempts: int | None = None
    initial: timedelta | None = None
    max: timedelta | None = None
    total: timedelta | None = None
    only_safe: bool = False
    budget_percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficTimeouts:
    """Time limits of calls: to connect, of a whole answer that is not streamed, of silence within one.

    None is the upstream's.
    """

    connect: timedelta | None = None
    request: timedelta | None = None
    idle: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPolicy:
    """How the members of a group, or the deployments of a model, are called.

    Without `retry` a failed call goes once to each of up to two members that were not tried yet, at once.
    `session_header` names a request header whose value pins a caller to a member.
    """

    strategy: Strategy = Strategy.ROUND_ROBIN
    user_agent: str = ""
    keep_alive: timedelta | None = None
    timeouts: TrafficTimeouts = TrafficTimeouts()
    retry: Retry | None = None
    session_header: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An upstream that belongs to a group, with its share where the strategy is by weight."""

    upstream: str
    weight: int = 1

    def __str__(self) -> str:
        """As the command line writes it: `UPSTREAM` or `UPSTREAM*WEIGHT`."""
        return f"{self.upstream}*{self.weight}" if self.weight != 1 else self.upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Upstreams that serve the same; FAILOVER tries them in this order."""

    name: str
    members: tuple[Member, ...]
    policy: TrafficPolicy
    created_at: datetime | None
    updated_at: datetime | None
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Sends the requests it matches to a group: by `path`, a pattern, by `header`, or by both.

    With `value` the header must have that value, with `pattern` one that the whole regular expression
    matches. `strip_prefix` is taken off the path before it is forwarded.
    """

    group: str
    path: str = ""
    header: str = ""
    value: str = ""
    pattern: str = ""
    strip_prefix: str = ""

    def __str__(self) -> str:
        """As the command line writes it: `PATH NAME:VALUE=GROUP strip PREFIX`, a pattern between slashes."""
        header = self.header
        if self.value:
            header += f":{self.value}"
        elif self.pattern:
            header += f":/{self.pattern}/"
        strip = f" strip {self.strip_prefix}" if self.strip_prefix else ""
        return f"{' '.join(filter(None, (self.path, header)))}={self.group}{strip}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IpLimit:
    """How many requests an IP address may make: `per_second` on average, `burst` at once."""

    per_second: int | None = None
    burst: int | None = None

    def __str__(self) -> str:
        """As the command line writes it: `PER_SECOND/BURST`."""
        return f"{self.per_second}/{self.burst}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A port of the data plane. `default_group` serves what neither a rule nor a model does."""

    name: str
    address: str
    default_group: str
    rules: tuple[Rule, ...]
    ip_limit: IpLimit | None
    head_timeout: timedelta
    is_active: bool
    created_at: datetime | None
    updated_at: datetime | None
    etag: str
    tls: bool
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderOperation:
    """A change to the headers of a request before it is sent. REMOVE has no `value`."""

    action: HeaderAction
    name: str
    value: str = ""

    def __str__(self) -> str:
        """As the command line writes it: `insert:NAME:VALUE` or `remove:NAME`."""
        return ":".join(filter(None, (self.action.value, self.name, self.value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When an upstream is left alone: `threshold`, 0.01 to 1, of at least `min_calls` in `window` failed.

    After `cooldown` one call at a time tries it again.
    """

    threshold: float | None = None
    cooldown: timedelta | None = None
    window: timedelta | None = None
    min_calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A check of an upstream's health: a read of `path` below its base URL every `interval`."""

    path: str
    interval: timedelta | None = None
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place that serves a model: an upstream, the model's name there if it is another, and its share.

    Its `prices` take the place of the model's.
    """

    upstream: str
    upstream_model: str = ""
    weight: int = 1
    prices: tuple[DatedPrice, ...] = ()

    def __str__(self) -> str:
        """As the command line writes it: `UPSTREAM[=UPSTREAM_MODEL][*WEIGHT]`."""
        place = f"{self.upstream}={self.upstream_model}" if self.upstream_model else self.upstream
        # A name that ends as if it had a weight would be read without that end.
        return f"{place}*{self.weight}" if self.weight != 1 or re.search(r"\*[0-9]+\Z", place) else place


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of a model's tokens, in nano-dollars each. `cached` None is as `prompt`."""

    prompt: int = 0
    completion: int = 0
    cached: int | None = None

    def __str__(self) -> str:
        """As people read it: `0.15/0.60 dollars for a million tokens`, cached ones third if given."""
        several = (self.prompt, self.completion) + (() if self.cached is None else (self.cached,))
        return f"{'/'.join(map(_for_a_million, several))} dollars for a million tokens"


def _for_a_million(nano_dollars: int) -> str:
    """Write the price of a token as the dollars of a million, to two decimals or three."""
    dollars, rest = divmod(nano_dollars, 1000)
    return f"{dollars}.{f'{rest:03}'.removesuffix('0')}"
