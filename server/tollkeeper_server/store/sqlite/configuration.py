"""What is configured, in SQLite: the statements, each run inside a transaction of the store's."""

import sqlite3
from typing import TypeVar

import msgspec

from tollkeeper_server.domain.configuration import KINDS, Batch, Configuration, Entity, Kind, key_of
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.documents import from_document, to_document

_T = TypeVar("_T", bound=msgspec.Struct)
_ALL = -1  # as a LIMIT
_INTO = "INTO configuration (kind, key, revision, is_active, document) VALUES (?, ?, ?, ?, ?)"


def revision(connection: sqlite3.Connection) -> int:
    """Returns the number of writes so far, a batch counted as one."""
    (number,) = connection.execute("SELECT revision FROM configuration_revision").fetchone()
    return int(number)


def read(connection: sqlite3.Connection) -> Configuration:
    """Returns all there is as it was at one moment."""
    connection.execute("BEGIN")
    try:
        return Configuration(
            revision=revision(connection),
            projects=tuple(page(connection, Project, "", _ALL)),
            upstreams=tuple(page(connection, Upstream, "", _ALL)),
            groups=tuple(page(connection, Group, "", _ALL)),
            models=tuple(page(connection, Model, "", _ALL)),
            listeners=tuple(page(connection, Listener, "", _ALL)),
        )
    finally:
        connection.execute("ROLLBACK")


def write(connection: sqlite3.Connection, batch: Batch, expected: int) -> bool:
    """Writes the batch if the revision is `expected`; tells whether it did."""
    if revision(connection) != expected:
        return False
    connection.executemany(
        "DELETE FROM configuration WHERE kind = ? AND key = ?",
        [(deletion.kind, deletion.key) for deletion in batch.deletions],
    )
    connection.executemany(f"INSERT OR REPLACE {_INTO}", map(_row, batch.puts))
    _move_revision(connection)
    return True


def add(connection: sqlite3.Connection, entity: Entity) -> None:
    """Adds an entity. Raises ALREADY_EXISTS if its id or name is taken."""
    try:
        connection.execute(f"INSERT {_INTO}", _row(entity))
    except sqlite3.IntegrityError as error:
        raise TollkeeperError(
            Reason.ALREADY_EXISTS,
            f"{KINDS[type(entity)]} {key_of(entity)!r} exists already; choose another name, "
            "or update that one",
            field="name",
        ) from error
    _move_revision(connection)


def get(connection: sqlite3.Connection, entity: type[_T], key: str) -> _T | None:
    """Returns the entity of that id or name, or None."""
    row = connection.execute(
        "SELECT document FROM configuration WHERE kind = ? AND key = ?", (KINDS[entity], key)
    ).fetchone()
    return from_document(msgspec.json.decode(row[0]), entity) if row else None


def page(
    connection: sqlite3.Connection, entity: type[_T], after: str, limit: int, *, active_only: bool = False
) -> list[_T]:
    """Returns up to `limit` entities with ids or names greater than `after`, in their order."""
    rows = connection.execute(
        "SELECT document FROM configuration WHERE kind = ? AND key > ? AND is_active >= ? "
        "ORDER BY key LIMIT ?",
        (KINDS[entity], after, active_only, limit),
    )
    return [from_document(msgspec.json.decode(document), entity) for (document,) in rows]


def replace(connection: sqlite3.Connection, entity: Entity, expected: int) -> bool:
    """Writes an entity if the stored revision is `expected`; tells whether it did."""
    kind, key, number, is_active, document = _row(entity)
    done = connection.execute(
        "UPDATE configuration SET revision = ?, is_active = ?, document = ? "
        "WHERE kind = ? AND key = ? AND revision = ?",
        (number, is_active, document, kind, key, expected),
    )
    return _moved(connection, done)


def delete(connection: sqlite3.Connection, kind: Kind, key: str, expected: int) -> bool:
    """Removes an entity if the stored revision is `expected`; tells whether it did."""
    done = connection.execute(
        "DELETE FROM configuration WHERE kind = ? AND key = ? AND revision = ?", (kind, key, expected)
    )
    return _moved(connection, done)


def _row(entity: Entity) -> tuple[str, str, int, bool, str]:
    document = to_document(entity)
    is_active = bool(document.get("is_active", True))
    text = msgspec.json.encode(document).decode()
    return KINDS[type(entity)], key_of(entity), entity.revision, is_active, text


def _moved(connection: sqlite3.Connection, done: sqlite3.Cursor) -> bool:
    if done.rowcount == 0:
        return False
    _move_revision(connection)
    return True


def _move_revision(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE configuration_revision SET revision = revision + 1")
