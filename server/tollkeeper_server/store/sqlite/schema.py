"""The SQLite file: the marks that make it Tollkeeper's, and the numbered steps to its present shape."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from tollkeeper_server.store.ports import StoreCorruptError

APPLICATION_ID = 0x746F6C6C  # "toll", in the file's header
_CHECKED_WHOLE = 64 * 1024 * 1024  # bytes; a whole check of a larger file would delay the start too long
_BUSY_PAUSE = 0.01  # seconds

Migrations = tuple[tuple[str, ...], ...]
"""The statements of each step; the file's version is the number of steps that it has behind it."""
MIGRATIONS: Migrations = (
    (
        """CREATE TABLE configuration (
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            revision INTEGER NOT NULL,
            is_active INTEGER NOT NULL,
            document TEXT NOT NULL,
            PRIMARY KEY (kind, key)
        ) WITHOUT ROWID""",
        "CREATE TABLE configuration_revision (revision INTEGER NOT NULL)",
        "INSERT INTO configuration_revision VALUES (0)",
        """CREATE TABLE tokens (
            id TEXT PRIMARY KEY NOT NULL,
            digest TEXT NOT NULL UNIQUE,
            project_id TEXT NOT NULL,
            is_active INTEGER NOT NULL,
            expires_at TEXT,
            updated_at TEXT NOT NULL,
            max_requests INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            request_count INTEGER NOT NULL,
            last_used_at TEXT,
            document TEXT NOT NULL
        )""",
        "CREATE INDEX tokens_by_project ON tokens (project_id, id)",
        "CREATE INDEX tokens_by_change ON tokens (updated_at, id)",
        "CREATE TABLE secrets (name TEXT PRIMARY KEY NOT NULL, sealed TEXT NOT NULL)",
        """CREATE TABLE usage (
            id TEXT PRIMARY KEY NOT NULL,
            request_id TEXT NOT NULL,
            project_id TEXT NOT NULL,
            token_id TEXT NOT NULL,
            model_asked TEXT NOT NULL,
            model_served TEXT NOT NULL,
            upstream TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            status INTEGER NOT NULL,
            error_code TEXT NOT NULL,
            streamed INTEGER NOT NULL,
            prompt INTEGER NOT NULL,
            completion INTEGER NOT NULL,
            cached INTEGER NOT NULL,
            reasoning INTEGER NOT NULL,
            audio_milliseconds INTEGER NOT NULL,
            images INTEGER NOT NULL,
            confidence TEXT NOT NULL,
            started_at TEXT NOT NULL,
            first_byte_us INTEGER NOT NULL,
            duration_us INTEGER NOT NULL,
            request_bytes INTEGER NOT NULL,
            response_bytes INTEGER NOT NULL
        )""",
        "CREATE INDEX usage_by_project ON usage (project_id, id)",
        "CREATE INDEX usage_by_token ON usage (token_id, id)",
        "CREATE INDEX usage_by_model ON usage (model_served, id)",
        "CREATE INDEX usage_by_upstream ON usage (upstream, id)",
        "CREATE INDEX usage_by_request ON usage (request_id, id)",
        "CREATE INDEX usage_by_start ON usage (started_at)",
    ),
    (
        """CREATE TABLE placements (
            id TEXT PRIMARY KEY NOT NULL,
            upstream TEXT NOT NULL,
            project_id TEXT NOT NULL,
            used_at TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX placements_by_use ON placements (used_at)",
    ),
    ("ALTER TABLE placements ADD COLUMN pending TEXT",),
    ("ALTER TABLE usage ADD COLUMN admission TEXT NOT NULL DEFAULT ''",),
)


def prepare(
    connection: sqlite3.Connection, path: Path, *, busy_seconds: float, migrations: Migrations = MIGRATIONS
) -> None:
    """Check the file and bring it to the latest version; do nothing to a file that has it.

    Raises `StoreCorruptError` if the file is damaged, another program's, or of a newer version, and
    `sqlite3.OperationalError` if other processes keep it locked for longer than `busy_seconds`.
    """
    if path.stat().st_size <= _CHECKED_WHOLE:
        (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            plainly = " ".join(finding.split())
            raise StoreCorruptError(
                f"store {path}: the database is damaged ({plainly}); restore it from a backup, "
                "or move it away to begin anew"
            )
    # Checked before anything is changed, in one transaction: another process may be writing the schema.
    with _transaction(connection, "BEGIN"):
        _check_version(connection, path, len(migrations))
    _use_wal(connection, busy_seconds)
    # Two processes may start on one file: the second waits here, and finds the work done.
    with _transaction(connection, "BEGIN IMMEDIATE"):
        _migrate(connection, path, migrations)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    # The connection's own patience does not cover this statement: it fails at once while another
    # process that opens the same new file is at the same point.
    attempts = Retrying(
        retry=retry_if_exception(_is_busy),
        wait=wait_fixed(_BUSY_PAUSE),
        stop=stop_after_delay(busy_seconds),
        reraise=True,
    )
    attempts(connection.execute, "PRAGMA journal_mode = WAL")


def _is_busy(error: BaseException) -> bool:
    return (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Migrations) -> None:
    version = _check_version(connection, path, len(migrations))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for number, statements in enumerate(migrations[version:], start=version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def _check_version(connection: sqlite3.Connection, path: Path, latest: int) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application, version, tables) != (0, 0, 0):
        raise StoreCorruptError(
            f"store {path}: this is the database of another program; name another file in TOLLKEEPER_STORE"
        )
    if version > latest:
        raise StoreCorruptError(
            f"store {path}: its version {version} is newer than version {latest}, the latest "
            "this Tollkeeper knows; run the Tollkeeper that wrote it, or a later one"
        )
    return int(version)
