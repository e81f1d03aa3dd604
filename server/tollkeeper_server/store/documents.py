"""The documents in which every engine writes entities: plain values, times as text that sorts."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar, cast

import msgspec

from tollkeeper_server.domain.configuration import KINDS, Configuration, Entity, Kind
from tollkeeper_server.domain.gateway import Gateway
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.listing import searched_text, sort_name
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.times import time_text as time_text  # engines have it from here
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import StoreUnavailableError

_log = logging.getLogger("tollkeeper.store")
_T = TypeVar("_T", bound=msgspec.Struct)
Document = dict[str, object]

TOKEN_COUNTERS = ("request_count", "last_used_at")
"""The fields of a token that move with traffic, and that an edit leaves alone."""


def to_document(entity: msgspec.Struct) -> Document:
    """Return the fields of an entity as values that JSON and BSON know."""
    fields: Document = msgspec.to_builtins(entity, builtin_types=(datetime,))
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: object) -> object:
    """Return a value with its times as text."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        return [{name: _plain(it) for name, it in item.items()} for item in value]
    return value


def from_document(document: Mapping[str, object], entity_type: type[_T]) -> _T:
    """Return the entity that `to_document` wrote down.

    Raises `StoreUnavailableError` if the document is damaged: a damaged entity is not a missing one.
    """
    try:
        return msgspec.convert(document, entity_type)
    except msgspec.ValidationError as error:
        name = entity_type.__name__.lower()
        _log.error("a stored %s can't be read: %s", name, error)
        raise StoreUnavailableError(f"a stored {name}") from error


def listed_texts(document: Mapping[str, object], entity_type: type[msgspec.Struct]) -> tuple[str, str]:
    """Return the name by which a stored entity is sorted, and its searched text; empty if it is damaged."""
    try:
        entity = from_document(document, entity_type)
    except StoreUnavailableError:
        return "", ""
    listed = cast("Entity | Token", entity)
    return sort_name(listed), searched_text(listed)


def to_token_document(token: Token) -> Document:
    """Return the document of a token without its counters, for an edit."""
    document = to_document(token)
    for name in TOKEN_COUNTERS:
        del document[name]
    return document


def to_placement_document(placement: Placement) -> Document:
    """Return the document of a placement, the pending usage as JSON."""
    pending = placement.pending
    document = to_document(msgspec.structs.replace(placement, pending=None))
    return document | {"pending": None if pending is None else msgspec.json.encode(pending).decode()}


def from_placement_document(document: Mapping[str, object]) -> Placement:
    """Return the placement that `to_placement_document` wrote down. Raises as `from_document` does."""
    pending = document.get("pending")
    read = from_document({**document, "pending": None}, Placement)
    if not isinstance(pending, str):
        return read
    event = from_document(msgspec.json.decode(pending), UsageEvent)
    return msgspec.structs.replace(read, pending=event)


def to_configuration(
    revision: int, documents: Mapping[Kind, Sequence[Mapping[str, object]]]
) -> Configuration:
    """Return the configuration that consists of these documents. Raises as `from_document` does."""

    def entities(entity_type: type[_T]) -> tuple[_T, ...]:
        found = documents.get(KINDS[entity_type], ())
        return tuple(from_document(document, entity_type) for document in found)

    return Configuration(
        revision=revision,
        projects=entities(Project),
        upstreams=entities(Upstream),
        groups=entities(Group),
        models=entities(Model),
        listeners=entities(Listener),
        gateways=entities(Gateway),
    )
