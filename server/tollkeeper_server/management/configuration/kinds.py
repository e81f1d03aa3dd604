"""The kinds that a description has entities of: as those are, and as they will be."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tollkeeper_server.domain.configuration import Configuration, Kind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.management import references

ROOT = "configuration"
"""The path at which a description begins."""

_E = TypeVar("_E", Upstream, Group, Model, Listener)


@dataclass(slots=True)
class OfKind(Generic[_E]):
    """The entities of a kind by name: as they are, and as they will be. `paths` are those of descriptions."""

    kind: Kind
    before: dict[str, _E]
    after: dict[str, _E] = field(init=False)
    paths: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.after = dict(self.before)


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of entities that refer to each other by name."""

    upstreams: OfKind[Upstream]
    groups: OfKind[Group]
    models: OfKind[Model]
    listeners: OfKind[Listener]

    def entities(self, *, after: bool) -> references.Entities:
        """Return all entities, as they are or as they will be."""
        return references.Entities(
            upstreams=(self.upstreams.after if after else self.upstreams.before).keys(),
            groups=self.groups.after if after else self.groups.before,
            models=self.models.after if after else self.models.before,
            listeners=self.listeners.after if after else self.listeners.before,
        )


def kinds_of(current: Configuration) -> Kinds:
    """Return the kinds of a configuration, of which nothing is described yet."""
    return Kinds(
        OfKind(Kind.UPSTREAM, _by_name(current.upstreams)),
        OfKind(Kind.GROUP, _by_name(current.groups)),
        OfKind(Kind.MODEL, _by_name(current.models)),
        OfKind(Kind.LISTENER, _by_name(current.listeners)),
    )


def _by_name(entities: Iterable[_E]) -> dict[str, _E]:
    return {it.name: it for it in entities}
