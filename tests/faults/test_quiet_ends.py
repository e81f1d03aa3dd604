"""A process that ends, or is taken over, in the middle of its work, says so in plain lines."""

import asyncio
import contextlib
import itertools
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from tollkeeper import Client, TollkeeperError

from tests.faults.processes import ENCRYPTION_KEY, own_mongo, own_redis
from tests.faults.test_gateway_ends import begun
from tests.faults.traffic import callers, headers_of, send
from tests.integration.process import MANAGEMENT_TOKEN, CommandProcess, Gateway, Simulator, until
from tests.servers.process import ServerProcess
from tests.unit.store.sqlite.endless import without_end

CONFIGURED = "upstreams: [{name: other, provider: openai, base_url: 'http://127.0.0.1:9/v1', api_key: x}]\n"
HANGING = ("hang=3", "events=400,interval=20")
UNDER_WAY = 6
"""Requests that go on until they are cut off: the hanging ones, and one without an answer, at each port."""
IMPATIENT = "?serverSelectionTimeoutMS=300&connectTimeoutMS=300&heartbeatFrequencyMS=500"


@contextmanager
def calling(gateway: Gateway) -> Iterator[None]:
    """Have management calls, a watch of the health and idle channels under way."""
    over = threading.Event()
    under_way = threading.Barrier(3)

    def call() -> None:
        with Client(gateway.grpc, management_token=MANAGEMENT_TOKEN) as client:
            for number in itertools.count():
                with contextlib.suppress(TollkeeperError):
                    client.usage.summary()
                if number == 1:
                    under_way.wait()
                if over.wait(0.02):
                    return

    def watch() -> None:
        with grpc.insecure_channel(gateway.grpc) as channel:
            watches: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
                "/grpc.health.v1.Health/Watch"
            )
            answers = watches(b"")
            with contextlib.suppress(grpc.RpcError):
                next(answers)
                under_way.wait()
                over.wait()
                answers.cancel()

    threads = [threading.Thread(target=target) for target in (call, watch)]
    for thread in threads:
        thread.start()
    try:
        under_way.wait(timeout=30)
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


async def endless(session: aiohttp.ClientSession, url: str, secret: str) -> None:
    """Upload a body that never ends."""

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.01)

    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with session.post(f"{url}/v1/files", headers=headers_of(secret), data=pieces()) as answer:
            await answer.read()


@asynccontextmanager
async def busy(gateway: Gateway, simulator: Simulator, secret: str) -> AsyncIterator[None]:
    """Have requests of all kinds under way at both ports."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(callers())
        tasks: set[asyncio.Task[object]] = set()
        for number, listener in enumerate((gateway.data, gateway.console)):
            for kind in HANGING:
                await stack.enter_async_context(
                    begun(session, listener, secret, kind, f"hanging-{number}-{kind[:4]}")
                )
            for simulate in ("hang=0", "latency=400"):
                ask = send(session, gateway, secret, simulate, listener=listener)
                tasks.add(asyncio.create_task(ask))
            tasks.add(asyncio.create_task(endless(session, listener, secret)))
            tasks.add(asyncio.create_task(asking(session, gateway, secret, listener)))
        await asyncio.to_thread(until, lambda: simulator.in_flight() >= UNDER_WAY)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def asking(session: aiohttp.ClientSession, gateway: Gateway, secret: str, listener: str) -> None:
    """Ask one thing after the other."""
    while True:
        await send(session, gateway, secret, stream=True, listener=listener)
        await asyncio.sleep(0.05)


async def end_while_busy(
    gateway: Gateway, simulator: Simulator, secret: str, end: Callable[[], object]
) -> None:
    """Have a gateway end, or be replaced, in the middle of everything."""
    with calling(gateway):
        async with busy(gateway, simulator, secret):
            await asyncio.to_thread(end)


def assert_quiet(command: CommandProcess) -> None:
    """Read all that a process said, and find no traceback and no fault of asyncio's."""
    said = command.said()
    assert "Traceback" not in said
    assert "never awaited" not in said
    assert "ERROR asyncio" not in said


ENDS = {
    "sigterm": [signal.SIGTERM],
    "sigint": [signal.SIGINT],
    "sighup": [signal.SIGHUP, signal.SIGHUP, signal.SIGTERM],
}


