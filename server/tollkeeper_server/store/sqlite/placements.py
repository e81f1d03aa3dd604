"""Placements in SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import from_document, time_text
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes


class SqlitePlacements(SqlitePart):
    """Implements `ports.PlacementStore`."""

    @writes
    def add(self, db: sqlite3.Connection, placements: Sequence[Placement]) -> None:
        """As the port says."""
        db.executemany(
            "INSERT OR REPLACE INTO placements (id, upstream, project_id, used_at) VALUES (?, ?, ?, ?)",
            [(it.id, it.upstream, it.project_id, time_text(it.used_at)) for it in placements],
        )

    @reads
    def find(self, db: sqlite3.Connection, placement_id: str) -> Placement | None:
        """As the port says."""
        names = ("id", "upstream", "project_id", "used_at")
        row = db.execute(
            "SELECT id, upstream, project_id, used_at FROM placements WHERE id = ?", (placement_id,)
        ).fetchone()
        return from_document(dict(zip(names, row, strict=True)), Placement) if row else None

    @writes
    def delete_before(self, db: sqlite3.Connection, at: datetime, *, limit: int) -> int:
        """As the port says."""
        done = db.execute(
            "DELETE FROM placements WHERE id IN "
            "(SELECT id FROM placements WHERE used_at < ? ORDER BY used_at LIMIT ?)",
            (time_text(at), limit),
        )
        return done.rowcount
