"""A crowd of one address's connections to the console: others are served between them, not behind them."""

import asyncio
import select
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvloop
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors import fair_scheduler
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.sockets import bind_address
from tollkeeper_server.doors.tls import HTTP2, make_contexts
from tollkeeper_server.process import self_signed

from tests.faults.console_floods import PREFACE, get, settings

CROWD = 300
PATIENCE_SECONDS = 20.0
HTTP1_REQUEST = b"GET /v1/a HTTP/1.1\r\nhost: a\r\n\r\n"
HTTP2_REQUEST = PREFACE + settings() + get(1, "/v1/a")
PAGE = PREFACE + settings() + get(1, "/page")


async def answer(_scope: Message, _receive: Receive, send: Send) -> None:
    """Answer at once."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"here", "more_body": False})


async def wait(_scope: Message, receive: Receive, _send: Send) -> None:
    """Wait until the caller leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


@contextmanager
def crowd(address: tuple[str, int], number: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Callers who have sent something, and read nothing."""
    with ExitStack() as stack:
        callers = []
        for _ in range(number):
            caller = stack.enter_context(socket.create_connection(address, PATIENCE_SECONDS))
            caller.sendall(first)
            callers.append(caller)
        yield callers


def answered(callers: Sequence[socket.socket]) -> int:
    """Return how many of them have been sent something that they could read."""
    poll = select.poll()
    for caller in callers:
        poll.register(caller, select.POLLIN)
    return len(poll.poll(0))


@pytest.mark.parametrize("first", [HTTP1_REQUEST, HTTP2_REQUEST, PAGE], ids=["http/1.1", "http/2", "a page"])
def test_who_connects_behind_a_crowd_is_answered_before_most_of_it(first: bytes) -> None:
    async def ask() -> int:
        bound = bind_address(SocketAddress("127.0.0.1", 0))
        listener = ConsoleListener(answer, bound, tls=None, drain_seconds=0)
        with crowd(bound.getsockname(), CROWD, first) as callers:
            host, port = bound.getsockname()
            reader, writer = await asyncio.open_connection(host, port, local_addr=("127.0.0.2", 0))
            writer.write(b"GET /page HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            serving = asyncio.create_task(listener.serve())
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert (await reader.read()).endswith(b"here")
            before = answered(callers)
            writer.close()
        listener.stop()
        await serving
        return before

    assert uvloop.run(ask()) < CROWD / 2


def test_whose_handshake_comes_behind_a_crowd_is_answered_before_most_of_it(tmp_path: Path) -> None:
    pair = tmp_path / "certificate", tmp_path / "key"
    self_signed.make(*pair)
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    beginning = trusting.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        beginning.do_handshake()
    hello = outgoing.read()

    async def ask() -> int:
        bound = bind_address(SocketAddress("127.0.0.1", 0))
        listener = ConsoleListener(answer, bound, tls=make_contexts(*pair)[HTTP2], drain_seconds=0)
        with crowd(bound.getsockname(), CROWD, hello) as callers:
            serving = asyncio.create_task(listener.serve())
            while not answered(callers):  # noqa: ASYNC110 - they are plain sockets
                await asyncio.sleep(0)
            reader, writer = await asyncio.open_connection(
                *bound.getsockname(), local_addr=("127.0.0.2", 0), ssl=trusting, server_hostname="localhost"
            )
            writer.write(b"GET /page HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert (await reader.read()).endswith(b"here")
            before = answered(callers)
            writer.close()
        listener.stop()
        await serving
        return before

    assert uvloop.run(ask()) < CROWD / 2


def test_the_end_of_many_connections_is_sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice lets go of one connection here, and the loop goes on in between."""

    async def part() -> int:
        bound = bind_address(SocketAddress("127.0.0.1", 0))
        listener = ConsoleListener(wait, bound, tls=None, drain_seconds=0)
        serving = asyncio.create_task(listener.serve())
        with crowd(bound.getsockname(), 100, HTTP2_REQUEST):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(listener.tasks) < 100:  # noqa: ASYNC110 - each turn of the loop begins some
                    await asyncio.sleep(0)
            monkeypatch.setattr(fair_scheduler, "SLICE_SECONDS", 1e-9)
        between = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while listener.connections:
                await asyncio.sleep(0)
                between += 1
        listener.stop()
        await serving
        return between

    assert uvloop.run(part()) >= 100
