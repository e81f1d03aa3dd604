"""A gateway that is killed, or told to end, with requests under way: every one is accounted for, once."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter
from tollkeeper_server.store.sqlite.store import SqliteStore

from tests.faults.traffic import DONE, Answer, callers, headers_of, question, send
from tests.integration.h2wire import H2Wire
from tests.integration.process import Gateway, Simulator, until

ROUNDS = 3
WORKERS = 24
ANSWERS_A_ROUND = 150
HANGING = 5
SLOW_STREAM = "events=20,interval=75"
KINDS = (("", False), ("latency=20", False), ("events=8,interval=4", True), ("events=40", True))


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that the test may end."""
    with Gateway(tmp_path, drain_seconds="20") as running:
        running.serve_models(simulator)
        yield running


@dataclass
class Load:
    """What callers have seen, by request id; `enough` is set when `wanted` answers have come in full.

    `followed` are those answered in full before another request on the same connection was.
    """

    name: str
    wanted: int
    answers: dict[str, Answer] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def whole(self) -> set[str]:
        """Which requests were answered in full."""
        return {name for name, answer in self.answers.items() if answer.whole}

    async def ask_on(self, gateway: Gateway, secret: str, worker: int) -> None:
        """Ask one thing after the other, of all kinds, until an answer breaks off."""
        asked: list[str] = []
        async with callers() as session:
            for number in itertools.count():
                simulate, stream = KINDS[(worker + number) % len(KINDS)]
                name = f"{self.name}-{worker}-{number}"
                answer = await send(session, gateway, secret, simulate, stream=stream, request_id=name)
                self.answers[name] = answer
                if not answer.whole:
                    return
                assert answer.status == 200
                self.followed.update(asked)
                asked = [name]
                if len(self.whole) >= self.wanted:
                    self.enough.set()


