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
    ("CREATE INDEX placements_by_project ON placements (project_id, upstream)",),
    (
        "ALTER TABLE usage ADD COLUMN attempts TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN listener TEXT NOT NULL DEFAULT ''",
        """ALTER TABLE usage ADD COLUMN "group" TEXT NOT NULL DEFAULT ''""",
        "ALTER TABLE usage ADD COLUMN rule TEXT NOT NULL DEFAULT ''",
    ),
    (
        # Columns that a process of an older version, on the same file, needs not write. Those that are not
        # generated are null in its rows until `fill_lists`.
        "ALTER TABLE tokens ADD COLUMN sort_name TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE tokens ADD COLUMN searched TEXT",
        "ALTER TABLE tokens ADD COLUMN expiry TEXT AS (coalesce(expires_at, '~')) VIRTUAL",
        "ALTER TABLE tokens ADD COLUMN last_use TEXT AS (coalesce(last_used_at, '')) VIRTUAL",
        "ALTER TABLE configuration ADD COLUMN sort_name TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE configuration ADD COLUMN searched TEXT",
        """ALTER TABLE configuration
            ADD COLUMN created_at TEXT AS (json_extract(document, '$.created_at')) VIRTUAL""",
        """ALTER TABLE configuration
            ADD COLUMN updated_at TEXT AS (json_extract(document, '$.updated_at')) VIRTUAL""",
        "CREATE INDEX tokens_unlisted ON tokens (id) WHERE searched IS NULL",
        "CREATE INDEX configuration_unlisted ON configuration (kind, key) WHERE searched IS NULL",
        "CREATE INDEX tokens_by_name ON tokens (sort_name, id)",
        "CREATE INDEX tokens_by_expiry ON tokens (expiry, id)",
        "CREATE INDEX tokens_by_use ON tokens (last_use, id)",
        "CREATE INDEX tokens_by_project_use ON tokens (project_id, last_use)",
        """CREATE INDEX tokens_listed ON tokens
            (project_id, id, is_active, expiry, max_requests, searched)""",
        """CREATE INDEX tokens_used_up ON tokens (id)
            WHERE max_requests > 0 AND request_count >= max_requests""",
        "DROP INDEX tokens_by_project",  # tokens_listed begins with it
        "CREATE INDEX configuration_by_name ON configuration (kind, sort_name, key)",
        "CREATE INDEX configuration_by_creation ON configuration (kind, created_at, key)",
        "CREATE INDEX configuration_by_change ON configuration (kind, updated_at, key)",
        "CREATE INDEX configuration_listed ON configuration (kind, key, is_active, searched)",
    ),
    (
        "CREATE TABLE usage_batch (number INTEGER NOT NULL)",
        "INSERT INTO usage_batch VALUES (0)",
        "ALTER TABLE usage ADD COLUMN stored INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE usage ADD COLUMN amended INTEGER NOT NULL DEFAULT 0",
        "CREATE INDEX usage_by_storing ON usage (stored, id) WHERE stored > 0",
        "CREATE INDEX usage_by_amending ON usage (amended, id) WHERE amended > 0",
    ),
    (
        """CREATE TABLE sessions (
            id TEXT PRIMARY KEY NOT NULL,
            digest TEXT NOT NULL UNIQUE,
            next_digest TEXT NOT NULL UNIQUE,
            previous_digest TEXT NOT NULL,
            previous_until TEXT,
            rotated_at TEXT NOT NULL,
            token_mark TEXT NOT NULL,
            created_at TEXT NOT NULL,
            last_used_at TEXT NOT NULL,
            address TEXT NOT NULL,
            user_agent TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX sessions_by_previous ON sessions (previous_digest)",
        "CREATE INDEX sessions_by_mark ON sessions (token_mark, id)",
        "CREATE INDEX sessions_by_use ON sessions (last_used_at)",
        "CREATE INDEX sessions_by_creation ON sessions (created_at)",
    ),
    (
        # Which tokens name a model in `allowed_models`. Triggers, as a process of an older version writes
        # tokens, too.
        """CREATE TABLE token_models (
            model TEXT NOT NULL,
            token_id TEXT NOT NULL,
            PRIMARY KEY (model, token_id)
        ) WITHOUT ROWID""",
        """INSERT INTO token_models SELECT DISTINCT value, tokens.id
            FROM tokens, json_each(document, '$.allowed_models')""",
        """CREATE TRIGGER token_models_added AFTER INSERT ON tokens BEGIN
            INSERT INTO token_models
                SELECT DISTINCT value, new.id FROM json_each(new.document, '$.allowed_models');
        END""",
        """CREATE TRIGGER token_models_changed AFTER UPDATE OF document ON tokens
        WHEN json_extract(old.document, '$.allowed_models')
            IS NOT json_extract(new.document, '$.allowed_models')
        BEGIN
            DELETE FROM token_models WHERE token_id = old.id
                AND model IN (SELECT value FROM json_each(old.document, '$.allowed_models'));
            INSERT INTO token_models
                SELECT DISTINCT value, new.id FROM json_each(new.document, '$.allowed_models');
        END""",
    ),
    (
        """CREATE TABLE revisions (
            number INTEGER PRIMARY KEY NOT NULL,
            created_at TEXT NOT NULL,
            size INTEGER NOT NULL,
            document TEXT NOT NULL
        )""",
        """CREATE TABLE revision_changes (
            number INTEGER NOT NULL,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            change TEXT NOT NULL,
            secrets TEXT NOT NULL,
            before TEXT,
            after TEXT,
            is_detailed INTEGER NOT NULL
        )""",
        "CREATE INDEX revision_changes_by_number ON revision_changes (number, kind, key)",
        "CREATE INDEX revision_changes_by_entity ON revision_changes (kind, key, number)",
    ),
    (
        # These find the pages of tokens with filters. They name a token by the number of its row (rowid).
        # VACUUM numbers rows anew where there are gaps. Tokens are never deleted, so there are none.
        "DROP INDEX tokens_by_change",
        "DROP INDEX tokens_by_name",
        "DROP INDEX tokens_by_expiry",
        "DROP INDEX tokens_by_use",
        "DROP INDEX tokens_used_up",
        "CREATE INDEX tokens_by_change ON tokens (updated_at, id, is_active, expiry)",
        "CREATE INDEX tokens_by_name ON tokens (sort_name, id, is_active, expiry)",
        "CREATE INDEX tokens_by_expiry ON tokens (expiry, id, is_active)",
        "CREATE INDEX tokens_by_use ON tokens (last_use, id, is_active, expiry)",
        """CREATE INDEX tokens_used_up ON tokens (id, is_active, expiry)
            WHERE max_requests > 0 AND request_count >= max_requests""",
        "CREATE INDEX tokens_revoked ON tokens (id) WHERE is_active = 0",
        """CREATE TABLE token_labels (
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            number INTEGER NOT NULL,
            PRIMARY KEY (name, value, number)
        ) WITHOUT ROWID""",
        """INSERT INTO token_labels
            SELECT key, value, tokens.rowid FROM tokens, json_each(document, '$.labels')""",
        # Triggers, as a process of an older version writes tokens, too, or one whose SQLite has no FTS5.
        """CREATE TRIGGER token_labels_added AFTER INSERT ON tokens BEGIN
            INSERT INTO token_labels SELECT key, value, new.rowid FROM json_each(new.document, '$.labels');
        END""",
        """CREATE TRIGGER token_labels_changed AFTER UPDATE OF document ON tokens
        WHEN json_extract(old.document, '$.labels') IS NOT json_extract(new.document, '$.labels')
        BEGIN
            DELETE FROM token_labels WHERE number = old.rowid
                AND (name, value) IN (SELECT key, value FROM json_each(old.document, '$.labels'));
            INSERT INTO token_labels SELECT key, value, new.rowid FROM json_each(new.document, '$.labels');
        END""",
        # The rows that `token_texts` (texts.py) does not have as they are, and what it has of them.
        "CREATE TABLE token_unsearched (number INTEGER PRIMARY KEY NOT NULL, former TEXT)",
        """CREATE TRIGGER token_texts_added AFTER INSERT ON tokens BEGIN
            INSERT INTO token_unsearched VALUES (new.rowid, NULL);
        END""",
        """CREATE TRIGGER token_texts_changed AFTER UPDATE OF searched ON tokens
        WHEN old.searched IS NOT new.searched
        BEGIN
            INSERT OR IGNORE INTO token_unsearched VALUES (new.rowid, old.searched);
        END""",
    ),
    (
        # Processes of older versions write events without them.
        "ALTER TABLE usage ADD COLUMN details TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE usage ADD COLUMN cost_nano_dollars INTEGER",
    ),
    (
        "ALTER TABLE usage ADD COLUMN charges TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE ledger_spent (
            key TEXT NOT NULL,
            period INTEGER NOT NULL,
            owner TEXT NOT NULL,
            calendar TEXT NOT NULL,
            amount INTEGER NOT NULL,
            PRIMARY KEY (key, period, owner)
        ) WITHOUT ROWID""",
        "CREATE INDEX ledger_spent_by_period ON ledger_spent (calendar, period)",
    ),
    ("CREATE TABLE repricings (id TEXT PRIMARY KEY NOT NULL, document TEXT NOT NULL) WITHOUT ROWID",),
    ("CREATE TABLE ledger_owners (owner TEXT PRIMARY KEY NOT NULL, seen_at INTEGER NOT NULL) WITHOUT ROWID",),
    (
        """CREATE INDEX tokens_limited ON tokens (last_use, id)
            WHERE json_array_length(document, '$.limits') > 0""",
        """CREATE TABLE budget_notices (
            id TEXT PRIMARY KEY NOT NULL,
            key TEXT NOT NULL,
            period INTEGER NOT NULL,
            amount INTEGER NOT NULL,
            percent INTEGER NOT NULL,
            noticed_at TEXT NOT NULL,
            document TEXT NOT NULL,
            UNIQUE (key, period, amount, percent)
        ) WITHOUT ROWID""",
        "CREATE INDEX budget_notices_by_time ON budget_notices (noticed_at)",
    ),
    # Processes of older versions write events without them.
    ("ALTER TABLE usage ADD COLUMN characters INTEGER NOT NULL DEFAULT 0",),
    ("ALTER TABLE usage ADD COLUMN pages INTEGER NOT NULL DEFAULT 0",),
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
                "or move it away to start with an empty one"
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