@pytest.mark.parametrize("signals", ENDS.values(), ids=ENDS)
def test_a_signal_ends_a_busy_process_quietly(
    tmp_path: Path, simulator: Simulator, signals: list[signal.Signals]
) -> None:
    file = tmp_path / "tollkeeper.yaml"
    file.write_text(CONFIGURED)
    with Gateway(tmp_path, "--config", str(file), drain_seconds="1") as gateway:
        gateway.serve_models(simulator)
        minted = gateway.mint()
        command = gateway.command

        def end() -> None:
            for number in signals:
                command.process.send_signal(number)
            assert command.wait() == 0

        asyncio.run(end_while_busy(gateway, simulator, minted.token, end))
        assert_quiet(command)


def test_a_takeover_from_a_busy_process_is_quiet(tmp_path: Path, simulator: Simulator) -> None:
    with Gateway(tmp_path, "--takeover", drain_seconds="1") as gateway:
        gateway.serve_models(simulator)
        minted = gateway.mint()
        command = gateway.command

        def end() -> None:
            gateway.start()
            assert command.wait() == 0

        asyncio.run(end_while_busy(gateway, simulator, minted.token, end))
        assert_quiet(command)
        assert gateway.command.stop() == 0
        assert_quiet(gateway.command)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_an_end_is_quiet_while_summaries_go_on(tmp_path: Path, number: signal.Signals) -> None:
    """They are without end, and are stopped."""
    with Gateway(tmp_path, drain_seconds="1") as gateway:
        without_end(tmp_path / "data" / "tollkeeper.db")
        command = gateway.command
        before = cpu_seconds(command.process.pid)

        async def ask_and_end() -> None:
            async with (
                callers() as session,
                grpc.aio.insecure_channel(gateway.grpc) as channel,
                asyncio.TaskGroup() as asking,
            ):
                header = {"authorization": f"Bearer {MANAGEMENT_TOKEN}"}
                summarize: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                    "/tollkeeper.v1.UsageService/SummarizeUsage"
                )
                asking.create_task(_failing(summarize(b"", metadata=tuple(header.items()))))
                asking.create_task(
                    _failing(session.get(f"{gateway.console}/manage/usage/summary", headers=header))
                )
                await asyncio.to_thread(until, lambda: cpu_seconds(command.process.pid) > before + 0.5)
                command.process.send_signal(number)
                assert await asyncio.to_thread(command.wait) == 0

        asyncio.run(ask_and_end())
        assert_quiet(command)


def cpu_seconds(pid: int) -> float:
    """Return the time that a process has computed: a summary without end goes on computing."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _failing(call: Awaitable[object]) -> None:
    with contextlib.suppress(aiohttp.ClientError, grpc.aio.AioRpcError):
        await call


OUTAGES = {"stopped": ServerProcess.stop, "frozen": ServerProcess.freeze}


@pytest.mark.mongo
@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("takeover", [False, True], ids=["sigterm", "takeover"])
def test_an_end_is_quiet_while_store_and_redis_are_away(
    tmp_path: Path, simulator: Simulator, takeover: bool, outage: Callable[[ServerProcess], None]
) -> None:
    with own_mongo(tmp_path / "mongo") as mongo, own_redis(tmp_path / "redis") as redis:
        environment = {
            "TOLLKEEPER_STORE": mongo.new_url() + IMPATIENT,
            "TOLLKEEPER_REDIS": redis.new_url(),
            "TOLLKEEPER_ENCRYPTION_KEY": ENCRYPTION_KEY,
        }
        with Gateway(tmp_path / "gateway", "--takeover", environment=environment, drain_seconds="1") as one:
            one.serve_models(simulator)
            minted = one.mint()
            command = one.command

            def end() -> None:
                if takeover:
                    one.start()
                else:
                    command.process.terminate()
                for server in (redis, mongo):
                    outage(server)
                assert command.wait() == 0

            try:
                asyncio.run(end_while_busy(one, simulator, minted.token, end))
                assert_quiet(command)
            finally:
                for server in (redis, mongo):
                    if server.runs():
                        server.thaw()
