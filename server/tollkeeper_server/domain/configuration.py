"""The configuration as a whole, and batches of changes that are made in one step."""

from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.gateway import UNWRITTEN, Gateway
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream

Entity = Project | Upstream | Group | Model | Listener | Gateway


class Kind(StrEnum):
    """The kinds of configured entities, without tokens."""

    PROJECT = "project"
    UPSTREAM = "upstream"
    GROUP = "group"
    MODEL = "model"
    LISTENER = "listener"
    GATEWAY = "gateway"


KINDS: dict[type[Struct], Kind] = {
    Project: Kind.PROJECT,
    Upstream: Kind.UPSTREAM,
    Group: Kind.GROUP,
    Model: Kind.MODEL,
    Listener: Kind.LISTENER,
    Gateway: Kind.GATEWAY,
}


class Configuration(Struct, frozen=True, kw_only=True):
    """All configured entities at a `revision` of the store; each kind is sorted by id or name.

    Of `gateways` there is one at the most.
    """

    revision: int
    projects: tuple[Project, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    groups: tuple[Group, ...] = ()
    models: tuple[Model, ...] = ()
    listeners: tuple[Listener, ...] = ()
    gateways: tuple[Gateway, ...] = ()

    @property
    def gateway(self) -> Gateway:
        """What holds for the gateway as a whole."""
        return self.gateways[0] if self.gateways else UNWRITTEN


class Deletion(Struct, frozen=True):
    """The deletion of an entity; `key` is its id or name. An entity that does not exist is no error."""

    kind: Kind
    key: str


class Batch(Struct, frozen=True, kw_only=True):
    """Changes that are made in one step. `puts` are written as they are, including revision and times; each
    replaces the entity with its id or name, if there is one. Raises ValueError if an entity is named twice.
    """

    puts: tuple[Entity, ...] = ()
    deletions: tuple[Deletion, ...] = ()

    def __post_init__(self) -> None:
        named = [(KINDS[type(entity)], key_of(entity)) for entity in self.puts]
        named += [(deletion.kind, deletion.key) for deletion in self.deletions]
        if len(named) != len(set(named)):
            raise ValueError("a batch names an entity twice")


def key_of(entity: Entity) -> str:
    """Return the id or name that identifies an entity among those of its kind."""
    return entity.id if isinstance(entity, Project) else entity.name
