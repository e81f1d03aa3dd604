"""The snapshot of the configuration. A request keeps the snapshot that it started with."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from tollkeeper_server.domain.headers import Header as Header
from tollkeeper_server.domain.listener import IpLimit
from tollkeeper_server.domain.model import Capability, FallbackCause, Patterns, is_pattern
from tollkeeper_server.domain.model import Price as ShortPrice
from tollkeeper_server.domain.traffic import Retry, Strategy
from tollkeeper_server.domain.upstream import Breaker, HeaderAction, Probe, Timeouts
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.prices.price import Price
from tollkeeper_server.providers.provider import ProviderRecord
from tollkeeper_server.snapshot.rules import Rules

Meters = tuple[Meter, ...]
"""What the limits of a scope, or all those of a request, are to the ledger; no two count the same."""


@dataclass(frozen=True, slots=True)
class ProjectView:
    """The fields of a project that admission needs. `api_key` is not sealed: keep it out of logs."""

    id: str
    is_active: bool
    api_key: str | None = field(repr=False)
    meters: Meters = ()


@dataclass(frozen=True, slots=True)
class Dial:
    """How connections to an upstream are made. `ca_certificates` (PEM) are trusted beside the system's.

    With `ca_only` they are trusted alone. `client_certificate` and `client_key` (PEM) are this side's own,
    empty for none. `proxy` is an outbound proxy's URL, empty for none; it may hold a password. `keep_alive`
    is the silence in seconds after which TCP probes, 0 for the default.
    """

    ca_certificates: str = ""
    ca_only: bool = False
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    keep_alive: int = 0
    key: str = field(init=False, repr=False, compare=False)
    """The same for dials that are equal, and for no others; empty for the default."""

    def __post_init__(self) -> None:
        trust = (self.ca_certificates, self.ca_only, self.client_certificate, self.client_key)
        parts = (self.keep_alive, self.proxy, *trust)
        # A digest, for the texts may be long.
        object.__setattr__(self, "key", sha256(repr(parts).encode()).hexdigest() if any(parts) else "")


@dataclass(frozen=True, slots=True)
class Target:
    """An upstream, ready to be called. `credential` are the headers that carry its key.

    `base_url`, `full_url` and `api_version` are as a provider's `Address`.
    `headers` are sent in any case, `fallback_headers` if the caller sent none of that name.
    `operations` are done in order on what is sent, but for the credential. With
    `omit_stream_options` it is not asked for the usage of streams. `request_id_header`, in lower case, gives
    it the request's id, empty for none. `passed_headers`, in lower case, are those of its answers that pass
    although others' stay here. With `keep_path` paths are appended to `base_url` as they came. `list_url`
    is where it lists its models, empty if it does not; `models_url` is the same, empty if callers' lists are
    to be without them. `drain_seconds` is for how long an answer is read on whose caller has left.
    """

    name: str
    provider: ProviderRecord
    base_url: str
    full_url: str
    api_version: str
    credential: tuple[Header, ...] = field(repr=False)
    headers: tuple[Header, ...]
    fallback_headers: tuple[Header, ...]
    timeouts: Timeouts
    operations: tuple[tuple[HeaderAction, bytes, bytes], ...] = ()
    breaker: Breaker = field(default_factory=Breaker)
    probe: Probe | None = None
    dial: Dial = field(default_factory=Dial)
    omit_stream_options: bool = False
    request_id_header: bytes = b""
    passed_headers: frozenset[bytes] = frozenset()
    keep_path: bool = False
    models_url: str = ""
    list_url: str = ""
    drain_seconds: float = 0.0
    client_certificate_expires_at: datetime | None = None
    """When the dial's client certificate expires, None without one."""
    prices: str = ""
    """Whose prices hold there, as `prices/book.py` names providers; empty if that is not known."""
    proxy: str = ""
    """The dial's outbound proxy as people may see it, and what names it; empty without one."""
    own_names: frozenset[bytes] = field(init=False)
    """The names of `headers`, `credential` and `request_id_header`, which a caller has no say in."""

    def __post_init__(self) -> None:
        names = {name for name, _ in self.headers + self.credential} | {self.request_id_header}
        object.__setattr__(self, "own_names", frozenset(names))


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A target as one model or group calls it. `upstream_model` empty is the name asked for.

    `timeouts` are those of streams, `whole_timeouts` those of other answers. An empty `user_agent` leaves
    the caller's.
    """

    target: Target
    upstream_model: str
    timeouts: Timeouts
    whole_timeouts: Timeouts
    dial: Dial
    user_agent: bytes = b""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Pool:
    """Members that serve the same, and how one is chosen. `key` tells it from every other.

    `name` stands in messages and metrics. `group` is the group's name, empty for a model's own pool. Without
    `retry` other members are tried at once, none twice. `session_header` pins callers, empty for none.
    """

    key: str
    name: str
    group: str
    members: tuple[PoolMember, ...]
    strategy: Strategy
    retry: Retry | None
    session_header: bytes
    places: tuple[str, ...] = field(init=False)
    """What each member is known by across snapshots: its upstream's name, numbered from the second on."""

    def __post_init__(self) -> None:
        seen: Counter[str] = Counter()
        places = []
        for member in self.members:
            seen[member.target.name] += 1
            number = seen[member.target.name]
            places.append(member.target.name if number == 1 else f"{member.target.name}#{number}")
        object.__setattr__(self, "places", tuple(places))


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """A price that is configured, ready to be applied, and from when on (seconds of the epoch, 0 always)."""

    price: Price
    begins_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """A model, ready to be served. `capabilities` empty are all; the pool has the active deployments."""

    name: str
    capabilities: frozenset[Capability]
    pool: Pool
    created_at: datetime
    fallbacks: tuple[str, ...] = ()
    fallback_on: frozenset[FallbackCause] = frozenset()
    price: ShortPrice | None = None
    own_price: OwnPrice | None = None
    """The price that is configured of the model itself, in whatever form."""
    deployment_prices: Mapping[tuple[str, str], OwnPrice | None] = field(default_factory=dict)
    """Those of its deployments, by upstream and name there, of all of them if one has any."""
    meters: Meters = ()
    is_pattern: bool = field(init=False)
    """Whether the name ends in `*` and stands for any rest."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_pattern", is_pattern(self.name))


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A listener, ready to route requests. `address` is `HOST:PORT`, `head_timeout` is in seconds.

    With `tls` it speaks TLS. `open_groups` serve whatever model is named: the default group, and those of
    rules by path alone.
    """

    name: str
    address: str
    rules: Rules
    default_group: str
    ip_limit: IpLimit | None
    head_timeout: float
    tls: bool = False
    meters: Meters = ()
    open_groups: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        by_path = (it.group for it in self.rules.rules if it.path and not it.header and not it.strip_prefix)
        groups = dict.fromkeys(filter(None, (self.default_group, *by_path)))
        object.__setattr__(self, "open_groups", tuple(groups))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The configuration. `routes` are by name and alias; `patterns` are ordered by length, longest first.

    `groups`, `listeners` and `targets` are by name; listeners and targets are the active ones. `default`
    serves requests that name no model.
    """

    revision: int
    projects: Mapping[str, ProjectView]
    routes: Mapping[str, Route]
    patterns: tuple[Route, ...]
    default: Pool | None
    groups: Mapping[str, Pool] = field(default_factory=dict)
    listeners: Mapping[str, ListenerView] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    meters: Meters = ()
    """Those of the whole gateway."""

    by_pattern: Patterns[Route] = field(init=False, repr=False, compare=False)
    has_meters: bool = field(init=False, repr=False, compare=False)
    """Whether anything but a token may have a limit, so that requests must be looked at."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_pattern", Patterns(self.patterns))
        has_meters = (
            bool(self.meters)
            or any(project.meters for project in self.projects.values())
            or any(listener.meters for listener in self.listeners.values())
            or any(route.meters for route in (*self.routes.values(), *self.patterns))
        )
        object.__setattr__(self, "has_meters", has_meters)

    def resolve(self, name: str) -> Route | None:
        """Return the route for the model name in a request; None if no model has it."""
        route = self.routes.get(name)
        return self.by_pattern.match(name) if route is None else route


EMPTY = Snapshot(revision=0, projects={}, routes={}, patterns=(), default=None)
