"""The history of the configuration: what each of its revisions changed."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.author import Author
from tollkeeper_server.domain.configuration import Entity, Kind

MOST_NAMED = 20
"""How many changed entities of each kind a revision names when it is listed."""
MOST_DETAILED = 500
"""Of how many entities a revision keeps what they were and became; of the others only that they changed."""
DETAILED_BYTES = 4 * 1024 * 1024
"""How many bytes these descriptions of a revision may have together."""


class Action(StrEnum):
    """What became of an entity."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class EntityChange(Struct, frozen=True, kw_only=True):
    """An entity that a revision changed; `id` is a project's id, of other kinds the name."""

    kind: Kind
    id: str
    name: str
    action: Action


class Revision(Struct, frozen=True, kw_only=True):
    """A revision of the configuration.

    `created`, `updated` and `deleted` count all entities that it changed. `changes` names some of them,
    `MOST_NAMED` of each kind at the most.
    """

    number: int
    created_at: datetime
    author: Author = Author()
    created: int = 0
    updated: int = 0
    deleted: int = 0
    changes: tuple[EntityChange, ...] = ()

    @property
    def size(self) -> int:
        """How many entities it changed."""
        return self.created + self.updated + self.deleted


class RevisionFilter(Struct, frozen=True, kw_only=True):
    """Which revisions: those that changed an entity of a kind, or the one with an id. None and "" are any.

    An id needs a kind.
    """

    kind: Kind | None = None
    id: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """An entity that is not known to be the same at two revisions.

    `before` and `after` are None where it was not there. In the places of sealed secrets are marks;
    `secrets` names those that were changed. Without `is_detailed` the two are None, and `action` is all that
    is known.
    """

    kind: Kind
    id: str
    name: str
    action: Action
    before: Entity | None
    after: Entity | None
    secrets: frozenset[str] = frozenset()
    is_detailed: bool = True


class Bounds(Struct, frozen=True, kw_only=True):
    """How much history is kept. The latest revision always is."""

    revisions: int = 1_000
    changes: int = 50_000
    """Of entities, in all revisions together."""
    age: timedelta = timedelta(days=365)


USUAL = Bounds()
