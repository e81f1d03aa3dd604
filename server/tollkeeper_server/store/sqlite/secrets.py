"""Sealed secrets in SQLite."""

import sqlite3

from tollkeeper_server.store.sqlite.connection import SqlitePart, writes


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
