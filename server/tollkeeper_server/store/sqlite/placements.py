"""Placements in SQLite."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import from_placement_document, time_text, to_placement_document
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

_COLUMNS = ("id", "upstream", "project_id", "used_at", "pending")


class SqlitePlacements(SqlitePart):
    """Implements `ports.PlacementStore`."""

    @writes
    def add(self, db: sqlite3.Connection, placements: Sequence[Placement]) -> None:
        """As the port says."""
        db.executemany(
            f"INSERT OR REPLACE INTO placements ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - names of our own
            [_values(to_placement_document(placement)) for placement in placements],
        )

    @reads
    def find(self, db: sqlite3.Connection, placement_id: str) -> Placement | None:
        """As the port says."""
        row = db.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM placements WHERE id = ?",  # noqa: S608 - names of our own
            (placement_id,),
        ).fetchone()
        return from_placement_document(dict(zip(_COLUMNS, row, strict=True))) if row else None

    @writes
    def settle(self, db: sqlite3.Connection, placement_id: str) -> bool:
        """As the port says."""
        done = db.execute(
            "UPDATE placements SET pending = NULL WHERE id = ? AND pending IS NOT NULL", (placement_id,)
        )
        return done.rowcount == 1

    @writes
    def delete_before(self, db: sqlite3.Connection, at: datetime, *, limit: int) -> int:
        """As the port says."""
        done = db.execute(
            "DELETE FROM placements WHERE id IN "
            "(SELECT id FROM placements WHERE used_at < ? ORDER BY used_at LIMIT ?)",
            (time_text(at), limit),
        )
        return done.rowcount


def _values(document: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(document[name] for name in _COLUMNS)
