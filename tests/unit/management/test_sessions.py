"""How sessions begin, are found again, are given new secrets, and end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tollkeeper_server.domain.session import IDLE, LONGEST, OVERLAP, ROTATED, Session, SessionSecrets
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.sessions import Sessions, SignIn
from tollkeeper_server.management.sign_in_attempts import PER_NETWORK
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.unit.clock import Calendar, Clock
from tests.unit.management.plane import DIGEST_KEY, MANAGEMENT_TOKEN, NOON

ADDRESS = "192.0.2.1"
SECOND = timedelta(seconds=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> Calendar:
    """The time of every process."""
    return Calendar(NOON)


def process(
    store: SqliteStore, clock: Calendar, token: str = MANAGEMENT_TOKEN, look_seconds: float = 3600.0
) -> Sessions:
    """Return the sessions as one more process on the store knows them."""
    return Sessions(store.sessions, DIGEST_KEY, token, clock, monotonic=Clock(), look_seconds=look_seconds)


@pytest.fixture
def sessions(store: SqliteStore, clock: Calendar) -> Sessions:
    """The sessions as a process knows them."""
    return process(store, clock)


async def sign_in(sessions: Sessions) -> tuple[Session, str]:
    """Begin a session."""
    return await sessions.begin(MANAGEMENT_TOKEN, address=ADDRESS, user_agent="a browser")


async def assert_ended(sessions: Sessions, secret: str) -> None:
    """Assert that a secret is of no session."""
    with pytest.raises(TollkeeperError) as caught:
        await sessions.find(secret)
    assert caught.value.reason is Reason.SESSION_ENDED


async def test_every_process_knows_a_session(sessions: Sessions, store: SqliteStore, clock: Calendar) -> None:
    session, secret = await sign_in(sessions)
    for it in (sessions, process(store, clock)):
        assert (await it.find(secret)).session == session
    assert (session.address, session.user_agent) == (ADDRESS, "a browser")


async def test_every_sign_in_has_a_secret_of_its_own(sessions: Sessions) -> None:
    (one, first), (other, second) = await sign_in(sessions), await sign_in(sessions)
    assert one.id != other.id
    assert first != second
    assert (await sessions.find(first)).session.id == one.id


async def test_no_secret_is_stored(sessions: Sessions, store: SqliteStore, tmp_path: Path) -> None:
    _, secret = await sign_in(sessions)
    following = SessionSecrets(DIGEST_KEY).following(secret)
    await sessions.find(following)
    await store.close()
    stored = await asyncio.to_thread(lambda: b"".join(file.read_bytes() for file in tmp_path.iterdir()))
    assert all(it.encode() not in stored for it in (secret, following, MANAGEMENT_TOKEN))


async def test_a_wrong_token_begins_none(sessions: Sessions) -> None:
    """After some, no token is looked at, and the right one neither."""
    for _ in range(PER_NETWORK):
        with pytest.raises(TollkeeperError) as caught:
            await sessions.begin("another-token-of-tests", address=ADDRESS, user_agent="")
        assert caught.value.reason is Reason.INVALID_API_KEY
    with pytest.raises(TollkeeperError) as caught:
        await sign_in(sessions)
    assert caught.value.reason is Reason.RATE_LIMIT_EXCEEDED
    assert await sessions.page(before="", limit=10) == []


async def test_attempts_are_counted_by_what_came_of_them(store: SqliteStore, clock: Calendar) -> None:
    """Once each, though the door asks first whether there may be one."""
    counted: Counter[SignIn] = Counter()
    sessions = Sessions(
        store.sessions,
        DIGEST_KEY,
        MANAGEMENT_TOKEN,
        clock,
        monotonic=Clock(),
        counted=lambda it: counted.update([it]),
    )
    for token in (MANAGEMENT_TOKEN, *["another-token-of-tests"] * PER_NETWORK, MANAGEMENT_TOKEN):
        with suppress(TollkeeperError):
            sessions.check_attempts(ADDRESS)
            await sessions.begin(token, address=ADDRESS, user_agent="")
    assert counted == {SignIn.OK: 1, SignIn.WRONG: PER_NETWORK, SignIn.LIMITED: 1}


async def test_the_log_tells_of_failed_attempts_once_a_minute(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    """Who tried, and never what."""
    for _ in range(3):
        with pytest.raises(TollkeeperError):
            await sessions.begin("another-token-of-tests", address=ADDRESS, user_agent="")
    (told,) = (it.getMessage() for it in caplog.records)
    assert told.startswith(f"{ADDRESS} tried to sign in")
    assert "another-token-of-tests" not in told


async def test_right_tokens_are_not_counted(sessions: Sessions) -> None:
    for _ in range(2 * PER_NETWORK):
        await sign_in(sessions)


async def test_a_secret_that_was_made_up_is_refused_without_the_store(
    sessions: Sessions, store: SqliteStore
) -> None:
    await store.close()
    await assert_ended(sessions, "A" * 64)


async def test_it_ends_when_nobody_uses_it(store: SqliteStore, clock: Calendar) -> None:
    """A use moves that on; looking at it and waiting for its end do not."""
    sessions = process(store, clock, look_seconds=0.001)
    session, secret = await sign_in(sessions)
    clock.now = NOON + IDLE - timedelta(minutes=5)
    await sessions.find(secret, is_use=False)
    await sessions.find(secret)
    clock.now = NOON + 2 * IDLE - timedelta(minutes=7)
    waiting = asyncio.create_task(sessions.wait_for_end(session.id))
    await sessions.find(secret, is_use=False)
    assert not waiting.done()
    clock.now = NOON + 2 * IDLE
    async with asyncio.timeout(20):
        await waiting
    await assert_ended(sessions, secret)


@pytest.mark.parametrize("way", ["signed out", "revoked", "all revoked"])
async def test_those_who_wait_for_its_end_are_told_at_once(sessions: Sessions, way: str) -> None:
    """Nobody has to look: that is an hour away."""
    session, secret = await sign_in(sessions)
    waiting = [asyncio.create_task(sessions.wait_for_end(session.id)) for _ in range(3)]
    another, _ = await sign_in(sessions)
    await sessions.revoke(another.id)
    await sessions.find(secret)
    assert not any(it.done() for it in waiting)
    match way:
        case "signed out":
            await sessions.sign_out(secret)
        case "revoked":
            await sessions.revoke(session.id)
        case _:
            await sessions.revoke_all()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)


async def test_an_end_in_another_process_is_found(store: SqliteStore, clock: Calendar) -> None:
    here, elsewhere = process(store, clock, look_seconds=0.001), process(store, clock)
    session, _ = await sign_in(elsewhere)
    waiting = asyncio.create_task(here.wait_for_end(session.id))
    await here.page(before="", limit=1)
    assert not waiting.done()
    await elsewhere.revoke(session.id)
    async with asyncio.timeout(20):
        await waiting


async def test_it_ends_after_a_day_however_much_it_is_used(sessions: Sessions, clock: Calendar) -> None:
    _, secret = await sign_in(sessions)
    while clock.now < NOON + LONGEST - timedelta(minutes=31):
        clock.now += timedelta(minutes=30)
        secret = (await sessions.find(secret)).replacement or secret
    clock.now = NOON + LONGEST + 2 * SECOND
    await assert_ended(sessions, secret)


async def test_a_secret_in_use_is_replaced(sessions: Sessions, store: SqliteStore, clock: Calendar) -> None:
    """Requests that come at once get the same new one, from any process. The old one counts a while more."""
    session, first = await sign_in(sessions)
    assert (await sessions.find(first)).replacement is None
    clock.now = NOON + ROTATED + SECOND
    other = process(store, clock)
    found = await asyncio.gather(*((sessions, other)[number % 2].find(first) for number in range(10)))
    (second,) = {it.replacement for it in found}
    assert second is not None
    assert second != first
    used = await asyncio.gather(*((sessions, other)[number % 2].find(second) for number in range(10)))
    assert {it.session.id for it in used} == {session.id}
    assert {it.replacement for it in used} == {None}
    assert (await other.find(first)).replacement is None
    clock.now += OVERLAP
    await assert_ended(sessions, first)
    await assert_ended(other, first)
    assert (await other.find(second)).session.id == session.id


async def test_a_browser_that_did_not_get_the_new_secret_gets_it_again(
    sessions: Sessions, clock: Calendar
) -> None:
    """However late: until the new one is used, the old one counts."""
    _, first = await sign_in(sessions)
    clock.now = NOON + ROTATED + SECOND
    lost = (await sessions.find(first)).replacement
    clock.now += timedelta(hours=1)
    assert (await sessions.find(first)).replacement == lost


async def test_secrets_from_before_the_last_two_do_not_count(sessions: Sessions, clock: Calendar) -> None:
    _, secret = await sign_in(sessions)
    seen = [secret]
    for _ in range(3):
        clock.now += ROTATED + SECOND
        following = (await sessions.find(seen[-1])).replacement
        assert following is not None
        await sessions.find(following)
        seen.append(following)
    await assert_ended(sessions, seen[0])
    await assert_ended(sessions, seen[1])
    await sessions.find(seen[3])


async def test_sessions_of_another_management_token_do_not_count(
    sessions: Sessions, store: SqliteStore, clock: Calendar
) -> None:
    session, secret = await sign_in(sessions)
    other = process(store, clock, "another-management-token")
    await assert_ended(other, secret)
    async with asyncio.timeout(20):
        await other.wait_for_end(session.id)
    assert await other.page(before="", limit=10) == []
    assert (await sessions.find(secret)).session == session


async def test_who_signs_out_is_signed_out_everywhere(
    sessions: Sessions, store: SqliteStore, clock: Calendar
) -> None:
    """With the old secret or the new one; signing out again, or with a made-up secret, does nothing."""
    _, first = await sign_in(sessions)
    (_, kept), (_, rotated) = await sign_in(sessions), await sign_in(sessions)
    clock.now += ROTATED
    new = (await sessions.find(rotated)).replacement
    assert new is not None
    for secret in (first, first, new, "made up"):
        await sessions.sign_out(secret)
    for secret in (first, new, rotated):
        await assert_ended(process(store, clock), secret)
    await sessions.find(kept)


async def test_a_page_has_those_that_go_on(sessions: Sessions, store: SqliteStore, clock: Calendar) -> None:
    """Newest first, by id; one that has ended is in none, whether it was removed or not."""

    async def made(number: int) -> list[Session]:
        found = [(await sign_in(sessions))[0] for _ in range(number)]
        return sorted(found, key=lambda it: it.id, reverse=True)

    earlier = await made(3)
    clock.now = NOON + IDLE - timedelta(minutes=5)
    later = await made(4)
    found = await sessions.page(before="", limit=10)
    assert {it.id for it in found} == {it.id for it in (*earlier, *later)}
    clock.now = NOON + IDLE + timedelta(minutes=1)
    assert await sessions.page(before="", limit=10) == later
    assert await sessions.page(before=later[0].id, limit=2) == later[1:3]
    assert await sessions.revoke(later[0].id)
    assert not await sessions.revoke(later[0].id)
    assert await sessions.page(before="", limit=10) == later[1:]


async def test_one_too_many_ends_the_one_that_nobody_used_for_longest(
    store: SqliteStore, clock: Calendar
) -> None:
    """And at once what is under way with it."""
    sessions = Sessions(store.sessions, DIGEST_KEY, MANAGEMENT_TOKEN, clock, look_seconds=3600.0, most=2)
    (_, first), (second, unused) = await sign_in(sessions), await sign_in(sessions)
    waiting = asyncio.create_task(sessions.wait_for_end(second.id))
    clock.now += timedelta(minutes=5)
    await sessions.find(first)
    _, third = await sign_in(sessions)
    async with asyncio.timeout(20):
        await waiting
    await assert_ended(sessions, unused)
    for secret in (first, third):
        await sessions.find(secret)


async def test_those_that_have_ended_are_removed(store: SqliteStore, clock: Calendar) -> None:
    sessions = Sessions(store.sessions, DIGEST_KEY, MANAGEMENT_TOKEN, clock)
    ended, _ = await sign_in(sessions)
    clock.now = NOON + IDLE
    goes_on, _ = await sign_in(sessions)
    await sessions.delete_ended()
    assert await store.sessions.get(ended.id) is None
    assert await store.sessions.get(goes_on.id) == goes_on
