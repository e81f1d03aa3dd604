"""What stores keep of the configuration's history: entities as they were and became, without secrets.

Nor does it keep values of headers, any of which may be a credential: who took one out of the configuration
does not find it here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast

import msgspec

from tollkeeper_server.domain import hidden_values
from tollkeeper_server.domain.author import Author, Door
from tollkeeper_server.domain.configuration import KINDS, Entity, Kind
from tollkeeper_server.domain.hidden_values import changed_unseen, hide
from tollkeeper_server.domain.revision import (
    DETAILED_BYTES,
    MOST_DETAILED,
    MOST_NAMED,
    Action,
    Bounds,
    Difference,
    EntityChange,
    Revision,
)
from tollkeeper_server.store.documents import Document, from_document
from tollkeeper_server.store.sealed import FIELDS

PRUNED_EVERY = 20
"""How many revisions are written between two times that old ones are looked for."""
_MARK = "sealed"
_TYPES = {kind: entity_type for entity_type, kind in KINDS.items()}
_SECRETS: dict[Kind, tuple[str, ...]] = {
    KINDS[entity_type]: tuple(fields) for entity_type, fields in FIELDS.items()
}


class Written(NamedTuple):
    """A written entity: its document before and after, each as it is or as JSON text, None if it was none."""

    kind: Kind
    key: str
    before: Document | str | None
    after: Document | str | None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one entity that a revision changed; the documents are JSON text."""

    change: EntityChange
    secrets: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None
    is_detailed: bool = False


def entries_of(written: Iterable[Written], author: Author) -> list[Entry]:
    """Return what is kept of written entities. One that was not there, and is not, is left out."""
    found: list[Entry] = []
    room = DETAILED_BYTES
    for it in written:
        if it.before is None and it.after is None:
            continue
        entry = _entry(it, author, is_detailed=len(found) < MOST_DETAILED)
        size = len(entry.before or "") + len(entry.after or "")
        if size > room:
            entry, size = _entry(it, author, is_detailed=False), 0
        room -= size
        found.append(entry)
    return found


def revision_of(number: int, entries: Sequence[Entry], author: Author) -> Revision:
    """Return the revision that consists of these changes, made at this moment."""
    counts = Counter(it.change.action for it in entries)
    return Revision(
        number=number,
        created_at=datetime.now(UTC),
        author=author,
        created=counts[Action.CREATE],
        updated=counts[Action.UPDATE],
        deleted=counts[Action.DELETE],
        changes=tuple(_some(it.change for it in entries)),
    )


def difference_of(first: Entry, last: Entry, secrets: Iterable[str]) -> Difference | None:
    """Return the difference that an entity's first and last change in a row make, None if it is gone again.

    `secrets` are those that any of them changed. Raises `StoreUnavailableError` for a damaged document.
    """
    was, stays = first.change.action is not Action.CREATE, last.change.action is not Action.DELETE
    if not was and not stays:
        return None
    action = Action.UPDATE if was and stays else Action.DELETE if was else Action.CREATE
    is_detailed = (first.is_detailed or not was) and (last.is_detailed or not stays)
    return Difference(
        kind=last.change.kind,
        id=last.change.id,
        name=last.change.name,
        action=action,
        before=_entity(first.change.kind, first.before) if is_detailed else None,
        after=_entity(last.change.kind, last.after) if is_detailed else None,
        secrets=frozenset(secrets) if action is Action.UPDATE else frozenset(),
        is_detailed=is_detailed,
    )


def last_to_go(sizes: Sequence[tuple[int, datetime, int]], bounds: Bounds, now: datetime) -> int:
    """Return the number up to which revisions are beyond the bounds, 0 if none is.

    `sizes` are numbers, times, and how many entities were changed, newest first.
    """
    changes = 0
    for place, (number, at, size) in enumerate(sizes):
        changes += size
        if place and (place >= bounds.revisions or changes > bounds.changes or at < now - bounds.age):
            return number
    return 0


def reach(numbers: Iterable[int], current: int) -> int:
    """Return the oldest revision from which all that follow are kept; `numbers` are newest first.

    An older Tollkeeper on the same store moves the revision, and keeps nothing of it.
    """
    oldest = current
    for number in numbers:
        if number != oldest:
            break
        oldest -= 1
    return oldest


def _entry(written: Written, author: Author, *, is_detailed: bool) -> Entry:
    before = _read(written.before) if is_detailed or written.kind is Kind.PROJECT else {}
    after = _read(written.after) if is_detailed or written.kind is Kind.PROJECT else {}
    action = (
        Action.CREATE if written.before is None else Action.DELETE if written.after is None else Action.UPDATE
    )
    change = EntityChange(
        kind=written.kind,
        id=written.key,
        name=str((after or before).get("name", written.key)),
        action=action,
    )
    # A rotation seals the same secret again.
    can_differ = action is Action.UPDATE and author.door is not Door.ROTATION
    secrets = _SECRETS.get(written.kind, ()) if can_differ else ()
    if not is_detailed:
        return Entry(change=change)
    changed = [it for it in secrets if before.get(it) != after.get(it)]
    if can_differ:
        changed += [it for it in hidden_values.FIELDS if changed_unseen(it, before.get(it), after.get(it))]
    return Entry(
        change=change,
        secrets=tuple(changed),
        before=_masked(written.kind, before) if written.before is not None else None,
        after=_masked(written.kind, after) if written.after is not None else None,
        is_detailed=True,
    )


def _read(document: Document | str | None) -> Mapping[str, object]:
    if isinstance(document, str):
        return cast("Document", msgspec.json.decode(document))
    return document or {}


def _masked(kind: Kind, document: Mapping[str, object]) -> str:
    """Return a document as text, with a mark in the place of each secret, and nothing of the store's own."""
    kept = {name: hide(name, document[name]) for name in _TYPES[kind].__struct_fields__ if name in document}
    marks = {name: _MARK for name in _SECRETS.get(kind, ()) if kept.get(name) is not None}
    return msgspec.json.encode(kept | marks).decode()


def _entity(kind: Kind, document: str | None) -> Entity | None:
    if document is None:
        return None
    return cast("Entity", from_document(msgspec.json.decode(document), _TYPES[kind]))


def _some(changes: Iterable[EntityChange]) -> Iterator[EntityChange]:
    counts: Counter[Kind] = Counter()
    for change in changes:
        counts[change.kind] += 1
        if counts[change.kind] <= MOST_NAMED:
            yield change
