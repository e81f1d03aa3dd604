"""Changes that processes tell each other through a real Redis."""

import asyncio

import pytest
from tollkeeper_server.coordination.ports import Change, Unknown
from tollkeeper_server.coordination.redis.changes import RedisChanges
from tollkeeper_server.coordination.redis.link import RedisLink

from tests.servers.redis import RedisServer
from tests.unit.coordination.parts import edited, eventually, make_token
from tests.unit.coordination.redis.parts import PATIENT, make_shared


class Process:
    """The changes of one process, and what its subscriber was told."""

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


async def test_the_reset_of_a_breaker_is_told_and_is_no_change_of_the_configuration(redis_url: str) -> None:
    async with Process(redis_url) as here, Process(redis_url) as there:
        await here.changes.publish(Change(breaker="openai"))
        assert await there.news.get() == Change(breaker="openai")
        await here.changes.publish(Change())
        assert await there.news.get() == Change()
        assert there.told == [Change(breaker="openai"), Change()]
