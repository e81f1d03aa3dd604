"""The configuration in SQLite: a document for each entity, and beside it the fields that queries name."""

import sqlite3
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from tollkeeper_server.domain.configuration import KINDS, Batch, Configuration, Entity, Kind, key_of
from tollkeeper_server.domain.listing import EntityFilter, Order, Page, searched_text, sort_name
from tollkeeper_server.domain.revision import USUAL, Bounds
from tollkeeper_server.store.documents import from_document, listed_texts, to_configuration, to_document
from tollkeeper_server.store.history import Written
from tollkeeper_server.store.refusals import key_taken
from tollkeeper_server.store.sqlite.connection import SqliteConnection, SqlitePart, reads, writes
from tollkeeper_server.store.sqlite.listing import (
    Clause,
    Condition,
    Table,
    count_rows,
    having_label,
    keys_of_page,
    plain,
)
from tollkeeper_server.store.sqlite.revisions import keep, present_revision

_E = TypeVar("_E", bound=Entity)
_INTO = (
    "INTO configuration (kind, key, revision, is_active, document, sort_name, searched) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_LISTED = Table(
    name="configuration",
    key="key",
    narrow="configuration_listed",
    filtered=("is_active", "searched", "document"),
    near=300,  # of some thousands, each of which takes as long as many of the narrow index
    sorted={Order.CREATED: "created_at", Order.UPDATED: "updated_at", Order.NAME: "sort_name"},
)


class SqliteConfiguration(SqlitePart):
    """Implements `ports.ConfigurationStore`."""

    def __init__(self, connection: SqliteConnection, bounds: Bounds = USUAL) -> None:
        """Take the bounds of the history."""
        super().__init__(connection)
        self._bounds = bounds

    @reads
    def revision(self, db: sqlite3.Connection) -> int:
        """As the port says."""
        return present_revision(db)

    @reads
    def read(self, db: sqlite3.Connection) -> Configuration:
        """As the port says."""
        select = "SELECT document FROM configuration WHERE kind = ? ORDER BY key"
        db.execute("BEGIN")  # so that all of it is read as at one moment
        try:
            revision = present_revision(db)
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
        if present_revision(db) != expected:
            return False
        rows = [_row(entity) for entity in batch.puts]
        gone = [(deletion.kind, deletion.key) for deletion in batch.deletions]
        before = _documents(db, [*((kind, key) for kind, key, *_ in rows), *gone])
        db.executemany("DELETE FROM configuration WHERE kind = ? AND key = ?", gone)
        db.executemany(f"INSERT OR REPLACE {_INTO}", rows)
        written = [Written(Kind(row[0]), row[1], before.get((row[0], row[1])), row[4]) for row in rows]
        keep(
            db,
            self._bounds,
            [*written, *(Written(kind, key, before.get((kind, key)), None) for kind, key in gone)],
        )
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
        kind, key, *_, document, _, _ = row = _row(entity)
        try:
            db.execute(f"INSERT {_INTO}", row)
        except sqlite3.IntegrityError as error:
            raise key_taken(entity) from error
        keep(db, self._bounds, [Written(Kind(kind), key, None, document)])

    @writes
    def replace(self, db: sqlite3.Connection, entity: Entity, *, expected: int) -> bool:
        """As the port says."""
        kind, key, *values = row = _row(entity)
        before = _documents(db, [(kind, key)])
        done = db.execute(
            "UPDATE configuration SET revision = ?, is_active = ?, document = ?, sort_name = ?, searched = ? "
            "WHERE kind = ? AND key = ? AND revision = ?",
            (*values, kind, key, expected),
        )
        if done.rowcount == 0:
            return False
        keep(db, self._bounds, [Written(Kind(kind), key, before[kind, key], row[4])])
        return True

    @writes
    def delete(self, db: sqlite3.Connection, entity_type: type[Entity], key: str, *, expected: int) -> bool:
        """As the port says."""
        kind = KINDS[entity_type]
        before = _documents(db, [(kind, key)])
        done = db.execute(
            "DELETE FROM configuration WHERE kind = ? AND key = ? AND revision = ?", (kind, key, expected)
        )
        if done.rowcount == 0:
            return False
        keep(db, self._bounds, [Written(kind, key, before[kind, key], None)])
        return True

    @reads
    def page(
        self, db: sqlite3.Connection, entity_type: type[_E], where: EntityFilter, page: Page
    ) -> list[_E]:
        """As the port says."""
        keys = keys_of_page(db, _LISTED, page, [_of_kind(entity_type)], _filters(entity_type, where))
        return _with_keys(db, entity_type, keys)

    @reads
    def count(
        self, db: sqlite3.Connection, entity_type: type[Entity], where: EntityFilter, *, most: int
    ) -> int:
        """As the port says."""
        return count_rows(db, _LISTED, [_of_kind(entity_type)], _filters(entity_type, where), most=most)

    @reads
    def find_many(
        self, db: sqlite3.Connection, entity_type: type[_E], keys: Collection[str]
    ) -> dict[str, _E]:
        """As the port says."""
        return {key_of(entity): entity for entity in _with_keys(db, entity_type, keys)}

    @reads
    def list(self, db: sqlite3.Connection, entity_type: type[_E], *, after: str = "", limit: int) -> list[_E]:
        """As the port says."""
        rows = db.execute(
            "SELECT document FROM configuration WHERE kind = ? AND key > ? ORDER BY key LIMIT ?",
            (KINDS[entity_type], after, limit),
        )
        return [from_document(msgspec.json.decode(document), entity_type) for (document,) in rows]


