"""References between entities: who uses which."""

from enum import StrEnum

from msgspec import Struct


class EntityKind(StrEnum):
    """The kinds of entities, tokens among them."""

    PROJECT = "project"
    UPSTREAM = "upstream"
    GROUP = "group"
    MODEL = "model"
    LISTENER = "listener"
    TOKEN = "token"  # noqa: S105 - a word, not a secret


class Reference(Struct, frozen=True, kw_only=True):
    """An entity that refers to another.

    `id` is empty but for a token. `fields` are the paths of the fields in it that refer, `how` says the same
    in words. While it `prevents_deletion`, what it refers to can't be deleted.
    """

    kind: EntityKind
    id: str = ""
    name: str
    fields: tuple[str, ...]
    how: str
    prevents_deletion: bool
