"""Tokens in SQLite: a document each, and beside it the counters and the fields that queries name."""

import builtins
import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from tollkeeper_server.domain.listing import Order, Page, searched_text, sort_name
from tollkeeper_server.domain.token import Token, TokenFilter
from tollkeeper_server.domain.usage import Admission
from tollkeeper_server.store.documents import (
    TOKEN_COUNTERS,
    from_document,
    listed_texts,
    time_text,
    to_token_document,
)
from tollkeeper_server.store.refusals import secret_taken
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes
from tollkeeper_server.store.sqlite.listing import Table, count_rows, keys_of_page
from tollkeeper_server.store.sqlite.texts import keep_up
from tollkeeper_server.store.sqlite.token_filters import filters_of, scope_of

_SELECT = "SELECT document, request_count, last_used_at FROM tokens"
_LISTED = Table(
    name="tokens",
    key="id",
    narrow="tokens_listed",
    filtered=(
        "project_id",
        "is_active",
        "expiry",
        "max_requests",
        "request_count",
        "searched",
        "document",
    ),
    near=2_000,
    sorted={
        Order.UPDATED: "updated_at",
        Order.NAME: "sort_name",
        Order.EXPIRY: "expiry",
        Order.USE: "last_use",
    },
    walked={
        Order.KEY: "tokens_by_expiry",  # from which pages are sorted
        Order.UPDATED: "tokens_by_change",
        Order.NAME: "tokens_by_name",
        Order.EXPIRY: "tokens_by_expiry",
        Order.USE: "tokens_by_use",
    },
)
_BEYOND = "\x7f"
"""Behind every character that a name of a model may have."""
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
                "revision, document, sort_name, searched, id, request_count, last_used_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_columns(token), token.id, token.request_count, used),
            )
        except sqlite3.IntegrityError as error:
            raise secret_taken() from error
        keep_up(db)

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
                "updated_at = ?, max_requests = ?, revision = ?, document = ?, sort_name = ?, searched = ? "
                "WHERE id = ? AND revision = ?",
                (*_columns(token), token.id, expected),
            )
        except sqlite3.IntegrityError as error:
            raise secret_taken() from error
        keep_up(db)
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
    def names(self, db: sqlite3.Connection, token_ids: Collection[str]) -> Mapping[str, str]:
        """As the port says."""
        rows = db.execute(
            "SELECT id, json_extract(document, '$.name') FROM tokens "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(token_ids)),),
        )
        return dict(rows.fetchall())

    @reads
    def page(self, db: sqlite3.Connection, where: TokenFilter, page: Page) -> list[Token]:
        """As the port says."""
        scope, filters = scope_of(where), filters_of(db, where)
        if scope and page.order is not Order.KEY:
            scope, filters = [], [*scope, *filters]
        keys = keys_of_page(db, _LISTED, page, scope, filters)
        rows = db.execute(
            "SELECT document, request_count, last_used_at FROM json_each(?) AS wanted "
            "CROSS JOIN tokens ON tokens.id = wanted.value ORDER BY wanted.key",
            (msgspec.json.encode(keys).decode(),),
        )
        return [_token(row) for row in rows]

    @reads
    def count(self, db: sqlite3.Connection, where: TokenFilter, *, most: int) -> int:
        """As the port says."""
        return count_rows(db, _LISTED, scope_of(where), filters_of(db, where), most=most)

    @reads
    def allowed_models(self, db: sqlite3.Connection, start: str, *, limit: int) -> list[str]:
        """As the port says."""
        rows = db.execute(
            "SELECT DISTINCT model FROM token_models WHERE model >= ? AND model < ? ORDER BY model LIMIT ?",
            (start, start + _BEYOND, limit),
        )
        return [str(model) for (model,) in rows]

    @reads
    def last_used(self, db: sqlite3.Connection, project_ids: Collection[str]) -> dict[str, datetime]:
        """As the port says."""
        rows = db.execute(
            "SELECT value, (SELECT max(last_use) FROM tokens WHERE project_id = value) FROM json_each(?)",
            (msgspec.json.encode(list(project_ids)).decode(),),
        )
        return {project_id: datetime.fromisoformat(last) for project_id, last in rows if last}

    @reads
    def limited(self, db: sqlite3.Connection, *, limit: int) -> builtins.list[Token]:
        """As the port says."""
        rows = db.execute(
            f"{_SELECT} INDEXED BY tokens_limited WHERE json_array_length(document, '$.limits') > 0 "
            "ORDER BY last_use DESC, id DESC LIMIT ?",
            (limit,),
        )
        return [_token(row) for row in rows]

    @reads
    def list(
        self, db: sqlite3.Connection, *, after: str = "", limit: int, project_id: str = ""
    ) -> list[Token]:
        """As the port says."""
        conditions, values = ["id > ?"], [after]
        if project_id:
            conditions.append("project_id = ?")
            values.append(project_id)
        rows = db.execute(f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?", (*values, limit))
        return [_token(row) for row in rows]


def fill_lists(db: sqlite3.Connection) -> None:
    """Write what lists sort by and search of tokens that a process of an older version added."""
    write = "UPDATE tokens SET sort_name = ?, searched = ? WHERE id = ?"
    for token_id, document in db.execute("SELECT id, document FROM tokens WHERE searched IS NULL").fetchall():
        db.execute(write, (*listed_texts(msgspec.json.decode(document), Token), token_id))


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
        sort_name(token),
        searched_text(token),
    )


def _first(rows: sqlite3.Cursor) -> Token | None:
    row = rows.fetchone()
    return _token(row) if row else None


def _token(row: tuple[str, int, str | None]) -> Token:
    document, *counters = row
    return from_document(
        msgspec.json.decode(document) | dict(zip(TOKEN_COUNTERS, counters, strict=True)), Token
    )
