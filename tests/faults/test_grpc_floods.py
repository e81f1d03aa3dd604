"""Callers without a token flood the gRPC port: it costs little memory, and others are served meanwhile."""

import asyncio
import functools
import resource
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Self

import grpc
import httpx2
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.faults.costs import memory_of
from tests.faults.flood_bounds import MOST_BYTES, Bounds
from tests.faults.raw_h2 import (
    DATA,
    END_STREAM,
    GOAWAY,
    PING,
    PREFACE,
    RST_STREAM,
    RawH2,
    call_headers,
    frame,
    settings,
)
from tests.integration.process import Gateway, Simulator, until

APPLY = "/tollkeeper.v1.ConfigurationService/ApplyConfiguration"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LARGEST = 8 * 1024 * 1024
WHOLE = b"\0" + struct.pack(">I", LARGEST) + bytes(LARGEST)
LONG = b"\0" + struct.pack(">I", LARGEST) + bytes(LARGEST - 1)  # but for its last byte
EMPTY = b"\0\0\0\0\0"
LIST_SERVICES = b"\0\0\0\0\x02\x3a\0"
CANCEL = b"\0\0\0\x08"
STRANGER = "127.0.0.2"  # other callers come from 127.0.0.1
CONNECTIONS = 400


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[tuple[Gateway, str]]:
    """A gateway of which the memory is measured, and the secret of a token."""
    with Gateway(tmp_path_factory.mktemp("flooded")) as gateway:
        gateway.serve_models(simulator)
        yield gateway, gateway.new_token()
        assert gateway.command.stop() == 0
        assert "Traceback" not in gateway.command.said()


async def long_messages(
    address: str, path: str, connections: int, message: bytes = LONG, *, streams: int = 100
) -> None:
    """Send messages of 8 MiB, all but their ends, as far as they are taken."""

    async def send() -> None:
        caller = await RawH2.connect(address)
        opened = [caller.open(call_headers(path)) for _ in range(streams)]
        await asyncio.gather(*(caller.send(stream, message) for stream in opened))
        await caller.close()

    await asyncio.gather(*(send() for _ in range(connections)))


async def held_calls(address: str, path: str, message: bytes, connections: int) -> None:
    """Make calls whose answers have no room to be sent, and stay."""
    callers = await asyncio.gather(*(RawH2.connect(address, window=0) for _ in range(connections)))
    for caller in callers:
        for _ in range(100):
            caller.write(frame(DATA, 0, caller.open(call_headers(path)), message))
        await caller.drain()
    await asyncio.sleep(1)
    await asyncio.gather(*(caller.close() for caller in callers))


