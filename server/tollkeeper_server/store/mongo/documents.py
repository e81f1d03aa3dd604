"""Documents as MongoDB holds them: the id, or the name where there is none, is `_id`."""

from typing import TypeVar

import msgspec
from bson.int64 import Int64

from tollkeeper_server.store.documents import Document, from_document, to_document

_T = TypeVar("_T", bound=msgspec.Struct)


def to_stored(entity: msgspec.Struct) -> Document:
    """Return the document that is stored of an entity."""
    document = to_document(entity)
    document["_id"] = document.pop("id" if "id" in document else "name")
    return document


def with_key(stored: Document) -> Document:
    """Return a stored document as the engine-neutral functions know it."""
    return {"id": stored["_id"], "name": stored["_id"], **stored}


def from_stored(stored: Document, entity_type: type[_T]) -> _T:
    """Return the entity of a stored document. Raises `StoreUnavailableError` if the document is damaged."""
    return from_document(with_key(stored), entity_type)


def plain(document: Document) -> Document:
    """Return a document as JSON knows it: PyMongo reads large integers as a class of its own."""
    return {name: _plain(part) for name, part in document.items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, Int64) else value
