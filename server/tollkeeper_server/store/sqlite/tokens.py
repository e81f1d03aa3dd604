"""Tokens in SQLite: a document each, and beside it the counters and the fields that queries name."""

import sqlite3
from datetime import datetime

import msgspec

from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.store.documents import TOKEN_COUNTERS, from_document, time_text, to_token_document
from tollkeeper_server.store.refusals import secret_taken
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

_SELECT = "SELECT document, request_count, last_used_at FROM tokens"
# One statement, however many tokens. Rows are numbered as they are inserted, so the last ones are found by
# number; NOT INDEXED because an index in the order of tokens would be read from end to end.
_COUNT = f"""
    WITH used (token_id, unlimited, unknown, last) AS (
        SELECT token_id, sum(admission = '{Admission.UNLIMITED}'),
            sum(admission = '{Admission.UNKNOWN}' AND upstream != ''), max(started_at)
        FROM usage NOT INDEXED WHERE rowid > last_insert_rowid() - ? GROUP BY token_id
    )
    UPDATE tokens SET (last_used_at, request_count) = (
        SELECT max(coalesce(tokens.last_used_at, ''), last), tokens.request_count
            + unlimited + CASE WHEN tokens.max_requests = 0 THEN unknown ELSE 0 END
        FROM used WHERE token_id = tokens.id
    )
    WHERE id IN (SELECT token_id FROM used)
"""  # noqa: S608 - words of our own


class SqliteTokens(SqlitePart):
    """Implements `ports.TokenStore`."""

    @writes
    def add(self, db: sqlite3.Connection, token: Token) -> None:
        """As the port says."""
        used = time_text(token.last_used_at) if token.last_used_at else None
        try:
            db.execute(
                "INSERT INTO tokens (digest, project_id, is_active, expires_at, updated_at, max_requests, "
                "revision, document, id, request_count, last_used_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_columns(token), token.id, token.request_count, used),
            )
        except sqlite3.IntegrityError as error:
            raise secret_taken() from error

    @reads
    def get(self, db: sqlite3.Connection, token_id: str) -> Token | None:
        """As the port says."""
        return _first(db.execute(f"{_SELECT} WHERE id = ?", (token_id,)))

    @reads
    def find(self, db: sqlite3.Connection, digest: str) -> Token | None:
        """As the port says."""
        return _first(db.execute(f"{_SELECT} WHERE digest = ?", (digest,)))

    @writes
    def replace(self, db: sqlite3.Connection, token: Token, *, expected: int) -> bool:
        """As the port says."""
        try:
            done = db.execute(
                "UPDATE tokens SET digest = ?, project_id = ?, is_active = ?, expires_at = ?, "
                "updated_at = ?, max_requests = ?, revision = ?, document = ? WHERE id = ? AND revision = ?",
                (*_columns(token), token.id, expected),
            )
        except sqlite3.IntegrityError as error:
            raise secret_taken() from error
        return done.rowcount == 1

    @reads
    def changed(self, db: sqlite3.Connection, *, since: datetime, limit: int) -> list[Token]:
        """As the port says."""
        rows = db.execute(
            f"{_SELECT} WHERE updated_at >= ? ORDER BY updated_at DESC, id DESC LIMIT ?",
            (time_text(since), limit),
        )
        return [_token(row) for row in rows]

    @writes
    def admit(self, db: sqlite3.Connection, token_id: str, *, at: datetime) -> bool:
        """As the port says."""
        done = db.execute(
            "UPDATE tokens SET request_count = request_count + 1, "
            "last_used_at = max(coalesce(last_used_at, ''), ?) "
            "WHERE id = ? AND max_requests > 0 AND request_count < max_requests",
            (time_text(at), token_id),
        )
        return done.rowcount == 1

    @reads
    def list(
        self,
        db: sqlite3.Connection,
        *,
        after: str = "",
        limit: int,
        project_id: str = "",
        active_at: datetime | None = None,
    ) -> list[Token]:
        """As the port says."""
        conditions, values = ["id > ?"], [after]
        if project_id:
            conditions.append("project_id = ?")
            values.append(project_id)
        if active_at:
            conditions.append("is_active = 1 AND (expires_at IS NULL OR expires_at > ?)")
            values.append(time_text(active_at))
        rows = db.execute(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?", (*values, limit))
        return [_token(row) for row in rows]


def count(db: sqlite3.Connection, new: int) -> None:
    """Count the `new` rows of usage that this connection inserted last on their tokens.

    A token's time of last use moves, and its count by the requests that were admitted without a limit.
    """
    db.execute(_COUNT, (new,))


def _columns(token: Token) -> tuple[object, ...]:
    document = to_token_document(token)
    return (
        token.digest,
        token.project_id,
        token.is_active,
        document["expires_at"],
        document["updated_at"],
        token.max_requests,
        token.revision,
        msgspec.json.encode(document).decode(),
    )


def _first(rows: sqlite3.Cursor) -> Token | None:
    row = rows.fetchone()
    return _token(row) if row else None


def _token(row: tuple[str, int, str | None]) -> Token:
    document, *counters = row
    return from_document(
        msgspec.json.decode(document) | dict(zip(TOKEN_COUNTERS, counters, strict=True)), Token
    )
