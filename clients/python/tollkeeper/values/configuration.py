"""What a configuration changes, and what refers to what."""

from dataclasses import dataclass, field
from enum import StrEnum


class ChangeAction(StrEnum):
    """The change that was made to an entity. `UNKNOWN` is one that this client is too old for."""

    UNKNOWN = "unknown"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: its values as JSON, empty for none. Secrets are masked."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """One entity that differs. `secret` is that of a token that was made, shown this once; no repr has it.

    Between revisions `id` is the id of a project, else the name, and with `without_fields` it is not known
    which fields differ.
    """

    kind: str
    name: str
    action: ChangeAction
    fields: tuple[FieldChange, ...]
    secret: str = field(repr=False)
    id: str = ""
    without_fields: bool = False


@dataclass(frozen=True, slots=True)
class KeptEntity:
    """What `prune` left in place, because it is used: `used_by` says by what."""

    kind: str
    name: str
    used_by: str


class EntityKind(StrEnum):
    """A kind of configured entity."""

    PROJECT = "project"
    UPSTREAM = "upstream"
    GROUP = "group"
    MODEL = "model"
    LISTENER = "listener"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    UNKNOWN = "unknown"
    """A kind that this client does not know."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An entity that refers to another, by `fields`; `how` says the same in words.

    `id` is that of a token, and empty for others. While it `prevents_deletion`, what it refers to can't be
    deleted.
    """

    kind: EntityKind
    id: str
    name: str
    fields: tuple[str, ...]
    how: str
    prevents_deletion: bool


@dataclass(frozen=True, slots=True)
class AppliedConfiguration:
    """The changes that applying a configuration made, or would make, and the revision after it."""

    changes: tuple[ConfigurationChange, ...]
    revision: int
    kept: tuple[KeptEntity, ...] = ()
