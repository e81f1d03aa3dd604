"""Tokens in SQLite: the statements, each run inside a transaction of the store's."""

import sqlite3
from datetime import datetime

import msgspec

from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.documents import from_document, time_text, to_document

Row = tuple[str, int, str | None]
COUNTERS = ("request_count", "last_used_at")
# One statement, however many tokens. Rows are numbered as they are inserted, so the last ones are found by
# number; NOT INDEXED because an index in the order of tokens would be read from end to end.
_COUNT = """
    WITH used (token_id, requests, last) AS (
        SELECT token_id, count(*), max(started_at) FROM usage NOT INDEXED
        WHERE rowid > last_insert_rowid() - ? GROUP BY token_id
    )
    UPDATE tokens SET (last_used_at, request_count) = (
        SELECT max(coalesce(tokens.last_used_at, ''), last),
            tokens.request_count + CASE WHEN tokens.max_requests = 0 THEN requests ELSE 0 END
        FROM used WHERE token_id = tokens.id
    )
    WHERE id IN (SELECT token_id FROM used)
"""


def add(connection: sqlite3.Connection, token: Token) -> None:
    """Adds a token. Raises ALREADY_EXISTS if its digest or id is taken."""
    try:
        connection.execute(
            "INSERT INTO tokens (digest, project_id, is_active, expires_at, updated_at, max_requests, "
            "revision, document, id, request_count, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *_columns(token),
                token.id,
                token.request_count,
                time_text(token.last_used_at) if token.last_used_at else None,
            ),
        )
    except sqlite3.IntegrityError as error:
        raise taken() from error


def taken() -> TollkeeperError:
    """Returns the refusal of a secret that another token has."""
    return TollkeeperError(
        Reason.ALREADY_EXISTS, "secret: another token has it already; use another one", field="secret"
    )


def get(connection: sqlite3.Connection, token_id: str) -> Token | None:
    """Returns the token of that id, or None."""
    row = connection.execute(
        "SELECT document, request_count, last_used_at FROM tokens WHERE id = ?", (token_id,)
    ).fetchone()
    return _token(row) if row else None


def find(connection: sqlite3.Connection, digest: str) -> Token | None:
    """Returns the token with that digest, or None."""
    row = connection.execute(
        "SELECT document, request_count, last_used_at FROM tokens WHERE digest = ?", (digest,)
    ).fetchone()
    return _token(row) if row else None


def page(
    connection: sqlite3.Connection, after: str, limit: int, project_id: str, active_at: datetime | None
) -> list[Token]:
    """Returns up to `limit` tokens with ids greater than `after`, by id."""
    conditions, values = ["id > ?"], [after]
    if project_id:
        conditions.append("project_id = ?")
        values.append(project_id)
    if active_at:
        conditions.append("is_active = 1 AND (expires_at IS NULL OR expires_at > ?)")
        values.append(time_text(active_at))
    rows = connection.execute(
        "SELECT document, request_count, last_used_at FROM tokens "  # noqa: S608 - conditions of our own
        f"WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?",
        (*values, limit),
    )
    return [_token(row) for row in rows]


def changed(connection: sqlite3.Connection, since: datetime, limit: int) -> list[Token]:
    """Returns up to `limit` tokens changed since then, latest change first."""
    rows = connection.execute(
        "SELECT document, request_count, last_used_at FROM tokens WHERE updated_at >= ? "
        "ORDER BY updated_at DESC, id DESC LIMIT ?",
        (time_text(since), limit),
    )
    return [_token(row) for row in rows]


def replace(connection: sqlite3.Connection, token: Token, expected: int) -> bool:
    """Writes all but the counters if the stored revision is `expected`; tells whether it did."""
    try:
        done = connection.execute(
            "UPDATE tokens SET digest = ?, project_id = ?, is_active = ?, expires_at = ?, updated_at = ?, "
            "max_requests = ?, revision = ?, document = ? WHERE id = ? AND revision = ?",
            (*_columns(token), token.id, expected),
        )
    except sqlite3.IntegrityError as error:
        raise taken() from error
    return done.rowcount == 1


def admit(connection: sqlite3.Connection, token_id: str, at: datetime) -> bool:
    """Counts one request unless the limit is reached; tells whether it did."""
    done = connection.execute(
        "UPDATE tokens SET request_count = request_count + 1, "
        "last_used_at = max(coalesce(last_used_at, ''), ?) "
        "WHERE id = ? AND max_requests > 0 AND request_count < max_requests",
        (time_text(at), token_id),
    )
    return done.rowcount == 1


def count(connection: sqlite3.Connection, new: int) -> None:
    """Counts the `new` rows of usage that this connection inserted last on their tokens.

    A token with a limit was counted when its request was admitted: only its time of last use moves.
    """
    connection.execute(_COUNT, (new,))


def _columns(token: Token) -> tuple[object, ...]:
    document = to_document(token)
    for name in COUNTERS:
        del document[name]
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


def _token(row: Row) -> Token:
    document, request_count, last_used_at = row
    counters = dict(zip(COUNTERS, (request_count, last_used_at), strict=True))
    return from_document(msgspec.json.decode(document) | counters, Token)
