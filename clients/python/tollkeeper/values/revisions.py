"""The history of the configuration: its revisions, as the gateway keeps them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tollkeeper.values.configuration import ChangeAction


class RevisionDoor(StrEnum):
    """The way by which a change came in. `UNKNOWN` is not known, or one that this client is too old for."""

    UNKNOWN = "unknown"
    GRPC = "grpc"
    CONNECT = "connect"
    REST = "rest"
    FILE = "file"
    DEMO = "demo"
    ROTATION = "rotation"


@dataclass(frozen=True, slots=True)
class RevisionChange:
    """An entity that a revision changed. `id` is a project's id, of other kinds the name."""

    kind: str
    id: str
    name: str
    action: ChangeAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A change of the configuration, made in one step; what is not known of who made it is empty.

    `method` is the call that made it, `caller` by what its caller has shown who it is, `source` the address
    or the file that it came from. The counts are of all entities that it changed; `changes` names up to 20
    of each kind, with a filter those that meet it.
    """

    revision: int
    created_at: datetime | None
    door: RevisionDoor
    method: str
    caller: str
    source: str
    request_id: str
    created_count: int
    updated_count: int
    deleted_count: int
    changes: tuple[RevisionChange, ...]
