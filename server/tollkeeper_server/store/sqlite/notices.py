"""Notices of budgets in SQLite: a document each, and what there is one of."""

import builtins
import sqlite3
from datetime import datetime

import msgspec

from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.store.documents import from_document, time_text, to_document
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes


class SqliteNotices(SqlitePart):
    """Implements `ports.NoticeStore`."""

    @writes
    def add(self, db: sqlite3.Connection, notice: BudgetNotice) -> bool:
        """As the port says."""
        text = msgspec.json.encode(to_document(notice)).decode()
        done = db.execute(
            "INSERT INTO budget_notices (id, key, period, amount, percent, noticed_at, document) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, period, amount, percent) DO NOTHING",
            (
                notice.id,
                notice.key,
                notice.period,
                notice.limit.amount,
                notice.percent,
                time_text(notice.noticed_at),
                text,
            ),
        )
        return done.rowcount == 1

    @reads
    def list(self, db: sqlite3.Connection, *, before: str = "", limit: int) -> builtins.list[BudgetNotice]:
        """As the port says."""
        rows = db.execute(
            "SELECT document FROM budget_notices WHERE ? = '' OR id < ? ORDER BY id DESC LIMIT ?",
            (before, before, limit),
        )
        return [from_document(msgspec.json.decode(text), BudgetNotice) for (text,) in rows]

    @writes
    def delete_before(self, db: sqlite3.Connection, at: datetime, *, limit: int) -> int:
        """As the port says."""
        done = db.execute(
            "DELETE FROM budget_notices WHERE id IN (SELECT id FROM budget_notices "
            "WHERE noticed_at < ? AND period != 0 ORDER BY noticed_at LIMIT ?)",
            (time_text(at), limit),
        )
        return done.rowcount
