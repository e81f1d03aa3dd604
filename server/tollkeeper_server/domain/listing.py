"""Lists of entities: what is searched, the orders, and the place where a page ends."""

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from tollkeeper_server.domain.configuration import Entity, key_of
from tollkeeper_server.domain.gateway import Gateway
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.times import time_text
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream

COUNTED = 10_000
"""A list is counted up to here: no page waits for a longer count."""

NEVER = "~"
"""What an expiry that is not set is sorted as: behind any time. A time of last use is sorted as ""."""


class Order(StrEnum):
    """What a list is sorted by. Entities that are equal in it are sorted by their keys, in its direction."""

    KEY = "key"
    CREATED = "created_at"
    UPDATED = "updated_at"
    NAME = "name"
    EXPIRY = "expires_at"
    USE = "last_used_at"


class Place(Struct, frozen=True):
    """The place of an entity in a list: its value of what the list is sorted by, as text, and its key."""

    value: str
    key: str


class Page(Struct, frozen=True, kw_only=True):
    """Up to `limit` entities behind a place, or from the beginning."""

    order: Order = Order.KEY
    descending: bool = False
    after: Place | None = None
    limit: int


class EntityFilter(Struct, frozen=True, kw_only=True):
    """Which entities a list has: those that meet all that is given. `search` is `folded`."""

    keys: tuple[str, ...] = ()
    is_active: bool | None = None
    search: str = ""
    labels: dict[str, str] = {}


def folded(text: str) -> str:
    """Return a text as it is compared with others where case does not matter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def sort_name(entity: Entity | Token) -> str:
    """Return the name by which an entity is sorted."""
    return folded(entity.name)


def searched_text(entity: Entity | Token) -> str:
    """Return what is searched of an entity, folded, a line each."""
    return folded("\n".join(_searched(entity)))


def label_line(name: str, value: str) -> str:
    """Return a label as it is searched."""
    return f"{name}={value}"


def place_of(entity: Entity | Token, order: Order) -> Place:
    """Return the place of an entity in a list of that order."""
    key = entity.id if isinstance(entity, Token) else key_of(entity)
    return Place(_value_of(entity, order), key)


def _value_of(entity: Entity | Token, order: Order) -> str:
    match order:
        case Order.KEY:
            return ""
        case Order.NAME:
            return sort_name(entity)
        case Order.CREATED:
            return time_text(entity.created_at)
        case Order.UPDATED:
            return time_text(entity.updated_at)
        case Order.EXPIRY:
            expires_at = getattr(entity, "expires_at", None)
            return time_text(expires_at) if expires_at else NEVER
        case Order.USE:
            last_used_at = getattr(entity, "last_used_at", None)
            return time_text(last_used_at) if last_used_at else ""


def _searched(entity: Entity | Token) -> Iterable[str]:
    match entity:
        case Token() | Project():
            return entity.id, entity.name, entity.description, *_lines(entity.labels)
        case Upstream():
            return entity.name, entity.provider, entity.base_url
        case Group():
            return entity.name, *(it.upstream for it in entity.members)
        case Model():
            return entity.name, *entity.aliases, entity.group
        case Listener():
            return entity.name, entity.address
        case Gateway():
            return (entity.name,)


def _lines(labels: Mapping[str, str]) -> list[str]:
    return [label_line(name, labels[name]) for name in sorted(labels)]
