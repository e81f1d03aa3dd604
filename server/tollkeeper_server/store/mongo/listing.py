"""Pages of lists in MongoDB: the conditions and orders of queries.

A query reads in the order of an index, and leaves out what does not meet its filters.
"""

import re
from collections.abc import Mapping, Sequence

from tollkeeper_server.domain.configuration import Entity
from tollkeeper_server.domain.listing import NEVER, Order, Page, searched_text, sort_name
from tollkeeper_server.domain.token import Token
from tollkeeper_server.store.documents import Document
from tollkeeper_server.store.mongo.documents import to_stored

SORTED = {
    Order.CREATED: "created_at",
    Order.UPDATED: "updated_at",
    Order.NAME: "sort_name",
    Order.EXPIRY: "expiry",
    Order.USE: "last_used_at",
}
UNLISTED: Document = {"searched": {"$exists": False}}
"""The condition on what a process of an older version wrote, which lists can't sort or find."""


def listed_fields(entity: Entity | Token) -> Document:
    """Return the fields by which lists sort and search."""
    fields: Document = {"sort_name": sort_name(entity), "searched": searched_text(entity)}
    if isinstance(entity, Token):
        fields["expiry"] = to_stored(entity)["expires_at"] or NEVER
    return fields


def searching(search: str, labels: Mapping[str, str]) -> list[Document]:
    """Return the conditions on texts and labels."""
    found: list[Document] = [{"searched": {"$regex": re.escape(search)}}] if search else []
    return found + [{f"labels.{name}": value} for name, value in labels.items()]


def sort_of(page: Page) -> list[tuple[str, int]]:
    """Return the order of a page."""
    direction = -1 if page.descending else 1
    fields = ["_id"] if page.order is Order.KEY else [SORTED[page.order], "_id"]
    return [(field, direction) for field in fields]


def behind(page: Page) -> list[Document]:
    """Return the condition on what comes after the place where a page begins."""
    if page.after is None:
        return []
    beyond, value, key = "$lt" if page.descending else "$gt", page.after.value, page.after.key
    same: Document = {"_id": {beyond: key}}
    if page.order is Order.KEY:
        return [same]
    field = SORTED[page.order]
    # A token that was never used has null, which comes before any text, and which no text is compared with.
    unset: Document = {field: None}
    if not value:
        more: list[Document] = [] if page.descending else [{field: {"$gt": ""}}]
        return [{"$or": [{**unset, **same}, *more]}]
    parts: list[Document] = [{field: {beyond: value}}, {field: value, **same}]
    if page.descending and page.order is Order.USE:
        parts.append(unset)
    return [{"$or": parts}]


def every(conditions: Sequence[Document]) -> Document:
    """Return the condition that all of these hold."""
    return {"$and": list(conditions)} if conditions else {}
