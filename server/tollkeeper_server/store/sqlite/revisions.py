"""The history of the configuration in SQLite: written in the transaction of the change itself."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tollkeeper_server.domain.author import present_author
from tollkeeper_server.domain.configuration import Kind
from tollkeeper_server.domain.revision import Bounds, Difference, EntityChange, Revision, RevisionFilter
from tollkeeper_server.store.documents import from_document, to_document
from tollkeeper_server.store.history import (
    PRUNED_EVERY,
    Entry,
    Written,
    difference_of,
    entries_of,
    last_to_go,
    reach,
    revision_of,
)
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

_NEWEST = 2**63 - 1
_BEFORE = "number < ? ORDER BY number DESC LIMIT ?"
_OF_ANY = f"SELECT document FROM revisions WHERE {_BEFORE}"  # noqa: S608 - words of our own
_OF_KIND = (
    "SELECT document FROM revisions "  # noqa: S608 - words of our own
    f"WHERE number IN (SELECT number FROM revision_changes WHERE kind = ?) AND {_BEFORE}"
)
_OF_ENTITY = (
    "SELECT document, change FROM revision_changes JOIN revisions USING (number) "  # noqa: S608 - as above
    f"WHERE kind = ? AND key = ? AND {_BEFORE}"
)


class SqliteRevisions(SqlitePart):
    """Implements `ports.RevisionStore`."""

    @reads
    def list(
        self, db: sqlite3.Connection, where: RevisionFilter, *, before: int | None, limit: int
    ) -> list[Revision]:
        """As the port says."""
        newest = _NEWEST if before is None else before
        if where.id:
            changed = db.execute(_OF_ENTITY, (where.kind, where.id, newest, limit))
            return [_with_changes(_revision(document), [_change(change)]) for document, change in changed]
        if where.kind is None:
            return [_revision(document) for (document,) in db.execute(_OF_ANY, (newest, limit))]
        found = [_revision(document) for (document,) in db.execute(_OF_KIND, (where.kind, newest, limit))]
        return [_with_changes(it, [one for one in it.changes if one.kind is where.kind]) for it in found]

    @reads
    def oldest(self, db: sqlite3.Connection) -> int:
        """As the port says."""
        db.execute("BEGIN")  # so that both are read as at one moment
        try:
            return _oldest(db)
        finally:
            db.execute("ROLLBACK")

    @reads
    def differences(
        self,
        db: sqlite3.Connection,
        *,
        after: int,
        until: int,
        behind: tuple[Kind, str] | None = None,
        limit: int,
    ) -> Sequence[Difference] | None:
        """As the port says."""
        db.execute("BEGIN")
        try:
            if after < _oldest(db) or until > present_revision(db):
                return None
            found: list[Difference] = []
            changed = db.execute(
                "SELECT kind, key, min(number), max(number), group_concat(secrets, ',') "
                "FROM revision_changes WHERE number > ? AND number <= ? AND (kind, key) > (?, ?) "
                "GROUP BY kind, key ORDER BY kind, key",
                (after, until, *(behind or ("", ""))),
            )
            for kind, key, first, last, secrets in changed:
                difference = difference_of(
                    _entry(db, first, kind, key), _entry(db, last, kind, key), set(secrets.split(",")) - {""}
                )
                if difference is not None:
                    found.append(difference)
                if len(found) == limit:
                    break
            return found
        finally:
            db.execute("ROLLBACK")

    @writes
    def prune(self, db: sqlite3.Connection, bounds: Bounds) -> None:
        """As the port says."""
        _prune(db, bounds)


def present_revision(db: sqlite3.Connection) -> int:
    """Return the configuration's revision."""
    (number,) = db.execute("SELECT revision FROM configuration_revision").fetchone()
    return int(number)


def keep(db: sqlite3.Connection, bounds: Bounds, written: Sequence[Written]) -> None:
    """Move the configuration's revision, and keep what was written in the history, within bounds."""
    author = present_author()
    (number,) = db.execute(
        "UPDATE configuration_revision SET revision = revision + 1 RETURNING revision"
    ).fetchone()
    entries = entries_of(written, author)
    revision = revision_of(number, entries, author)
    document = to_document(revision)
    db.execute(
        "INSERT INTO revisions (number, created_at, size, document) VALUES (?, ?, ?, ?)",
        (number, document["created_at"], revision.size, msgspec.json.encode(document).decode()),
    )
    db.executemany(
        "INSERT INTO revision_changes (number, kind, key, change, secrets, before, after, is_detailed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                it.change.kind,
                it.change.id,
                msgspec.json.encode(it.change).decode(),
                ",".join(it.secrets),
                it.before,
                it.after,
                it.is_detailed,
            )
            for it in entries
        ],
    )
    if number % PRUNED_EVERY == 0:
        _prune(db, bounds)


def _prune(db: sqlite3.Connection, bounds: Bounds) -> None:
    rows = db.execute("SELECT number, created_at, size FROM revisions ORDER BY number DESC").fetchall()
    sizes = [(number, datetime.fromisoformat(at), size) for number, at, size in rows]
    last = last_to_go(sizes, bounds, datetime.now(UTC))
    db.execute("DELETE FROM revision_changes WHERE number <= ?", (last,))
    db.execute("DELETE FROM revisions WHERE number <= ?", (last,))


def _oldest(db: sqlite3.Connection) -> int:
    rows = db.execute("SELECT number FROM revisions ORDER BY number DESC")
    return reach((number for (number,) in rows), present_revision(db))


def _revision(document: str) -> Revision:
    return from_document(msgspec.json.decode(document), Revision)


def _with_changes(revision: Revision, changes: Sequence[EntityChange]) -> Revision:
    return msgspec.structs.replace(revision, changes=tuple(changes))


def _change(text: str) -> EntityChange:
    return from_document(msgspec.json.decode(text), EntityChange)


def _entry(db: sqlite3.Connection, number: int, kind: str, key: str) -> Entry:
    change, secrets, before, after, is_detailed = db.execute(
        "SELECT change, secrets, before, after, is_detailed FROM revision_changes "
        "WHERE number = ? AND kind = ? AND key = ?",
        (number, kind, key),
    ).fetchone()
    return Entry(
        change=_change(change),
        secrets=tuple(filter(None, secrets.split(","))),
        before=before,
        after=after,
        is_detailed=bool(is_detailed),
    )
