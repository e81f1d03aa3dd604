"""What a store promises about sessions."""

import asyncio
from datetime import timedelta

import msgspec
from tollkeeper_server.store.ports import Store

from tests.contract.conftest import opened
from tests.contract.entities import LATER, NOON, a_session

SOON = NOON + timedelta(minutes=1)


async def test_a_session_is_read_as_it_was_written(store: Store, store_url: str) -> None:
    """In another process, too; one that has not been rotated has no secret before."""
    first = a_session()
    fresh = msgspec.structs.replace(a_session(), previous_digest="", previous_until=None)
    for session in (first, fresh):
        await store.sessions.add(session)
    async with opened(store_url) as other:
        assert [first, fresh] == [await other.sessions.get(it.id) for it in (first, fresh)]
        assert await other.sessions.get("ses_none") is None


async def test_a_session_is_found_by_each_of_its_digests(store: Store) -> None:
    one, other = a_session(), a_session()
    await store.sessions.add(one)
    await store.sessions.add(other)
    for digest in (one.digest, one.next_digest, one.previous_digest):
        assert await store.sessions.find(digest) == one
    assert await store.sessions.find(f"{one.id}-3") is None


async def test_of_rotations_at_once_one_is_written(store: Store, store_url: str) -> None:
    """By any number of processes; afterwards the secret that was in use is the previous one."""
    session = a_session()
    await store.sessions.add(session)
    async with opened(store_url) as other:
        written = await asyncio.gather(
            *(
                (store, other)[number % 2].sessions.rotate(
                    session.id, expected=session.digest, following="third", at=LATER, until=SOON
                )
                for number in range(10)
            )
        )
        found = await other.sessions.get(session.id)
    assert sorted(written) == [False] * 9 + [True]
    assert found == msgspec.structs.replace(
        session,
        digest=session.next_digest,
        next_digest="third",
        previous_digest=session.digest,
        previous_until=SOON,
        rotated_at=LATER,
    )
    assert await store.sessions.find(session.previous_digest) is None


async def test_a_session_that_has_ended_is_not_rotated(store: Store) -> None:
    session = a_session()
    assert not await store.sessions.rotate(
        session.id, expected=session.digest, following="third", at=LATER, until=SOON
    )
    assert await store.sessions.get(session.id) is None


async def test_its_last_use_only_moves_on(store: Store) -> None:
    """Processes may note uses in any order. A use of one that has ended does not bring it back."""
    session = a_session()
    await store.sessions.add(session)
    for at in (SOON, LATER, NOON):
        await store.sessions.touch(session.id, at=at)
    await store.sessions.touch("ses_none", at=SOON)
    assert await store.sessions.get(session.id) == msgspec.structs.replace(session, last_used_at=SOON)
    assert await store.sessions.get("ses_none") is None


async def test_the_sessions_of_a_mark_are_listed_newest_first(store: Store) -> None:
    mine = [a_session(f"ses_{number}") for number in range(5)]
    for session in [*mine, a_session("ses_9", "another")]:
        await store.sessions.add(session)
    newest_first = mine[::-1]
    assert await store.sessions.list("mark", limit=10) == newest_first
    assert await store.sessions.list("mark", limit=2) == newest_first[:2]
    assert await store.sessions.list("mark", before=newest_first[1].id, limit=2) == newest_first[2:4]
    assert await store.sessions.list("none", limit=10) == []


async def test_one_is_deleted_once(store: Store) -> None:
    one, other = a_session(), a_session()
    await store.sessions.add(one)
    await store.sessions.add(other)
    assert await store.sessions.delete(one.id)
    assert not await store.sessions.delete(one.id)
    assert await store.sessions.find(one.digest) is None
    assert await store.sessions.get(other.id) == other


async def test_all_are_deleted_whatever_their_mark(store: Store) -> None:
    """But the one that is to stay."""
    sessions = [a_session(), a_session(), a_session(mark="another")]
    for session in sessions:
        await store.sessions.add(session)
    assert await store.sessions.delete_all(but=sessions[0].id) == 2
    assert await store.sessions.get(sessions[0].id) == sessions[0]
    assert await store.sessions.delete_all() == 1
    assert await store.sessions.list("mark", limit=10) == []


async def test_those_that_nobody_used_for_longest_are_deleted(store: Store) -> None:
    """Beyond a number, whatever their marks."""
    used = [a_session(used_at=NOON - timedelta(hours=number)) for number in (3, 0, 4, 1)]
    _, new, _, middle = used
    another = a_session(mark="another", used_at=NOON - timedelta(hours=2))
    for session in [*used, another]:
        await store.sessions.add(session)
    assert await store.sessions.delete_surplus(keep=5) == 0
    assert await store.sessions.delete_surplus(keep=3) == 2
    assert await store.sessions.delete_surplus(keep=3) == 0
    left = [it for it in [*used, another] if await store.sessions.get(it.id) is not None]
    assert left == [new, middle, another]
    await store.sessions.touch(middle.id, at=LATER)
    assert await store.sessions.delete_surplus(keep=1) == 2
    assert await store.sessions.get(middle.id) is not None
    assert await store.sessions.delete_surplus(keep=0) == 1


async def test_those_that_have_ended_are_deleted(store: Store) -> None:
    """For want of use or of age, no more than asked for at once; what is as old as the limit stays."""
    idle = [a_session(used_at=NOON - timedelta(hours=number)) for number in range(3)]
    old = msgspec.structs.replace(a_session(), created_at=NOON - timedelta(days=1))
    for session in [*idle, old]:
        await store.sessions.add(session)
    times = {"used_before": NOON, "created_before": NOON - timedelta(hours=1)}
    assert await store.sessions.delete_ended(**times, limit=2) == 2
    assert await store.sessions.delete_ended(**times, limit=2) == 1
    assert await store.sessions.delete_ended(**times, limit=2) == 0
    assert await store.sessions.list("mark", limit=10) == idle[:1]
