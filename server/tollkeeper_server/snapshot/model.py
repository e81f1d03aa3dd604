"""The picture of the configuration that the hot path reads. A request keeps the one it started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tollkeeper_server.domain.model import Capability
from tollkeeper_server.domain.upstream import Provider, Timeouts

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class ProjectView:
    """What admission needs to know of a project. `api_key` is open: keep it out of logs."""

    id: str
    is_active: bool
    api_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """An upstream, ready to be called. `credential` are the headers that carry its key.

    `base_url` has no trailing slash; `full_url`, if set, is used whatever the path.
    `headers` are sent in any case, `fallback_headers` if the caller sent none of that name.
    """

    name: str
    provider: Provider
    base_url: str
    full_url: str
    api_version: str
    credential: tuple[Header, ...] = field(repr=False)
    headers: tuple[Header, ...]
    fallback_headers: tuple[Header, ...]
    timeouts: Timeouts
    own_names: frozenset[bytes] = field(init=False)
    """The names of `headers` and `credential`, which a caller has no say in."""

    def __post_init__(self) -> None:
        names = frozenset(name for name, _ in self.headers + self.credential)
        object.__setattr__(self, "own_names", names)


@dataclass(frozen=True, slots=True)
class Leg:
    """A deployment: where a model is served, and under which name (empty: the one asked for)."""

    target: Target
    upstream_model: str


@dataclass(frozen=True, slots=True)
class Route:
    """A model, ready to be served. `capabilities` empty are all; `legs` are the active deployments."""

    name: str
    capabilities: frozenset[Capability]
    legs: tuple[Leg, ...]
    created_at: datetime

    @property
    def is_pattern(self) -> bool:
        """Whether the name ends in `*` and stands for any rest."""
        return self.name.endswith("*")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole of it. `routes` by name and alias; `patterns` the longest first."""

    revision: int
    projects: Mapping[str, ProjectView]
    routes: Mapping[str, Route]
    patterns: tuple[Route, ...]
    default: Target | None

    def resolve(self, name: str) -> Route | None:
        """Returns the route for the name a caller asked for, or None if it is unknown."""
        route = self.routes.get(name)
        if route is not None:
            return route
        for pattern in self.patterns:
            if name.startswith(pattern.name[:-1]):
                return pattern
        return None


EMPTY = Snapshot(revision=0, projects={}, routes={}, patterns=(), default=None)