@asynccontextmanager
async def begun(
    session: aiohttp.ClientSession, listener: str, secret: str, simulate: str, name: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Have a stream under way, whose first event has come."""
    async with session.post(
        f"{listener}/v1/chat/completions",
        headers=headers_of(secret, simulate, name),
        json=question(stream=True),
    ) as response:
        assert await response.content.readline()
        yield response


async def load_and_kill(gateway: Gateway, secret: str, name: str) -> Load:
    """Kill a gateway with all kinds of requests under way, `HANGING` of them for certain."""
    load = Load(name, ANSWERS_A_ROUND)
    async with asyncio.TaskGroup() as workers, AsyncExitStack() as streams:
        session = await streams.enter_async_context(callers())
        for hanging in hanging_in(load):
            await streams.enter_async_context(begun(session, gateway.data, secret, "hang=1", hanging))
        for worker in range(WORKERS):
            workers.create_task(load.ask_on(gateway, secret, worker))
        await load.enough.wait()
        gateway.command.process.kill()
    gateway.command.kill()
    return load


def hanging_in(load: Load) -> set[str]:
    """Return the requests of a load that never end by themselves."""
    return {f"{load.name}-hanging-{number}" for number in range(HANGING)}


async def stored(gateway: Gateway, token_id: str) -> tuple[list[UsageEvent], int]:
    """Return what the store of a gateway that does not run holds: usage, and a token's count of it."""
    store = SqliteStore(gateway.directory / "data" / "tollkeeper.db")
    await store.open()
    try:
        token = await store.tokens.get(token_id)
        assert token
        return await store.usage.list(UsageFilter(), limit=100_000), token.request_count
    finally:
        await store.close()


def unstored(gateway: Gateway) -> list[Path]:
    """Return the journals that hold what is not in the store."""
    return [path for path in (gateway.directory / "data" / "journal").iterdir() if path.is_dir()]


def test_kill_9_under_load_loses_and_doubles_no_usage(own_gateway: Gateway) -> None:
    minted = own_gateway.mint()
    loads = []
    for number in range(ROUNDS):
        loads.append(asyncio.run(load_and_kill(own_gateway, minted.token, f"round{number}")))
        own_gateway.start()
    assert own_gateway.command.stop() == 0
    assert unstored(own_gateway) == []

    events, counted = asyncio.run(stored(own_gateway, minted.id))
    ends = {event.request_id: (event.status, event.error_code) for event in events}
    assert len(events) == len(ends) == counted
    whole = set().union(*(load.whole for load in loads))
    hanging = set().union(*map(hanging_in, loads))
    asked = set().union(*(load.answers for load in loads))
    assert whole | hanging <= set(ends) <= asked | hanging
    assert {ends[name] for name in hanging} == {(500, "gateway_interrupted")}
    followed = set().union(*(load.followed for load in loads))
    assert len(followed) >= ROUNDS * (ANSWERS_A_ROUND - WORKERS)
    assert {ends[name] for name in followed} == {(200, "")}
    assert set(ends.values()) == {(200, ""), (500, "gateway_interrupted")}


async def end_under_load(gateway: Gateway, secret: str, streams: int, plain: int) -> list[Answer]:
    """Have a gateway end with requests under way, and returns what came of them."""
    async with callers() as session, asyncio.TaskGroup() as tasks, AsyncExitStack() as open_streams:
        waiting = [
            tasks.create_task(send(session, gateway, secret, "latency=1500", request_id=f"plain-{number}"))
            for number in range(plain)
        ]
        responses = [
            await open_streams.enter_async_context(
                begun(session, listener, secret, SLOW_STREAM, f"stream-{number}")
            )
            for number, listener in zip(range(streams), itertools.cycle((gateway.data, gateway.console)))
        ]
        gateway.command.process.terminate()
        await asyncio.to_thread(until, lambda: refuses(gateway.data))
        async with session.get(f"{gateway.console}/ready") as readiness:
            assert readiness.status == 503
        assert not any(task.done() for task in waiting)
        bodies = [await response.read() for response in responses]
    return [task.result() for task in waiting] + [Answer(200, body, whole=True) for body in bodies]


def refuses(url: str) -> bool:
    """Return whether nobody accepts connections there any more."""
    host, _, port = url.rpartition("/")[2].partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # the socket was being closed: the next one tells
        return False
    return False


def test_sigterm_lets_requests_under_way_end_and_accepts_none(own_gateway: Gateway) -> None:
    minted = own_gateway.mint()
    with H2Wire(own_gateway.console) as wire:
        headers = headers_of(minted.token, SLOW_STREAM, "http2") | {"content-type": "application/json"}
        number = wire.open("POST", "/v1/chat/completions", headers.items())
        wire.send(number, json.dumps(question(stream=True)).encode(), ends=True)
        assert wire.first_bytes(number)
        answers = asyncio.run(end_under_load(own_gateway, minted.token, streams=15, plain=15))
        over_http2 = wire.answer(number)
    assert (over_http2.ended, over_http2.body.endswith(DONE)) == (True, True)
    assert own_gateway.command.wait() == 0
    assert {(answer.status, answer.whole) for answer in answers} == {(200, True)}
    assert [answer.body.endswith(DONE) for answer in answers] == [False] * 15 + [True] * 15
    assert "Traceback" not in own_gateway.command.said()
    assert unstored(own_gateway) == []
    events, counted = asyncio.run(stored(own_gateway, minted.id))
    expected = {f"{kind}-{number}" for kind in ("plain", "stream") for number in range(15)} | {"http2"}
    assert {event.request_id for event in events} == expected
    assert {(event.status, event.error_code, event.tokens.confidence) for event in events} == {
        (200, "", "exact")
    }
    assert len(events) == counted == len(expected)


async def outlast(gateway: Gateway, secret: str) -> None:
    """Have a stream that never ends when its gateway is told to; the caller is told that it broke off."""
    async with callers() as session, begun(session, gateway.data, secret, "hang=3", "outlasting") as response:
        gateway.command.process.terminate()
        async for line in response.content:
            if b'"error"' in line:
                break
        error = json.loads(line.removeprefix(b"data: "))["error"]
        assert (error["code"], error["message"].split(": ")[1]) == (
            "draining",
            "the gateway stops; send the request again",
        )
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


def test_a_stream_that_outlasts_the_drain_says_so_and_does_not_look_complete(
    tmp_path: Path, simulator: Simulator
) -> None:
    with Gateway(tmp_path, drain_seconds="1") as gateway:
        gateway.serve_models(simulator)
        minted = gateway.mint()
        asyncio.run(outlast(gateway, minted.token))
        assert gateway.command.wait() == 0
        assert unstored(gateway) == []
        ((event,), counted) = asyncio.run(stored(gateway, minted.id))
        assert (event.status, event.error_code) == (500, "gateway_interrupted")
        assert (event.request_id, event.tokens.confidence, counted) == ("outlasting", "estimated", 1)