async def rapid_resets(address: str, path: str, calls: int) -> None:
    """Make calls and take each back at once."""
    caller = await RawH2.connect(address)
    headers = call_headers(path)
    for _ in range(calls // 100):
        for _ in range(100):
            caller.write(frame(RST_STREAM, 0, caller.open(headers), CANCEL))
        try:
            await caller.drain()
        except OSError:
            break
    await caller.close()


async def quick_calls(address: str, path: str, message: bytes, calls: int) -> None:
    """Make calls and read no answer."""
    caller = await RawH2.connect(address)
    headers = call_headers(path)
    for _ in range(calls // 100):
        for _ in range(100):
            caller.write(frame(DATA, END_STREAM, caller.open(headers), message))
        try:
            await caller.drain()
        except OSError:
            break
    await caller.close()


FLOODS: dict[str, Callable[[str], Coroutine[None, None, None]]] = {
    "messages of 8 MiB to the management": lambda to: long_messages(to, APPLY, 3),
    "messages of 8 MiB to the health": lambda to: long_messages(to, CHECK, 3),
    "messages of 8 MiB to reflection": lambda to: long_messages(to, REFLECT, 3),
    "messages of 8 MiB by many connections": lambda to: long_messages(to, APPLY, 100, streams=1),
    "whole messages of 8 MiB to the health": lambda to: long_messages(to, CHECK, 3, WHOLE),
    "watches that nobody reads": lambda to: held_calls(to, WATCH, EMPTY, 30),
    "checks that nobody reads": lambda to: held_calls(to, CHECK, EMPTY, 30),
    "descriptions that nobody reads": lambda to: held_calls(to, REFLECT, LIST_SERVICES, 30),
    "calls taken back": lambda to: rapid_resets(to, APPLY, 30_000),
    "calls of no method": lambda to: quick_calls(to, "/x/y", EMPTY, 10_000),
    "refused calls": lambda to: quick_calls(to, APPLY, EMPTY, 5_000),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_without_a_token_costs_little(
    flooded: tuple[Gateway, str], bounds: Bounds, flood: str
) -> None:
    gateway, secret = flooded
    bounds.hold(gateway, secret, lambda: asyncio.run(FLOODS[flood](gateway.grpc)))


def test_the_health_is_told_while_others_send_messages_without_end(flooded: tuple[Gateway, str]) -> None:
    gateway, _ = flooded

    async def ask() -> None:
        flood = asyncio.create_task(long_messages(gateway.grpc, CHECK, 3))
        async with grpc.aio.insecure_channel(gateway.grpc) as channel:
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
            for _ in range(20):
                answer = HealthCheckResponse.FromString(await check(b"", timeout=30))
                assert answer.status == HealthCheckResponse.SERVING
        await flood

    asyncio.run(ask())


def test_a_caller_may_ask_again_and_again_whether_the_connection_lives(flooded: tuple[Gateway, str]) -> None:
    gateway, _ = flooded

    async def ping() -> None:
        caller = await RawH2.connect(gateway.grpc)
        for number in range(6):
            caller.write(frame(PING, 0, 0, bytes(8)))
            await asyncio.sleep(0.5)  # less than any channel waits between two pings
            assert caller.frames[PING] == number + 1
            assert not caller.frames[GOAWAY]
            assert not caller.ended
        await caller.close()

    asyncio.run(ping())


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Let this process open many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module", params=["plain", "secured"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose gRPC port speaks TLS or does not."""
    directory = tmp_path_factory.mktemp("asked")
    tls = {"TOLLKEEPER_TLS": "self-signed", "TOLLKEEPER_GRPC_TLS": "true"}
    environment = tls if request.param == "secured" else {}
    with Gateway(directory, environment=environment) as gateway, many_descriptors():
        yield gateway
        assert gateway.command.stop() == 0
        assert "Traceback" not in gateway.command.said()


def certificate_of(gateway: Gateway) -> Path | None:
    """Return the certificate that a gateway made, None if it speaks no TLS."""
    certificate = Path(gateway.directory, "data", "self-signed.crt")
    return certificate if certificate.exists() else None


async def ask_for_health(gateway: Gateway, times: int) -> None:
    """Ask from another address, each time on a new connection, and be told each time."""
    certificate = certificate_of(gateway)
    port = gateway.grpc.rpartition(":")[2]
    for _ in range(times):
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = (
            grpc.aio.insecure_channel(gateway.grpc, options)
            if certificate is None
            else grpc.aio.secure_channel(
                f"localhost:{port}", grpc.ssl_channel_credentials(certificate.read_bytes()), options
            )
        )
        async with channel:
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
            await check(b"", timeout=60)


@functools.cache
def hello() -> bytes:
    """Return how a handshake begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    beginning = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        beginning.do_handshake()
    return outgoing.read()


class Strangers:
    """Callers of one address who connect as fast as they can, as long as the block lasts."""

    def __init__(self, gateway: Gateway) -> None:
        host, _, port = gateway.grpc.rpartition(":")
        self._host, self._port = host, int(port)
        self._tls: ssl.SSLContext | None = None
        if certificate_of(gateway) is not None:
            self._tls = ssl.create_default_context()
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
            self._tls.set_alpn_protocols(["h2"])
        self._open: set[asyncio.StreamWriter] = set()
        self._is_over = False
        self.connected = 0
        """How many connections were made."""

    @asynccontextmanager
    async def each(self, do: Callable[[Self], Coroutine[None, None, None]], many: int) -> AsyncIterator[None]:
        """Have so many of them do something again and again."""

        async def go_on() -> None:
            while not self._is_over:
                with suppress(OSError):
                    await do(self)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(go_on()) for _ in range(many)]
        try:
            await asyncio.sleep(1)
            yield
        finally:
            self._is_over = True
            for writer in self._open:
                writer.transport.abort()
            await asyncio.gather(*tasks)

    async def connect(self, *, secured: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, by TLS if that is wanted and spoken."""
        tls = self._tls if secured else None
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=tls, local_addr=(STRANGER, 0)
        )
        self.connected += 1
        self._open.add(writer)
        if self._is_over:
            writer.transport.abort()
        return reader, writer

    async def stay(self, first: bytes = b"", *, secured: bool = False) -> None:
        """Connect, send the first bytes, and stay until the connection ends."""
        reader, writer = await self.connect(secured=secured)
        try:
            writer.write(first)
            await reader.read()
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            with suppress(OSError):
                await writer.wait_closed()

    async def call(self, path: str, message: bytes) -> None:
        """Call as often as a connection lets."""
        reader, writer = await self.connect(secured=True)
        caller = RawH2(reader, writer)
        try:
            caller.write(PREFACE + settings({}))
            headers = call_headers(path)
            while not caller.ended:
                for _ in range(50):
                    caller.write(frame(DATA, END_STREAM, caller.open(headers), message))
                await caller.drain()
                await asyncio.sleep(0)
        finally:
            await caller.close()
            self._open.discard(writer)


CALLERS: dict[str, tuple[int, Callable[[Strangers], Coroutine[None, None, None]]]] = {
    "connections that say nothing": (CONNECTIONS, lambda them: them.stay()),
    "handshakes that do not end": (CONNECTIONS, lambda them: them.stay(hello())),
    "connections without a call": (CONNECTIONS, lambda them: them.stay(PREFACE + settings({}), secured=True)),
    "checks": (50, lambda them: them.call(CHECK, EMPTY)),
    "reflection": (50, lambda them: them.call(REFLECT, LIST_SERVICES)),
    "calls without a token": (50, lambda them: them.call(APPLY, EMPTY)),
    "calls of no method": (50, lambda them: them.call("/x/y", EMPTY)),
}


@pytest.mark.parametrize("flood", CALLERS)
def test_whatever_one_address_does_another_connects_and_calls(asked: Gateway, flood: str) -> None:
    many, do = CALLERS[flood]
    before = memory_of(asked)

    async def ask() -> None:
        strangers = Strangers(asked)
        async with strangers.each(do, many):
            await ask_for_health(asked, 20)
            assert memory_of(asked) - before < MOST_BYTES
        assert strangers.connected

    asyncio.run(ask())


def test_connections_beyond_an_address_part_are_counted_and_logged_once(tmp_path: Path) -> None:
    with Gateway(tmp_path, max_connections_per_address="5") as gateway:

        async def connect() -> None:
            strangers = Strangers(gateway)
            async with strangers.each(lambda them: them.stay(), 20):
                await ask_for_health(gateway, 3)

        asyncio.run(connect())
        text = httpx2.get(f"{gateway.console}/metrics", trust_env=False).text
        counted = 'tollkeeper_connections_refused_total{port="grpc",reason="address"} '
        assert float(text.partition(counted)[2].split()[0]) >= 15
        assert gateway.command.said().count("connections to gRPC are refused: 127.0.0.2") == 1


def test_handshakes_that_fail_are_counted(asked: Gateway) -> None:
    certificate = certificate_of(asked)
    if certificate is None:
        return

    async def fail() -> None:
        host, _, port = asked.grpc.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x16garbage")
        writer.close()

    def counted() -> float:
        trusting = ssl.create_default_context(cafile=str(certificate))
        url = asked.console.replace("127.0.0.1", "localhost")
        text = httpx2.get(f"{url}/metrics", verify=trusting, trust_env=False).text
        name = 'tollkeeper_connections_refused_total{port="grpc",reason="handshake"} '
        return float(text.partition(name)[2].split()[0])

    before = counted()
    asyncio.run(fail())
    until(lambda: counted() > before)
