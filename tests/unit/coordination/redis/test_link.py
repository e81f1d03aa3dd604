"""What happens to commands when Redis is away or hangs, or when their callers leave."""

import asyncio
import gc
import logging

import pytest
from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens
from tollkeeper_server.errors import StoreUnavailableError

from tests.servers.redis import RedisServer
from tests.unit.coordination.parts import digest_of, eventually, make_token
from tests.unit.coordination.redis.parts import PATIENT, make_shared

NEVER = 3600.0


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


async def test_the_failure_of_a_command_whose_caller_left_is_no_fault(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = RedisLink(redis_url, timeout=PATIENT)
    begun, fail = asyncio.Event(), asyncio.Event()

    async def command(_: object) -> None:
        begun.set()
        await fail.wait()
        raise OSError("the connection was lost")

    caller = asyncio.create_task(link.run(command))
    await begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    fail.set()
    await link.close()
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


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
