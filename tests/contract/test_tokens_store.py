"""What a store promises about tokens."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import LATER, NOON, a_token, an_event

SECOND = timedelta(seconds=1)


async def read(store: Store, token: Token) -> Token:
    """Return the token as the store has it."""
    found = await store.tokens.get(token.id)
    assert found is not None
    return found


async def test_a_token_is_read_as_it_was_written(store: Store) -> None:
    """By id and by digest alike, its counters included."""
    token = a_token(max_requests=5, expires_at=LATER)
    used = msgspec.structs.replace(a_token(), request_count=3, last_used_at=NOON)
    for entity in (token, used):
        await store.tokens.add(entity)
        assert entity == await store.tokens.get(entity.id)
        assert entity == await store.tokens.find(entity.digest)
    assert await store.tokens.get("tok_none") is None
    assert await store.tokens.find("0" * 64) is None


async def test_a_digest_is_taken_once(store: Store) -> None:
    """Neither a new token nor an edit can have the secret of another."""
    one, two = a_token(), a_token()
    await store.tokens.add(one)
    await store.tokens.add(two)

    with pytest.raises(TollkeeperError) as added:
        await store.tokens.add(msgspec.structs.replace(a_token(), digest=one.digest))
    with pytest.raises(TollkeeperError) as edited:
        await store.tokens.replace(msgspec.structs.replace(two, digest=one.digest, revision=2), expected=1)

    assert added.value.reason is edited.value.reason is Reason.ALREADY_EXISTS
    assert added.value.field == edited.value.field == "secret"
    assert one.digest not in str(added.value)
    assert two == await read(store, two)


async def test_rotation_moves_the_digest(store: Store) -> None:
    """After an edit the old digest finds nothing and the new one finds the token."""
    token = a_token()
    await store.tokens.add(token)
    rotated = msgspec.structs.replace(token, digest="f" * 64, revision=2)

    assert await store.tokens.replace(rotated, expected=1)

    assert await store.tokens.find(token.digest) is None
    assert rotated == await store.tokens.find("f" * 64)


async def test_all_tokens_are_read_a_page_at_a_time(store: Store) -> None:
    """By id, of all projects or of one."""
    tokens = [a_token(), a_token(is_active=False), a_token(expires_at=NOON, project_id="prj_2")]
    for token in tokens:
        await store.tokens.add(token)

    async def ids(project_id: str = "") -> list[str]:
        found: list[str] = []
        while page := await store.tokens.list(
            after=found[-1] if found else "", limit=2, project_id=project_id
        ):
            assert len(page) <= 2
            found += [token.id for token in page]
        return found

    assert sorted(token.id for token in tokens) == await ids()
    assert [tokens[2].id] == await ids("prj_2")
    assert await ids("prj_3") == []


async def test_changes_come_latest_first(store: Store) -> None:
    """From `since` on, inclusive to the microsecond, as many as asked for."""
    tokens = [a_token(updated_at=NOON + number * timedelta(microseconds=1)) for number in range(5)]
    for token in tokens:
        await store.tokens.add(token)

    assert tokens[:0:-1] == await store.tokens.changed(since=tokens[1].updated_at, limit=10)
    assert tokens[:2:-1] == await store.tokens.changed(since=NOON - SECOND, limit=2)
    assert await store.tokens.changed(since=NOON + SECOND, limit=2) == []


async def test_one_of_fifty_concurrent_edits_wins(store: Store) -> None:
    """Optimistic concurrency: of all edits of one revision exactly one is written."""
    token = a_token()
    await store.tokens.add(token)
    edits = [
        msgspec.structs.replace(token, name=f"edit {number}", max_requests=number, revision=2)
        for number in range(50)
    ]

    written = await asyncio.gather(*(store.tokens.replace(edit, expected=1) for edit in edits))

    winners = [edit for edit, won in zip(edits, written, strict=True) if won]
    assert [await read(store, token)] == winners
    assert not await store.tokens.replace(a_token(), expected=1)


async def test_an_edit_leaves_the_counters_alone(store: Store) -> None:
    """An edit made from an old copy does not turn back what traffic counted meanwhile."""
    token = a_token(max_requests=5)
    await store.tokens.add(token)
    assert await store.tokens.admit(token.id, at=LATER)

    edit = msgspec.structs.replace(token, name="new", revision=2, request_count=0, last_used_at=None)
    assert await store.tokens.replace(edit, expected=1)

    assert msgspec.structs.replace(edit, request_count=1, last_used_at=LATER) == await read(store, token)


async def test_no_more_requests_are_admitted_than_the_limit(store: Store, store_url: str) -> None:
    """Two hundred at once, through two connections, are admitted 37 times and not once more."""
    token = a_token(max_requests=37)
    await store.tokens.add(token)

    async with opened(store_url) as other:
        admitted = await asyncio.gather(
            *((store, other)[number % 2].tokens.admit(token.id, at=NOON) for number in range(200))
        )

    assert sum(admitted) == 37
    assert (await read(store, token)).request_count == 37


async def test_a_limit_can_be_moved(store: Store) -> None:
    """Raised, it admits the difference; lowered, nothing more; taken away, nothing is counted here."""
    token = a_token(max_requests=2)
    await store.tokens.add(token)
    revision = 1

    async def admitted(limit: int) -> int:
        nonlocal revision
        revision += 1
        edit = msgspec.structs.replace(token, max_requests=limit, revision=revision)
        assert await store.tokens.replace(edit, expected=revision - 1)
        return sum([await store.tokens.admit(token.id, at=NOON) for _ in range(6)])

    assert await admitted(2) == 2
    assert await admitted(5) == 3
    assert await admitted(1) == 0
    assert await admitted(0) == 0
    await store.usage.add([an_event(token), an_event(token)])
    assert (await read(store, token)).request_count == 7
    assert await admitted(8) == 1


async def test_only_tokens_with_a_limit_are_admitted_one_by_one(store: Store) -> None:
    """A token without one, or that is not there, is not counted."""
    token = a_token()
    await store.tokens.add(token)
    assert not await store.tokens.admit(token.id, at=NOON)
    assert not await store.tokens.admit("tok_none", at=NOON)
    assert token == await read(store, token)


async def test_the_time_of_last_use_only_moves_forward(store: Store) -> None:
    """Requests may be counted out of order."""
    token = a_token(max_requests=5)
    await store.tokens.add(token)
    for at in (NOON, LATER, NOON - SECOND):
        assert await store.tokens.admit(token.id, at=at)
    assert (await read(store, token)).last_used_at == LATER


async def test_an_edit_of_a_token_is_no_change_of_the_configuration(store: Store) -> None:
    """Tokens are announced one by one, not by recompiling everything."""
    before = await store.configuration.revision()
    token = a_token()
    await store.tokens.add(token)
    assert await store.tokens.replace(msgspec.structs.replace(token, revision=2), expected=1)
    assert before == await store.configuration.revision()
