"""The configuration as a whole, and changes of several entities that are made as one."""

from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream

Entity = Project | Upstream | Group | Model | Listener


class Kind(StrEnum):
    """What is configured, tokens aside."""

    PROJECT = "project"
    UPSTREAM = "upstream"
    GROUP = "group"
    MODEL = "model"
    LISTENER = "listener"


KINDS: dict[type[Struct], Kind] = {
    Project: Kind.PROJECT,
    Upstream: Kind.UPSTREAM,
    Group: Kind.GROUP,
    Model: Kind.MODEL,
    Listener: Kind.LISTENER,
}


class Configuration(Struct, frozen=True, kw_only=True):
    """All that was configured when the store was at `revision`, each kind by id or name."""

    revision: int
    projects: tuple[Project, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    groups: tuple[Group, ...] = ()
    models: tuple[Model, ...] = ()
    listeners: tuple[Listener, ...] = ()


class Deletion(Struct, frozen=True):
    """What is deleted: a kind, and an id or name. That there is none is no error."""

    kind: Kind
    key: str


class Batch(Struct, frozen=True, kw_only=True):
    """Changes that are made as one. `puts` are written as they are, revision and times included, in place
    of what has their id or name, if anything. Raises ValueError if it names an entity twice.
    """

    puts: tuple[Entity, ...] = ()
    deletions: tuple[Deletion, ...] = ()

    def __post_init__(self) -> None:
        named = [(KINDS[type(entity)], key_of(entity)) for entity in self.puts]
        named += [(deletion.kind, deletion.key) for deletion in self.deletions]
        if len(named) != len(set(named)):
            raise ValueError("a batch names an entity twice")


def key_of(entity: Entity) -> str:
    """Returns what identifies an entity among those of its kind."""
    return entity.id if isinstance(entity, Project) else entity.name
