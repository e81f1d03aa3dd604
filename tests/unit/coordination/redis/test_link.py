"""What is kept in a real Redis, and what happens when it is away or hangs."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from tollkeeper_server.coordination.ports import Change, Unknown
from tollkeeper_server.coordination.redis.changes import RedisChanges
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens
from tollkeeper_server.errors import StoreUnavailableError

from tests.servers.redis import RedisServer
from tests.unit.coordination.parts import (
    LIFETIME,
    UNKNOWN_LIFETIME,
    digest_of,
    edited,
    eventually,
    make_token,
)

PATIENT = 30.0
NEVER = 3600.0


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    """A link that does not mind a busy machine."""
    link = RedisLink(redis_url, timeout=PATIENT, pause=0.02)
    await link.open()
    yield link
    await link.close()


@pytest.fixture
def shared(link: RedisLink) -> RedisSharedTokens:
    return make_shared(link)


def make_shared(link: RedisLink) -> RedisSharedTokens:
    return RedisSharedTokens(link, lifetime=LIFETIME, unknown_lifetime=UNKNOWN_LIFETIME)


async def test_an_entry_is_kept_by_the_full_digest(link: RedisLink, shared: RedisSharedTokens) -> None:
    token = make_token()
    assert await shared.get(token.digest) is None
    await shared.put({token.digest: token, digest_of(0): Unknown()})
    assert token == await shared.get(token.digest)
    assert Unknown() == await shared.get(digest_of(0))
    assert await link.client.exists(f"tollkeeper:token:{token.digest}") == 1


async def test_every_key_has_a_bounded_life(link: RedisLink, shared: RedisSharedTokens) -> None:
    token = make_token()
    retired, unknown = digest_of(1), digest_of(0)
    await shared.put({token.digest: token, unknown: Unknown(), retired: Unknown(2)})
    await shared.lead(token.digest)
    bounds = {
        f"tollkeeper:token:{token.digest}": LIFETIME,
        f"tollkeeper:token:{retired}": LIFETIME,
        f"tollkeeper:token:{unknown}": UNKNOWN_LIFETIME,
        f"tollkeeper:lead:{token.digest}": 1.0,
    }
    for key, seconds in bounds.items():
        assert 0 < await link.client.pttl(key) <= seconds * 1000
    keys = {key.decode() async for key in link.client.scan_iter()}
    assert set(bounds) <= keys
    assert keys - set(bounds) <= {"tollkeeper:probe"}


async def test_more_entries_than_a_batch_are_all_kept(shared: RedisSharedTokens) -> None:
    tokens = [make_token() for _ in range(1100)]
    await shared.put({token.digest: token for token in tokens})
    assert tokens == [await shared.get(token.digest) for token in tokens]


async def test_an_older_revision_does_not_replace_a_newer_one(shared: RedisSharedTokens) -> None:
    token = make_token(revision=9)
    revoked = edited(token, is_active=False)
    await shared.put({token.digest: revoked})
    await shared.put({token.digest: token})
    await shared.put({token.digest: Unknown()})
    assert revoked == await shared.get(token.digest)
    await shared.put({token.digest: Unknown(11)})
    await shared.put({token.digest: revoked})
    assert Unknown(11) == await shared.get(token.digest)


@pytest.mark.parametrize("value", [b"", b"x" * 40, b"0000000000000001{", b"0000000000000001{}", b"\xff\x00"])
async def test_an_entry_that_cannot_be_read_counts_as_none_and_is_replaced(
    link: RedisLink, shared: RedisSharedTokens, value: bytes
) -> None:
    token = make_token()
    await link.client.set(f"tollkeeper:token:{token.digest}", value)
    assert await shared.get(token.digest) is None
    await shared.put({token.digest: token})
    assert token == await shared.get(token.digest)


async def test_one_leads_until_it_resigns(link: RedisLink, shared: RedisSharedTokens) -> None:
    other = make_shared(link)
    leads = await asyncio.gather(*(each.lead(digest_of(0)) for each in [shared, other] * 20))
    assert leads.count(True) == 1
    await other.resign(digest_of(0))
    assert await shared.lead(digest_of(0))


async def test_cancelled_commands_leave_no_reply_to_others(redis_url: str) -> None:
    link = RedisLink(redis_url, timeout=PATIENT)
    shared = make_shared(link)
    tokens = [make_token() for _ in range(40)]
    await shared.put({token.digest: token for token in tokens})
    for turns in range(40):
        hurried = [asyncio.create_task(shared.get(token.digest)) for token in tokens]
        for _ in range(turns % 8):
            await asyncio.sleep(0)
        for task in hurried:
            task.cancel()
        assert tokens[turns] == await shared.get(tokens[turns].digest)
    assert link.answers
    await link.close()


async def test_a_command_goes_on_though_its_caller_is_cancelled(shared: RedisSharedTokens) -> None:
    token = make_token()
    caller = asyncio.create_task(shared.put({token.digest: token}))
    await asyncio.sleep(0)
    caller.cancel()

    async def is_there() -> bool:
        return await shared.get(token.digest) == token

    await eventually(is_there)


async def test_redis_away_is_found_out_and_its_return_is_told(
    redis_server: RedisServer, link: RedisLink, shared: RedisSharedTokens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    returned = asyncio.Event()
    link.on_return(returned.set)
    token = make_token()
    await shared.put({token.digest: token})
    redis_server.stop()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await shared.get(token.digest)
    assert not link.answers
    assert await shared.lead(token.digest)
    await shared.put({token.digest: token})
    await shared.resign(token.digest)
    await asyncio.to_thread(redis_server.start)
    await returned.wait()
    assert await shared.get(token.digest) is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_absent_from_the_start_is_no_error(redis_server: RedisServer, redis_url: str) -> None:
    redis_server.stop()
    link = RedisLink(redis_url, pause=0.02)
    returned = asyncio.Event()
    link.on_return(returned.set)
    await link.open()
    assert not link.answers
    await asyncio.to_thread(redis_server.start)
    await returned.wait()
    await link.close()


async def test_a_refused_write_counts_as_away(link: RedisLink, shared: RedisSharedTokens) -> None:
    returned = asyncio.Event()
    link.on_return(returned.set)

    async def count_writes() -> int:
        statistics = await link.client.info("commandstats")
        return int(statistics["cmdstat_set"]["rejected_calls"])

    async def count_writes_beyond(number: int) -> bool:
        return await count_writes() >= number

    await link.client.config_set("maxmemory", "1")
    try:
        await shared.put({digest_of(0): make_token(0)})
        tried = await count_writes()
        await eventually(lambda: count_writes_beyond(tried + 3))
        assert not link.answers
    finally:
        await link.client.config_set("maxmemory", "0")
    await returned.wait()
    assert link.answers


class Hanging:
    """A server that accepts connections and never says a word."""

    def __init__(self) -> None:
        self.connections = 0
        self._gone = asyncio.Event()

    async def __aenter__(self) -> "Hanging":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._gone.set()
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._gone.wait()
        writer.close()


async def test_a_hanging_redis_is_waited_for_once() -> None:
    async with Hanging() as hanging:
        link = RedisLink(hanging.url, timeout=0.05, pause=NEVER)
        shared = make_shared(link)
        for _ in range(100):
            with pytest.raises(StoreUnavailableError):
                await shared.get(digest_of(0))
            assert await shared.lead(digest_of(0))
            await shared.put({digest_of(0): Unknown()})
        assert hanging.connections == 1
        await link.close()


class Process:
    """The changes of one process, and what its listeners were told."""

    def __init__(self, url: str) -> None:
        self.link = RedisLink(url, timeout=PATIENT, pause=0.02)
        self.shared = make_shared(self.link)
        self.gaps = 0
        self.changes = RedisChanges(self.link, self.shared, on_gap=self._gap)
        self.changes.subscribe(self._listen)
        self.told: list[Change] = []
        self.news: asyncio.Queue[Change] = asyncio.Queue()

    def _gap(self) -> None:
        self.gaps += 1

    async def _listen(self, change: Change) -> None:
        self.told.append(change)
        self.news.put_nowait(change)

    async def __aenter__(self) -> "Process":
        await self.link.open()
        await self.changes.open()
        await self.changes.subscribed.wait()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.changes.close()
        await self.link.close()


async def test_a_change_is_told_to_every_process_and_kept(redis_url: str) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        token = make_token()
        rotated = edited(token, digest=make_token().digest)
        await here.shared.put({token.digest: token})
        change = Change(token=rotated, retired_digest=token.digest)
        await here.changes.publish(change)
        assert [change] == here.told
        assert change == await there.news.get()
        assert rotated == await there.shared.get(rotated.digest)
        assert Unknown(2) == await there.shared.get(token.digest)


async def test_a_change_is_told_once_where_it_was_made(redis_url: str) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        await here.changes.publish(Change(token=make_token()))
        await there.changes.publish(Change(token=make_token()))
        # The second message comes after the first on the one channel.
        await here.news.get()
        await here.news.get()
        assert len(here.told) == 2


async def test_a_change_of_the_configuration_is_told(redis_url: str) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        await here.changes.publish(Change())
        assert Change() == await there.news.get()


async def test_a_slow_reading_of_the_configuration_holds_up_no_revocation(redis_url: str) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        reading = asyncio.Event()

        async def read(change: Change) -> None:
            if change.token is None:
                reading.set()
                await asyncio.Event().wait()

        there.changes.subscribe(read)
        await here.changes.publish(Change())
        await reading.wait()
        change = Change(token=make_token())
        await here.changes.publish(change)
        assert Change() == await there.news.get()
        assert change == await there.news.get()


async def test_databases_of_one_server_do_not_hear_each_other(redis_server: RedisServer) -> None:
    async with Process(redis_server.new_url()) as here, Process(redis_server.new_url()) as there:
        change = Change(token=make_token())
        await here.changes.publish(Change(token=make_token()))
        await there.changes.publish(change)
        assert change == await there.news.get()
        assert [change] == there.told


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"\xff", b'{"sender":"x","change":{"token":{"id":1}}}'])
async def test_a_message_that_cannot_be_read_is_ignored(
    redis_url: str, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        await here.link.client.publish(f"tollkeeper:changes:{here.link.database}", data)
        change = Change(token=make_token())
        await here.changes.publish(change)
        assert change == await there.news.get()
        assert "can't be read" in caplog.text


async def test_a_push_that_fails_is_no_error_but_logged(
    redis_server: RedisServer, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Process(redis_url) as here:
        redis_server.stop()
        token = make_token()
        await here.changes.publish(Change(token=token))
        assert [Change(token=token)] == here.told
        assert f"a change of token {token.id} could not be pushed" in caplog.text
        assert token.digest not in caplog.text


async def test_after_a_reconnection_messages_count_as_lost_and_come_again(
    redis_server: RedisServer, redis_url: str
) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        assert there.gaps == 1
        redis_server.stop()
        await asyncio.to_thread(redis_server.start)
        returned = asyncio.Event()
        here.link.on_return(returned.set)
        if not here.link.answers:
            await returned.wait()
        await eventually(lambda: there.gaps > 1)
        change = Change(token=make_token())
        await here.changes.publish(change)
        assert change == await there.news.get()


async def test_a_push_completes_though_its_author_is_cancelled(redis_url: str) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        change = Change(token=make_token())
        author = asyncio.create_task(here.changes.publish(change))
        await asyncio.sleep(0)
        author.cancel()
        assert change == await there.news.get()
