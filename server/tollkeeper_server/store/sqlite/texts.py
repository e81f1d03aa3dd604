"""The index of the texts by which tokens are searched: which tokens have a text, without reading them all.

It is a table of SQLite's FTS5 that knows where each three characters stand together. A text is written into
it with some others: each on its own would make a new token almost twice as dear. Until then its row is among
`token_unsearched`, together with the text that the index has of it, and is read itself.

Where SQLite has no FTS5, or an old one, there is no index, and who searches reads all texts.
"""

import sqlite3
from contextlib import closing
from functools import cache

from tollkeeper_server.store.sqlite.listing import Clause

_SHORTEST = 3  # what the index is made of
_LONGEST = 16  # a longer text is looked up by its ends: each character adds to the work
_END = 8
_AT_ONCE = 256
_FILLED_AT_ONCE = 2_000
_IS_THERE = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)"
_CREATE = (
    "CREATE VIRTUAL TABLE token_texts USING fts5"
    "(searched, content='', columnsize=0, tokenize='trigram case_sensitive 1')"
)
# Each is one statement, however many rows there are.
_FORGET = (
    "INSERT INTO token_texts (token_texts, rowid, searched) "
    "SELECT 'delete', number, former FROM token_unsearched WHERE number <= ? AND former IS NOT NULL"
)
_WRITE = (
    "INSERT INTO token_texts (rowid, searched) SELECT number, searched "
    "FROM token_unsearched CROSS JOIN tokens ON tokens.rowid = number WHERE number <= ?"
)
_NUMBERS = (
    "SELECT rowid FROM token_texts WHERE token_texts MATCH ? "
    "AND rowid NOT IN (SELECT number FROM token_unsearched) "
    "UNION ALL SELECT number FROM token_unsearched CROSS JOIN tokens ON tokens.rowid = number "
    "WHERE instr(searched, ?) > 0"
)


@cache
def can_index() -> bool:
    """Return whether this process's SQLite has what the index is made with."""
    if sqlite3.sqlite_version_info < (3, 34):
        return False
    with closing(sqlite3.connect(":memory:")) as db:
        (found,) = db.execute(
            "SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE name = 'fts5')"
        ).fetchone()
    return bool(found)


def rows_with(db: sqlite3.Connection, text: str) -> tuple[Clause | None, bool]:
    """Return what selects the numbers of the rows that have a text, None if only reading all of them does.

    Also return whether it selects no others.
    """
    if len(text) < _SHORTEST or not is_there(db):
        return None, False
    if len(text) <= _LONGEST:
        return Clause(_NUMBERS, (_phrase(text), text)), True
    return Clause(_NUMBERS, (f"{_phrase(text[:_END])} AND {_phrase(text[-_END:])}", text)), False


def is_there(db: sqlite3.Connection) -> bool:
    """Return whether the file has the index, and this process can use it."""
    return can_index() and _has(db, "token_texts")


def keep_up(db: sqlite3.Connection) -> None:
    """Write texts into the index if many wait for it."""
    if is_there(db) and _waiting(db) >= _AT_ONCE:
        _write(db, _AT_ONCE)


def needs_filling(db: sqlite3.Connection) -> bool:
    """Return whether the index is not there and could be, or many texts wait for it."""
    if not can_index() or not _has(db, "token_unsearched"):
        return False
    return not _has(db, "token_texts") or _waiting(db) >= _AT_ONCE


def fill(db: sqlite3.Connection) -> None:
    """Make the index if it is not there, and write some of the texts that wait for it."""
    if not _has(db, "token_texts"):
        db.execute(_CREATE)
        db.execute("INSERT OR REPLACE INTO token_unsearched SELECT rowid, NULL FROM tokens")
    _write(db, _FILLED_AT_ONCE)


def _write(db: sqlite3.Connection, most: int) -> None:
    (last,) = db.execute(
        "SELECT max(number) FROM (SELECT number FROM token_unsearched ORDER BY number LIMIT ?)", (most,)
    ).fetchone()
    for statement in (_FORGET, _WRITE, "DELETE FROM token_unsearched WHERE number <= ?"):
        db.execute(statement, (last,))


def _has(db: sqlite3.Connection, table: str) -> bool:
    (found,) = db.execute(_IS_THERE, (table,)).fetchone()
    return bool(found)


def _waiting(db: sqlite3.Connection) -> int:
    (waiting,) = db.execute("SELECT count(*) FROM token_unsearched").fetchone()
    return int(waiting)


def _phrase(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
