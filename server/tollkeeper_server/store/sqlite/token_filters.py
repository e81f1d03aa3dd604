"""The filters of lists of tokens, as conditions in SQLite."""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from tollkeeper_server.domain.token import EXPIRES_SOON, TokenFilter, TokenState
from tollkeeper_server.store.documents import time_text
from tollkeeper_server.store.sqlite.listing import Clause, Condition, having_label
from tollkeeper_server.store.sqlite.texts import rows_with

_IS_USED_UP = "max_requests > 0 AND request_count >= max_requests"
# The index of those only changes when a token is used up: counts are in no other.
_USED_UP = f"(SELECT rowid FROM tokens INDEXED BY tokens_used_up WHERE {_IS_USED_UP})"  # noqa: S608 - SQL of ours alone
_ROW = {True: f" AND {_IS_USED_UP}", False: f" AND NOT ({_IS_USED_UP})", None: ""}
_INDEX = {True: f" AND rowid IN {_USED_UP}", False: f" AND rowid NOT IN {_USED_UP}", None: ""}
_ALLOWING = "id IN (SELECT token_id FROM token_models WHERE model IN (SELECT value FROM json_each(?)))"
_OF_PROJECT = "SELECT rowid FROM tokens INDEXED BY tokens_listed WHERE project_id = ?"
_LABELLED = "SELECT number FROM token_labels WHERE name = ? AND value = ?"
# Each state: the condition on what indexes have, the marks of which are the time (1) and that until which a
# token expires soon (2); whether it is used up; the index that has its tokens together.
_STATES: dict[TokenState, tuple[str, tuple[int, ...], bool | None, str]] = {
    TokenState.REVOKED: ("is_active = 0", (), None, "tokens_revoked"),
    TokenState.EXPIRED: ("is_active = 1 AND expiry <= ?", (1,), None, "tokens_by_expiry"),
    TokenState.EXHAUSTED: ("is_active = 1 AND expiry > ?", (1,), True, "tokens_used_up"),
    TokenState.EXPIRING: ("is_active = 1 AND expiry > ? AND expiry <= ?", (1, 2), False, "tokens_by_expiry"),
    TokenState.ACTIVE: ("is_active = 1 AND expiry > ?", (2,), False, "tokens_by_expiry"),
}
_USABLE = frozenset({TokenState.ACTIVE, TokenState.EXPIRING, TokenState.EXHAUSTED})
_ANY_USABLE = ("is_active = 1 AND expiry > ?", (1,), None, "tokens_by_expiry")


def scope_of(where: TokenFilter) -> list[Condition]:
    """Return the conditions that an index has with the order of keys."""
    found = []
    if where.project_id:
        found.append(_among(Clause("project_id = ?", (where.project_id,)), _OF_PROJECT, (where.project_id,)))
    if where.allowing:
        allowing = Clause(_ALLOWING, (json.dumps(sorted(where.allowing)),))
        numbers = Clause(f"SELECT rowid FROM tokens WHERE {allowing.sql}", allowing.values)  # noqa: S608 - SQL of ours alone
        found.append(Condition(allowing, walked=allowing, numbers=numbers))
    return found


def filters_of(db: sqlite3.Connection, where: TokenFilter) -> list[Condition]:
    """Return the other conditions."""
    found = [_in_states(where)] if where.states else []
    if where.search:
        found.append(_having(db, where.search))
    for name, value in where.labels.items():
        found.append(_with_label(name, value))
    return found


def _among(row: Clause, numbers: str, values: tuple[object, ...]) -> Condition:
    """Return a condition that every row of the narrow index has on it, and other indexes by its rows."""
    return Condition(row, walked=Clause(f"rowid IN ({numbers})", values), numbers=Clause(numbers, values))


def _with_label(name: str, value: str) -> Condition:
    numbers = Clause(_LABELLED, (name, value))
    labelled = Clause(f"rowid IN ({_LABELLED})", numbers.values)
    return Condition(having_label(name, value), narrow=labelled, walked=labelled, numbers=numbers)


def _having(db: sqlite3.Connection, search: str) -> Condition:
    row = Clause("instr(searched, ?) > 0", (search,))
    numbers, exact = rows_with(db, search)
    if numbers is None:
        return Condition(row)
    found = Clause(f"rowid IN ({numbers.sql})", numbers.values)
    if not exact:
        found = Clause(f"{found.sql} AND {row.sql}", (*found.values, *row.values))
    return Condition(row, walked=found, numbers=numbers, exact=exact)


def _in_states(where: TokenFilter) -> Condition:
    assert where.at is not None, "states are those at a time"
    times = {1: time_text(where.at), 2: time_text(where.at + EXPIRES_SOON)}
    states = list(_parts(where.states))
    marks = tuple(times[mark] for _, those, _, _ in states for mark in those)
    numbers = " UNION ALL ".join(
        f"SELECT rowid FROM tokens INDEXED BY {index} "  # noqa: S608 - SQL of our own
        f"WHERE {sql}{_ROW[True] if index == 'tokens_used_up' else _INDEX[used_up]}"
        for sql, _, used_up, index in states
    )
    walked = Clause(_any([f"{sql}{_INDEX[used_up]}" for sql, _, used_up, _ in states]), marks)
    return Condition(
        row=Clause(_any([f"{sql}{_ROW[used_up]}" for sql, _, used_up, _ in states]), marks),
        narrow=walked,
        walked=walked,
        numbers=Clause(numbers, marks),
    )


def _parts(states: frozenset[TokenState]) -> Iterator[tuple[str, tuple[int, ...], bool | None, str]]:
    """Yield the conditions of states, those of tokens that can be used as one."""
    if states >= _USABLE:
        yield _ANY_USABLE
        states -= _USABLE
    for state in sorted(states):
        yield _STATES[state]


def _any(conditions: Sequence[str]) -> str:
    return " OR ".join(f"({it})" for it in conditions)
