"""Tokens are found by what their `allowed_models` name, whichever version of the gateway wrote them."""

from pathlib import Path

import msgspec
from tollkeeper_server.domain.listing import Page
from tollkeeper_server.domain.token import Token, TokenFilter
from tollkeeper_server.store.sqlite.schema import MIGRATIONS
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.contract.entities import a_token

BEFORE = next(at for at, step in enumerate(MIGRATIONS) if any("token_models" in it for it in step))


def allowing(*models: str) -> Token:
    """Return a token for those models."""
    return msgspec.structs.replace(a_token(), allowed_models=models)


async def found(store: SqliteStore, *models: str) -> list[str]:
    """Return the ids of the tokens that name one of the models."""
    where = TokenFilter(allowing=frozenset(models))
    return [it.id for it in await store.tokens.page(where, Page(limit=9))]


async def test_what_an_older_version_wrote_and_writes_is_found(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    old, new = SqliteStore(file, migrations=MIGRATIONS[:BEFORE]), SqliteStore(file)
    await old.open()
    one, two = allowing("gpt", "o3"), allowing("gpt", "o3")
    await old.tokens.add(one)
    await new.open()
    try:
        assert await found(new, "gpt", "o3") == [one.id]
        await old.tokens.add(two)
        assert await found(new, "o3") == sorted([one.id, two.id])

        changed = msgspec.structs.replace(one, allowed_models=("claude", "o3"), revision=one.revision + 1)
        assert await old.tokens.replace(changed, expected=one.revision)
        assert await found(new, "gpt") == [two.id]
        assert await found(new, "claude") == [one.id]
        emptied = msgspec.structs.replace(changed, allowed_models=(), revision=changed.revision + 1)
        assert await new.tokens.replace(emptied, expected=changed.revision)
        assert await found(new, "claude", "o3") == [two.id]
    finally:
        await old.close()
        await new.close()
