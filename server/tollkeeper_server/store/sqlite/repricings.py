"""Changes of the costs of stored events in SQLite: each is one document."""

import builtins
import sqlite3
from collections.abc import Sequence

import msgspec

from tollkeeper_server.domain.repricing import NewCost, Repricing, added
from tollkeeper_server.store.documents import from_document, to_document
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes


class SqliteRepricings(SqlitePart):
    """Implements `ports.RepricingStore`."""

    @writes
    def apply(self, db: sqlite3.Connection, costs: Sequence[NewCost], trace: Repricing) -> None:
        """As the port says."""
        db.executemany(
            "UPDATE usage SET cost_nano_dollars = ? WHERE id = ? AND cost_nano_dollars IS ?",
            [(it.after, it.id, it.before) for it in costs],
        )
        row = db.execute("SELECT document FROM repricings WHERE id = ?", (trace.id,)).fetchone()
        whole = trace if row is None else added(_read(row[0]), trace)
        text = msgspec.json.encode(to_document(whole)).decode()
        db.execute("INSERT OR REPLACE INTO repricings (id, document) VALUES (?, ?)", (trace.id, text))

    @reads
    def list(self, db: sqlite3.Connection, *, before: str = "", limit: int) -> builtins.list[Repricing]:
        """As the port says."""
        rows = db.execute(
            "SELECT document FROM repricings WHERE ? = '' OR id < ? ORDER BY id DESC LIMIT ?",
            (before, before, limit),
        )
        return [_read(row[0]) for row in rows]


def _read(text: str) -> Repricing:
    return from_document(msgspec.json.decode(text), Repricing)
