"""Pages of lists are read in the order of indexes, and filters are answered from indexes alone."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from tollkeeper_server.domain.configuration import Kind
from tollkeeper_server.domain.listing import EntityFilter, Order, Page, Place
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import TokenFilter, TokenState
from tollkeeper_server.store.sqlite import configuration, listing, texts, tokens
from tollkeeper_server.store.sqlite.listing import Condition, Table, count_rows, keys_of_page, plain
from tollkeeper_server.store.sqlite.schema import prepare
from tollkeeper_server.store.sqlite.token_filters import filters_of, scope_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
OF_KIND = [plain("kind = ?", Kind.PROJECT)]
OF_PROJECT = [plain("project_id = ?", "prj_1")]
PLAIN = [
    *product([tokens._LISTED], [Order.KEY, *tokens._LISTED.sorted], [[]]),
    (tokens._LISTED, Order.KEY, OF_PROJECT),
    *product([configuration._LISTED], [Order.KEY, *configuration._LISTED.sorted], [OF_KIND]),
]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)
    prepare(connection, path, busy_seconds=1)
    texts.fill(connection)
    yield connection
    connection.close()


def plans(db: sqlite3.Connection, table: Table, page: Page, *conditions: list[Condition]) -> list[str]:
    """Return how SQLite reads a page, a text for each statement."""
    return plans_of(db, lambda: keys_of_page(db, table, page, *conditions))


def plans_of(db: sqlite3.Connection, work: Callable[[], object]) -> list[str]:
    """Return how SQLite does some work, a text for each statement that names a table of ours."""
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    work()
    db.set_trace_callback(None)
    asked = [it for it in asked if it.startswith("SELECT") and "sqlite_master" not in it]
    return ["; ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {it}")) for it in asked]


@pytest.mark.parametrize(("table", "order", "scope"), PLAIN, ids=lambda it: getattr(it, "name", ""))
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("after", [None, Place("v", "k")])
def test_a_plain_page_is_not_sorted(
    db: sqlite3.Connection,
    table: Table,
    order: Order,
    scope: list[Condition],
    descending: bool,
    after: Place | None,
) -> None:
    """An index has its order, and it begins in that where the last page ended."""
    (plan,) = plans(db, table, Page(order=order, descending=descending, after=after, limit=9), scope)

    assert "TEMP B-TREE" not in plan
    assert "INDEX" in plan or "PRIMARY KEY" in plan
    assert after is None or ">" in plan or "<" in plan
    assert not scope or "SEARCH" in plan


FILTERS = {
    **{it.value: TokenFilter(states=frozenset({it}), at=NOON) for it in TokenState},
    "usable": TokenFilter(
        states=frozenset({*TokenState} - {TokenState.EXPIRED, TokenState.REVOKED}), at=NOON
    ),
    "ended": TokenFilter(states=frozenset({TokenState.EXPIRED, TokenState.REVOKED}), at=NOON),
    "search": TokenFilter(search="prod"),
    "long search": TokenFilter(search="more than is looked up as one"),
    "labels": TokenFilter(labels={"team": "research", "tier": "1"}),
    "project": TokenFilter(project_id="prj_1", states=frozenset({TokenState.EXPIRED}), at=NOON),
    "all": TokenFilter(
        project_id="prj_1",
        states=frozenset({TokenState.ACTIVE}),
        at=NOON,
        search="prod",
        labels={"team": "research"},
    ),
}
READS_MORE = re.compile(r"SCAN tokens(?! USING (COVERING )?INDEX tokens_(used_up|revoked))")
READS_ALL = re.compile(r"SCAN tokens(?! USING (COVERING )?INDEX)|SCAN configuration(?! USING)")


def conditions_of(
    db: sqlite3.Connection, where: TokenFilter, order: Order
) -> tuple[list[Condition], list[Condition]]:
    """Return the conditions of a page as the store gives them."""
    scope, filters = scope_of(where), filters_of(db, where)
    return (scope, filters) if order is Order.KEY else ([], [*scope, *filters])


@pytest.mark.parametrize("where", FILTERS.values(), ids=FILTERS)
def test_what_few_tokens_meet_is_found_by_an_index_that_says_so(
    db: sqlite3.Connection, where: TokenFilter
) -> None:
    """Nearby in the order of an index first; then the few are read by their numbers, and no others."""
    for order in tokens._LISTED.walked:
        page, conditions = Page(order=order, limit=9), conditions_of(db, where, order)
        near, *others, few = plans(db, tokens._LISTED, page, *conditions)

        assert "INDEX" in near
        assert others
        for plan in others:
            assert not READS_MORE.search(plan)
        assert few.startswith("SEARCH tokens USING INTEGER PRIMARY KEY")


@pytest.mark.parametrize("where", FILTERS.values(), ids=FILTERS)
def test_what_many_tokens_meet_is_found_without_reading_tokens(
    db: sqlite3.Connection, where: TokenFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of an index is read at most, in its order unless that is sorted which it has."""
    monkeypatch.setattr(listing, "_FEW", 0)
    for order, index in tokens._LISTED.walked.items():
        page, conditions = Page(order=order, limit=9), conditions_of(db, where, order)
        *_, whole = plans(db, tokens._LISTED, page, *conditions)

        assert not READS_ALL.search(whole)
        assert ("tokens_listed" if conditions[0] else index) in whole
        assert ("TEMP B-TREE" in whole) == (order is Order.KEY and not conditions[0])


@pytest.mark.parametrize("where", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("few", [0, 2_000])
def test_tokens_are_counted_in_indexes(
    db: sqlite3.Connection, where: TokenFilter, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_FEW", few)
    scope, filters = scope_of(where), filters_of(db, where)

    for plan in plans_of(db, lambda: count_rows(db, tokens._LISTED, scope, filters, most=9)):
        assert not READS_ALL.search(plan)


def test_a_text_that_is_too_short_for_its_index_is_looked_for_in_the_narrow_one(
    db: sqlite3.Connection,
) -> None:
    filters = filters_of(db, TokenFilter(search="x"))
    near, every = plans(db, tokens._LISTED, Page(order=Order.USE, limit=9), [], filters)

    assert "tokens_by_use" in near
    assert "tokens_listed" in every


@pytest.mark.parametrize("order", [Order.KEY, *configuration._LISTED.sorted], ids=lambda it: it.value)
@pytest.mark.parametrize(
    "where",
    [
        EntityFilter(is_active=False),
        EntityFilter(search="x"),
        EntityFilter(labels={"team": "research"}),
        EntityFilter(keys=("prj_1",)),
    ],
    ids=["inactive", "search", "label", "ids"],
)
def test_projects_are_looked_for_nearby_and_then_in_the_narrow_index(
    db: sqlite3.Connection, where: EntityFilter, order: Order
) -> None:
    filters = configuration._filters(Project, where)
    near, every = plans(db, configuration._LISTED, Page(order=order, limit=9), OF_KIND, filters)

    assert "SEARCH" in near
    assert "SEARCH configuration USING" in every
    assert "configuration_listed (kind=?" in every


def test_a_page_that_is_found_nearby_is_looked_for_no_further(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO tokens (id, digest, project_id, is_active, updated_at, max_requests, revision, "
        "request_count, document, searched) VALUES ('tok_1', 'd', 'p', 1, 't', 0, 1, 0, '{}', 'ci')"
    )
    filters = filters_of(db, TokenFilter(search="ci"))

    assert len(plans(db, tokens._LISTED, Page(limit=1), [], filters)) == 1
    assert len(plans(db, tokens._LISTED, Page(limit=2), [], filters)) == 2