def fill_lists(db: sqlite3.Connection) -> None:
    """Write what lists sort by and search of entities that a process of an older version wrote."""
    write = "UPDATE configuration SET sort_name = ?, searched = ? WHERE kind = ? AND key = ?"
    for entity_type, kind in KINDS.items():
        rows = db.execute(
            "SELECT key, document FROM configuration WHERE kind = ? AND searched IS NULL", (kind,)
        ).fetchall()
        for key, document in rows:
            db.execute(write, (*listed_texts(msgspec.json.decode(document), entity_type), kind, key))


def _of_kind(entity_type: type[msgspec.Struct]) -> Condition:
    return plain("kind = ?", KINDS[entity_type])


def _filters(entity_type: type[msgspec.Struct], where: EntityFilter) -> list[Condition]:
    found = []
    if where.keys:
        keys = msgspec.json.encode(where.keys).decode()
        found.append(plain("key IN (SELECT value FROM json_each(?))", keys))
    if where.is_active is not None:
        found.append(plain("is_active = ?", where.is_active))
    if where.search:
        found.append(plain("instr(searched, ?) > 0", where.search))
    return [*found, *(_with_label(entity_type, name, value) for name, value in where.labels.items())]


def _with_label(entity_type: type[msgspec.Struct], name: str, value: str) -> Condition:
    row = having_label(name, value)
    # Each row that is read for its document is looked up: only those are that may have the label.
    narrow = Clause(
        "key IN (SELECT key FROM configuration INDEXED BY configuration_listed "  # noqa: S608 - SQL of our own
        f"WHERE kind = ? AND instr(searched, ?) > 0) AND {row.sql}",
        (KINDS[entity_type], row.values[0], *row.values),
    )
    return Condition(row, narrow=narrow)


def _with_keys(db: sqlite3.Connection, entity_type: type[_E], keys: Collection[str]) -> list[_E]:
    rows = db.execute(
        "SELECT document FROM json_each(?) AS wanted CROSS JOIN configuration AS kept "
        "ON kept.kind = ? AND kept.key = wanted.value ORDER BY wanted.key",
        (msgspec.json.encode(list(keys)).decode(), KINDS[entity_type]),
    )
    return [from_document(msgspec.json.decode(document), entity_type) for (document,) in rows]


def _documents(db: sqlite3.Connection, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return the documents of the entities that are there, by kind and key."""
    rows = db.execute(
        "SELECT kept.kind, kept.key, kept.document "
        "FROM json_each(?) AS wanted CROSS JOIN configuration AS kept "
        "ON kept.kind = json_extract(wanted.value, '$[0]') "
        "AND kept.key = json_extract(wanted.value, '$[1]')",
        (msgspec.json.encode(wanted).decode(),),
    )
    return {(kind, key): document for kind, key, document in rows}


def _row(entity: Entity) -> tuple[str, str, int, bool, str, str, str]:
    document = to_document(entity)
    is_active = bool(document.get("is_active", True))
    text = msgspec.json.encode(document).decode()
    return (
        KINDS[type(entity)],
        key_of(entity),
        entity.revision,
        is_active,
        text,
        sort_name(entity),
        searched_text(entity),
    )
