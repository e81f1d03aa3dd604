"""What is spent of budgets, in SQLite: a row for each key, period and process."""

import json
import sqlite3
from collections.abc import Collection, Iterable

from tollkeeper_server.domain.limit import Charge, calendar_name
from tollkeeper_server.domain.period import Period
from tollkeeper_server.store.sqlite.connection import SqlitePart, reads, writes

# Of the rows that this connection inserted last.
_CHARGED = """
    SELECT json_extract(charge.value, '$[0]'), json_extract(charge.value, '$[1]'),
        sum(json_extract(charge.value, '$[2]'))
    FROM usage NOT INDEXED, json_each(usage.charges) AS charge
    WHERE usage.rowid > last_insert_rowid() - ? AND usage.charges != ''
    GROUP BY 1, 2
"""
TOTAL = str(Period.TOTAL)
"""The calendar whose only period never ends."""
NOBODY = ""
"""The owner of what processes have spent that are dead."""
_SPEND = (
    "INSERT INTO ledger_spent (key, period, owner, calendar, amount) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (key, period, owner) DO UPDATE SET amount = amount + excluded.amount"
)


class SqliteLedger(SqlitePart):
    """Implements `ports.LedgerStore`."""

    @reads
    def spent(
        self, db: sqlite3.Connection, keys: Collection[str] | None = None, *, owner: str | None = None
    ) -> list[Charge]:
        """As the port says."""
        conditions, values = ["true"], []
        if keys is not None:
            conditions.append("key IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(keys)))
        if owner is not None:
            conditions.append("owner = ?")
            values.append(owner)
        rows = db.execute(
            f"SELECT key, period, sum(amount) FROM ledger_spent WHERE {' AND '.join(conditions)} "  # noqa: S608 - words of our own
            "GROUP BY key, period ORDER BY period",
            values,
        )
        return [Charge(*row) for row in rows]

    @reads
    def spent_by_others(self, db: sqlite3.Connection, key: str, period: int, members: Collection[str]) -> int:
        """As the port says."""
        (amount,) = db.execute(
            "SELECT coalesce(sum(amount), 0) FROM ledger_spent WHERE key = ? AND period = ? "
            "AND owner NOT IN (SELECT value FROM json_each(?))",
            (key, period, json.dumps(list(members))),
        ).fetchone()
        return int(amount)

    @reads
    def calendars(self, db: sqlite3.Connection) -> set[str]:
        """As the port says."""
        return {str(name) for (name,) in db.execute("SELECT DISTINCT calendar FROM ledger_spent")}

    @writes
    def delete_before(self, db: sqlite3.Connection, calendar: str, period: int, *, limit: int) -> int:
        """As the port says."""
        done = db.execute(
            "DELETE FROM ledger_spent WHERE (key, period, owner) IN "
            "(SELECT key, period, owner FROM ledger_spent WHERE calendar = ? AND period < ? LIMIT ?)",
            (calendar, period, limit),
        )
        return done.rowcount

    @writes
    def fold(
        self,
        db: sqlite3.Connection,
        owner: str,
        at: int,
        *,
        before: int,
        members: Collection[str],
        limit: int,
    ) -> int:
        """As the port says: all at once."""
        db.execute(
            "INSERT INTO ledger_owners VALUES (?, ?) "
            "ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at",
            (owner, at),
        )
        db.execute(
            "INSERT OR IGNORE INTO ledger_owners "
            "SELECT DISTINCT owner, ? FROM ledger_spent WHERE calendar = ? AND owner != ?",
            (at, TOTAL, NOBODY),
        )
        found = db.execute(
            "SELECT key, period, owner, amount FROM ledger_spent WHERE calendar = ? AND owner IN "
            "(SELECT owner FROM ledger_owners WHERE seen_at < ? AND owner NOT IN "
            "(SELECT value FROM json_each(?))) LIMIT ?",
            (TOTAL, before, json.dumps([owner, *members]), limit),
        ).fetchall()
        spend(db, [Charge(key, period, amount) for key, period, _, amount in found], NOBODY)
        db.executemany(
            "DELETE FROM ledger_spent WHERE key = ? AND period = ? AND owner = ?", [row[:3] for row in found]
        )
        db.execute(
            "DELETE FROM ledger_owners WHERE seen_at < ? AND owner NOT IN "
            "(SELECT owner FROM ledger_spent WHERE calendar = ?)",
            (before, TOTAL),
        )
        return len(found)


def charge_inserted(db: sqlite3.Connection, new: int, owner: str) -> None:
    """Count what the `new` rows of usage say that this connection inserted last, as spent by `owner`."""
    spend(db, [Charge(*row) for row in db.execute(_CHARGED, (new,))], owner)


def spend(db: sqlite3.Connection, charges: Iterable[Charge], owner: str) -> None:
    """Count charges as spent by `owner`; negative ones are given back."""
    db.executemany(_SPEND, [(it.key, it.period, owner, calendar_name(it.key), it.amount) for it in charges])
