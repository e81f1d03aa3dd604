"""Sessions in SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from tollkeeper_server.domain.session import Session
from tollkeeper_server.store.documents import from_document, time_text, to_document
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

_COLUMNS = Session.__struct_fields__
_NAMES = ", ".join(_COLUMNS)
_SELECT = f"SELECT {_NAMES} FROM sessions"  # noqa: S608 - names of our own
_ADD = f"INSERT INTO sessions ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - as above


class SqliteSessions(SqlitePart):
    """Implements `ports.SessionStore`."""

    @writes
    def add(self, db: sqlite3.Connection, session: Session) -> None:
        """As the port says."""
        document = to_document(session)
        db.execute(_ADD, tuple(document[name] for name in _COLUMNS))

    @reads
    def get(self, db: sqlite3.Connection, session_id: str) -> Session | None:
        """As the port says."""
        row = db.execute(f"{_SELECT} WHERE id = ?", (session_id,)).fetchone()
        return _session(row) if row else None

    @reads
    def find(self, db: sqlite3.Connection, digest: str) -> Session | None:
        """As the port says."""
        row = db.execute(
            f"{_SELECT} WHERE digest = ? OR next_digest = ? OR previous_digest = ?", (digest,) * 3
        ).fetchone()
        return _session(row) if row else None

    @writes
    def rotate(
        self,
        db: sqlite3.Connection,
        session_id: str,
        *,
        expected: str,
        following: str,
        at: datetime,
        until: datetime,
    ) -> bool:
        """As the port says."""
        done = db.execute(
            "UPDATE sessions SET previous_digest = digest, previous_until = ?, digest = next_digest, "
            "next_digest = ?, rotated_at = ? WHERE id = ? AND digest = ?",
            (time_text(until), following, time_text(at), session_id, expected),
        )
        return done.rowcount == 1

    @writes
    def touch(self, db: sqlite3.Connection, session_id: str, *, at: datetime) -> None:
        """As the port says."""
        db.execute(
            "UPDATE sessions SET last_used_at = max(last_used_at, ?) WHERE id = ?",
            (time_text(at), session_id),
        )

    @reads
    def list(self, db: sqlite3.Connection, token_mark: str, *, before: str = "", limit: int) -> list[Session]:
        """As the port says."""
        rows = db.execute(
            f"{_SELECT} WHERE token_mark = ? AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?",
            (token_mark, before, before, limit),
        )
        return [_session(row) for row in rows]

    @writes
    def delete(self, db: sqlite3.Connection, session_id: str) -> bool:
        """As the port says."""
        return db.execute("DELETE FROM sessions WHERE id = ?", (session_id,)).rowcount == 1

    @writes
    def delete_all(self, db: sqlite3.Connection, *, but: str = "") -> int:
        """As the port says."""
        return db.execute("DELETE FROM sessions WHERE id <> ?", (but,)).rowcount

    @writes
    def delete_ended(
        self, db: sqlite3.Connection, *, used_before: datetime, created_before: datetime, limit: int
    ) -> int:
        """As the port says."""
        done = db.execute(
            "DELETE FROM sessions WHERE id IN "
            "(SELECT id FROM sessions WHERE last_used_at < ? OR created_at < ? LIMIT ?)",
            (time_text(used_before), time_text(created_before), limit),
        )
        return done.rowcount

    @writes
    def delete_surplus(self, db: sqlite3.Connection, *, keep: int) -> int:
        """As the port says."""
        done = db.execute(
            "DELETE FROM sessions WHERE id IN "
            "(SELECT id FROM sessions ORDER BY last_used_at DESC LIMIT -1 OFFSET ?)",
            (keep,),
        )
        return done.rowcount


def _session(row: Sequence[object]) -> Session:
    return from_document(dict(zip(_COLUMNS, row, strict=True)), Session)
