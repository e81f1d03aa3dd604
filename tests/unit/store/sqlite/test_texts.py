"""The index of texts finds the tokens that reading every text finds.

It does so whichever version wrote a text. Without the index every text is read.
"""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tollkeeper_server.domain.listing import Page, folded, searched_text
from tollkeeper_server.domain.token import Token, TokenFilter
from tollkeeper_server.store.sqlite import texts
from tollkeeper_server.store.sqlite.schema import MIGRATIONS
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import a_token

BEFORE = next(at for at, step in enumerate(MIGRATIONS) if any("token_unsearched" in it for it in step))
NAMES = [
    "Größe 42",
    "ci 'nightly' \"batch\"",
    "100% of_it AND more",
    "a\u0301rbol",
    "日本語のトークン",
    "plain",
]
LONG = "requested by the platform team in ticket OPS-"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


def some_tokens(count: int) -> list[Token]:
    """Return tokens of which each has a name of its own, many a description in common."""
    return [
        msgspec.structs.replace(
            a_token(), name=f"{NAMES[at % len(NAMES)]} {at}", description=f"{LONG}{at}" if at % 2 else ""
        )
        for at in range(count)
    ]


async def check(store: SqliteStore, tokens: list[Token], *more: str) -> None:
    """Hold that searches find the tokens that have the text, no others, and count them."""
    asked = ["größe 4", "GRÖSSE", "'nightly' \"b", '"', "0% of_it and", "árb", "日本語", "本", "no such text"]
    for text in (*asked, f"{LONG}7", LONG[10:], f"{LONG}nothing", "team=research", tokens[3].id[4:], *more):
        search = folded(text)
        wanted = sorted(it.id for it in tokens if search in searched_text(it))
        found = await store.tokens.page(TokenFilter(search=search), Page(limit=len(tokens) + 1))
        assert [it.id for it in found] == wanted, text
        assert await store.tokens.count(TokenFilter(search=search), most=10_000) == len(wanted)


async def indexed(store: SqliteStore) -> int:
    """Return how many tokens need not be read by who searches."""
    select = "SELECT (SELECT count(*) FROM tokens) - (SELECT count(*) FROM token_unsearched)"
    (count,) = await store._connection.read(lambda db: db.execute(select).fetchone())
    return int(count)


async def test_new_and_edited_tokens_are_found_at_once(store: SqliteStore) -> None:
    """By what they are, and not by what they were, whether the index has caught up with them or not."""
    tokens = some_tokens(300)
    for token in tokens:
        await store.tokens.add(token)
    assert await indexed(store) == 256
    await check(store, tokens)

    for at in (0, 1, 2, 255, 256, 299):
        for name in ("renamed once", f"renamed twice {at}"):
            before = tokens[at]
            tokens[at] = msgspec.structs.replace(before, name=name, revision=before.revision + 1)
            assert await store.tokens.replace(tokens[at], expected=before.revision)
    assert await indexed(store) < 256
    await check(store, tokens, "renamed", "once", "twice", "twice 256")

    more = some_tokens(256)
    for token in more:
        await store.tokens.add(token)
    assert await indexed(store) > 300
    await check(store, [*tokens, *more], "renamed", "once", "twice", "twice 256")


async def test_what_an_older_version_wrote_and_writes_is_found(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    old, new = SqliteStore(file, migrations=MIGRATIONS[:BEFORE]), SqliteStore(file)
    await old.open()
    tokens = some_tokens(600)
    for token in tokens[:500]:
        await old.tokens.add(token)
    await new.open()
    try:
        assert await indexed(new) == 500
        for token in tokens[500:]:
            await old.tokens.add(token)
        renamed = msgspec.structs.replace(tokens[7], name="renamed", revision=tokens[7].revision + 1)
        assert await old.tokens.replace(renamed, expected=tokens[7].revision)
        await check(new, [*tokens[:7], renamed, *tokens[8:]], "renamed")
    finally:
        await old.close()
        await new.close()


async def test_without_an_index_everything_is_read(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where SQLite has no FTS5; what is written meanwhile is in the index of who has it."""
    tokens = some_tokens(300)
    for token in tokens[:290]:
        await store.tokens.add(token)
    with monkeypatch.context() as patched:
        patched.setattr(texts, "can_index", lambda: False)
        for token in tokens[290:]:
            await store.tokens.add(token)
        await check(store, tokens)
    await check(store, tokens)


async def test_an_index_that_is_gone_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store, tokens = SqliteStore(file), some_tokens(300)
    await store.open()
    for token in tokens:
        await store.tokens.add(token)
    await store.close()
    with sqlite3.connect(file) as db:
        db.execute("DROP TABLE token_texts")
        db.execute("VACUUM")
    db.close()

    await store.open()
    await check(store, tokens)
    assert await indexed(store) == 300
    await store.close()
