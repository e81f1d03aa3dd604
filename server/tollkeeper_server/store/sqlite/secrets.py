"""Sealed secrets in SQLite."""

import sqlite3

from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes


class SqliteSecrets(SqlitePart):
    """Implements `ports.SecretStore`."""

    @writes
    def keep(self, db: sqlite3.Connection, name: str, sealed: str) -> str:
        """As the port says."""
        db.execute(
            "INSERT INTO secrets (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, sealed)
        )
        (kept,) = db.execute("SELECT sealed FROM secrets WHERE name = ?", (name,)).fetchone()
        return str(kept)

    @reads
    def find(self, db: sqlite3.Connection, name: str) -> str | None:
        """As the port says."""
        row = db.execute("SELECT sealed FROM secrets WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    @writes
    def replace(self, db: sqlite3.Connection, name: str, sealed: str, *, expected: str) -> bool:
        """As the port says."""
        done = db.execute(
            "UPDATE secrets SET sealed = ? WHERE name = ? AND sealed = ?", (sealed, name, expected)
        )
        return done.rowcount == 1
