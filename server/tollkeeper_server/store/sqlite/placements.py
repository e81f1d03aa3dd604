"""Placements in SQLite."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.store.documents import from_placement_document, time_text, to_placement_document
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

_COLUMNS = ("id", "upstream", "project_id", "used_at", "pending")
_NAMES = ", ".join(_COLUMNS)
_ADD = (
    f"INSERT INTO placements ({_NAMES}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608 - names of our own
    "upstream = excluded.upstream, used_at = excluded.used_at, pending = excluded.pending "
    "WHERE project_id = excluded.project_id"
)


class SqlitePlacements(SqlitePart):
    """Implements `ports.PlacementStore`."""

    @writes
    def add(self, db: sqlite3.Connection, placements: Sequence[Placement]) -> set[str]:
        """As the port says."""
        return {
            placement.id
            for placement in placements
            if db.execute(_ADD, _values(to_placement_document(placement))).rowcount == 0
        }

    @reads
    def find_many(self, db: sqlite3.Connection, placement_ids: Collection[str]) -> dict[str, Placement]:
        """As the port says."""
        rows = db.execute(
            f"SELECT {_NAMES} FROM placements WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - names of our own
            (json.dumps(list(placement_ids)),),
        )
        return {found.id: found for found in map(_placement, rows)}

    @reads
    def keeping(self, db: sqlite3.Connection, project_id: str, upstreams: Collection[str]) -> set[str]:
        """As the port says."""
        one = "SELECT 1 FROM placements WHERE project_id = ? AND upstream = ? LIMIT 1"
        return {name for name in upstreams if db.execute(one, (project_id, name)).fetchone() is not None}

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


def _placement(row: Sequence[object]) -> Placement:
    return from_placement_document(dict(zip(_COLUMNS, row, strict=True)))


def _values(document: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(document[name] for name in _COLUMNS)
