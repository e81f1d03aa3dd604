"""The configuration in SQLite: a document for each entity, and beside it the fields that queries name."""

import sqlite3
from typing import TypeVar

import msgspec

from tollkeeper_server.domain.configuration import KINDS, Batch, Configuration, Entity, Kind, key_of
from tollkeeper_server.store.documents import from_document, to_configuration, to_document
from tollkeeper_server.store.refusals import key_taken
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

_E = TypeVar("_E", bound=Entity)
_INTO = "INTO configuration (kind, key, revision, is_active, document) VALUES (?, ?, ?, ?, ?)"


class SqliteConfiguration(SqlitePart):
    """Implements `ports.ConfigurationStore`."""

    @reads
    def revision(self, db: sqlite3.Connection) -> int:
        """As the port says."""
        return _revision(db)

    @reads
    def read(self, db: sqlite3.Connection) -> Configuration:
        """As the port says."""
        select = "SELECT document FROM configuration WHERE kind = ? ORDER BY key"
        db.execute("BEGIN")  # so that all of it is read as at one moment
        try:
            revision = _revision(db)
            documents = {
                kind: [msgspec.json.decode(document) for (document,) in db.execute(select, (kind,))]
                for kind in Kind
            }
        finally:
            db.execute("ROLLBACK")
        return to_configuration(revision, documents)

    @writes
    def write(self, db: sqlite3.Connection, batch: Batch, *, expected: int) -> bool:
        """As the port says."""
        if _revision(db) != expected:
            return False
        db.executemany(
            "DELETE FROM configuration WHERE kind = ? AND key = ?",
            [(deletion.kind, deletion.key) for deletion in batch.deletions],
        )
        db.executemany(f"INSERT OR REPLACE {_INTO}", map(_row, batch.puts))
        _move_revision(db)
        return True

    @reads
    def get(self, db: sqlite3.Connection, entity_type: type[_E], key: str) -> _E | None:
        """As the port says."""
        row = db.execute(
            "SELECT document FROM configuration WHERE kind = ? AND key = ?", (KINDS[entity_type], key)
        ).fetchone()
        return from_document(msgspec.json.decode(row[0]), entity_type) if row else None

    @writes
    def add(self, db: sqlite3.Connection, entity: Entity) -> None:
        """As the port says."""
        try:
            db.execute(f"INSERT {_INTO}", _row(entity))
        except sqlite3.IntegrityError as error:
            raise key_taken(entity) from error
        _move_revision(db)

    @writes
    def replace(self, db: sqlite3.Connection, entity: Entity, *, expected: int) -> bool:
        """As the port says."""
        kind, key, revision, is_active, document = _row(entity)
        done = db.execute(
            "UPDATE configuration SET revision = ?, is_active = ?, document = ? "
            "WHERE kind = ? AND key = ? AND revision = ?",
            (revision, is_active, document, kind, key, expected),
        )
        return _has_moved(db, done)

    @writes
    def delete(self, db: sqlite3.Connection, entity_type: type[Entity], key: str, *, expected: int) -> bool:
        """As the port says."""
        done = db.execute(
            "DELETE FROM configuration WHERE kind = ? AND key = ? AND revision = ?",
            (KINDS[entity_type], key, expected),
        )
        return _has_moved(db, done)

    @reads
    def list(
        self,
        db: sqlite3.Connection,
        entity_type: type[_E],
        *,
        after: str = "",
        limit: int,
        active_only: bool = False,
    ) -> list[_E]:
        """As the port says."""
        rows = db.execute(
            "SELECT document FROM configuration WHERE kind = ? AND key > ? AND is_active >= ? "
            "ORDER BY key LIMIT ?",
            (KINDS[entity_type], after, active_only, limit),
        )
        return [from_document(msgspec.json.decode(document), entity_type) for (document,) in rows]


def _revision(db: sqlite3.Connection) -> int:
    (number,) = db.execute("SELECT revision FROM configuration_revision").fetchone()
    return int(number)


def _row(entity: Entity) -> tuple[str, str, int, bool, str]:
    document = to_document(entity)
    is_active = bool(document.get("is_active", True))
    text = msgspec.json.encode(document).decode()
    return KINDS[type(entity)], key_of(entity), entity.revision, is_active, text


def _has_moved(db: sqlite3.Connection, done: sqlite3.Cursor) -> bool:
    """Move the configuration's revision if a statement changed anything; return whether it did."""
    if done.rowcount == 0:
        return False
    _move_revision(db)
    return True


def _move_revision(db: sqlite3.Connection) -> None:
    db.execute("UPDATE configuration_revision SET revision = revision + 1")
