"""How the console's listener begins and ends: nothing that is asked on a connection it has is lost."""

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.sockets import bind_address, name_of
from tollkeeper_server.doors.tls import HTTP2, make_contexts
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.process import self_signed

from tests.integration.h2wire import H2Wire

PATIENCE_SECONDS = 20.0


class App:
    """Answers `/slow` when it is told to, and anything else at once."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with the path."""
        assert scope["type"] == "http"
        if scope["path"] == "/slow":
            self.reached.set()
            await self.may_answer.wait()
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": False})


@asynccontextmanager
async def serving(
    quiet: float, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[ConsoleListener, App, str, asyncio.Task[None]]]:
    """A listener with the application behind it."""
    bound, app = bind_address(SocketAddress("127.0.0.1", 0)), App()
    address = name_of(bound)
    listener = ConsoleListener(
        app, bound, tls=tls, drain_seconds=20 * PATIENCE_SECONDS, limits=TimeLimits(quiet=quiet)
    )
    task = asyncio.create_task(listener.serve())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield listener, app, address, task
    finally:
        app.may_answer.set()
        listener.stop(0.0)
        await task


class Kept:
    """A caller who keeps one connection of HTTP/1.1."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)

    def _ask(self, path: str) -> tuple[bytes, str | None]:
        self._connection.request("GET", path)
        with self._connection.getresponse() as answer:
            return answer.read(), answer.getheader("connection")

    async def asked(self, path: str) -> tuple[bytes, str | None]:
        """Ask; returns the body, and what is said of the connection."""
        return await asyncio.to_thread(self._ask, path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


async def until_refused(address: str) -> None:
    """Return when nothing more is accepted."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(ConnectionRefusedError):
        while True:
            connected = await asyncio.to_thread(socket.create_connection, (host, int(port)))
            connected.close()


async def test_while_it_leaves_it_accepts_and_ends_connections_with_their_answers() -> None:
    async with serving(PATIENCE_SECONDS) as (listener, _, address, _):
        kept, new = Kept(address), Kept(address)
        assert await kept.asked("/1") == (b"/1", None)
        listener.leave()
        assert await kept.asked("/2") == (b"/2", "close")
        assert await new.asked("/3") == (b"/3", "close")
        kept.close()
        new.close()


async def test_what_is_asked_on_a_kept_connection_after_it_stopped_is_answered() -> None:
    async with serving(PATIENCE_SECONDS) as (listener, _, address, task):
        kept = Kept(address)
        assert await kept.asked("/1") == (b"/1", None)
        listener.stop()
        await until_refused(address)
        assert await kept.asked("/2") == (b"/2", "close")
        kept.close()
        await task


async def test_a_connection_that_is_not_used_ends_after_a_while() -> None:
    async with serving(0.05) as (listener, _, address, task):
        kept = Kept(address)
        assert await kept.asked("/1") == (b"/1", None)
        listener.stop()
        await task
        kept.close()


@pytest.mark.parametrize("path", ["/1", "/slow"])
async def test_a_caller_who_has_left_holds_nothing_up(path: str) -> None:
    """Neither between requests nor in one: the connection ends, long before it would for being idle."""
    async with serving(20 * PATIENCE_SECONDS) as (listener, app, address, task):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        await (app.reached.wait() if path == "/slow" else reader.readuntil(path.encode()))
        writer.close()
        await writer.wait_closed()
        app.may_answer.set()
        listener.stop()
        await task


async def test_it_is_unused_once_nothing_is_under_way() -> None:
    async with serving(0.05) as (listener, app, address, _):
        kept = Kept(address)
        asking = asyncio.create_task(kept.asked("/slow"))
        await app.reached.wait()
        unused = asyncio.create_task(listener.unused())
        await asyncio.sleep(0)
        assert not unused.done()
        app.may_answer.set()
        assert (await asking)[0] == b"/slow"
        await unused
        kept.close()


async def test_http2_goes_on_until_its_streams_have_ended() -> None:
    async with serving(0.05) as (listener, app, address, task):
        with await asyncio.to_thread(H2Wire, f"http://{address}") as wire:
            slow = wire.open("GET", "/slow", ends=True)
            await app.reached.wait()
            listener.stop()
            quick = wire.open("GET", "/quick", ends=True)
            assert (await asyncio.to_thread(wire.answer, quick)).body == b"/quick"
            app.may_answer.set()
            assert (await asyncio.to_thread(wire.answer, slow)).body == b"/slow"
            await asyncio.to_thread(wire.wait, lambda: False)  # until the connection is told to end
            assert wire.terminated
        await task


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Both sides of a certificate for localhost: the listener's and its callers'."""
    folder = tmp_path_factory.mktemp("tls")
    pair = folder / "certificate", folder / "key"
    self_signed.make(*pair)
    return make_contexts(*pair)[HTTP2], ssl.create_default_context(cafile=str(pair[0]))


async def over_tls(address: str, trusting: ssl.SSLContext) -> bytes:
    """Ask over HTTP/1.1, and return the answer's first line."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting, server_hostname="localhost")
    writer.write(b"GET /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    answered = await reader.read()
    writer.close()
    return answered.partition(b"\r\n")[0]


async def test_plain_http_is_told_to_use_tls(secured: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(0.05, tls=secured[0]) as (listener, _, address, _):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert "use https://" in json.loads(body)["error"]["message"]
        writer.close()
        assert await over_tls(address, secured[1]) == b"HTTP/1.1 200 OK"
        assert listener.limit.count <= 1  # nobody but the caller who has just been answered


async def test_handshakes_that_do_not_go_on_are_bounded_and_keep_nobody_out(
    secured: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "most_handshakes", lambda: 5)
    async with serving(0.05, tls=secured[0]) as (listener, _, address, _):
        host, _, port = address.rpartition(":")
        started = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        for reader, writer in started[:15]:
            writer.write(b"\x16")
            assert await reader.read() == b""
        assert listener.limit.count == 0
        assert await over_tls(address, secured[1]) == b"HTTP/1.1 200 OK"
        for _, writer in started:
            writer.close()


async def test_the_handshake_of_an_address_with_few_is_not_broken_off(
    secured: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "most_handshakes", lambda: 5)
    async with serving(0.05, tls=secured[0]) as (_, _, address, _):
        host, _, port = address.rpartition(":")
        first = await asyncio.open_connection(host, int(port), local_addr=("127.0.0.2", 0))
        others = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        for reader, _ in others[:15]:
            assert await reader.read() == b""
        assert not first[0].at_eof()
        for _, writer in (first, *others):
            writer.close()
