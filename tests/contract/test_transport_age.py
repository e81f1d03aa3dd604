"""Connections grow old: a busy pool follows its upstream to another address, and no request fails for it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tollkeeper_server.http1.client.transport import Http1Transport

from tests.contract.peers import OK, STREAM_HEAD, Peer, Reader, Writer, listening, read_all, request_to

CALLERS = 8


async def answers_until_left(peer: Peer, reader: Reader, writer: Writer) -> None:
    """Answer every request with `ok` until the other side closes."""
    with suppress(asyncio.IncompleteReadError):
        while True:
            await peer.read(reader)
            writer.write(OK)
    peer.left.set()


@pytest.fixture
async def short_lived() -> AsyncIterator[Http1Transport]:
    """A transport whose connections are old after a twentieth of a second."""
    made = Http1Transport(max_age=0.05)
    yield made
    await made.close()


async def test_an_old_connection_is_closed_after_its_answer() -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD + b"2\r\nok\r\n")
        await peer.go.wait()
        writer.write(b"4\r\n end\r\n0\r\n\r\n")
        await peer.wait_for_eof(reader)

    transport = Http1Transport(max_age=0)
    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer))
        peer.go.set()
        assert await read_all(incoming) == b"ok end"
        await peer.left.wait()
    await transport.close()


async def test_an_old_connection_takes_no_new_request(short_lived: Http1Transport) -> None:
    async with listening(answers_until_left) as peer:
        while peer.connections < 3:
            assert await read_all(await short_lived.open(request_to(peer))) == b"ok"
        await peer.left.wait()


async def test_requests_that_wait_for_a_connection_get_one_in_place_of_an_old_one() -> None:
    transport = Http1Transport(max_age=0, limit=1)
    async with listening(answers_until_left) as peer:
        all_at_once = (transport.open(request_to(peer)) for _ in range(5))
        answers = await asyncio.gather(
            *(read_all(incoming) for incoming in await asyncio.gather(*all_at_once))
        )
    assert answers == [b"ok"] * 5
    assert peer.connections == 5
    await transport.close()


async def test_a_busy_pool_follows_a_changed_address_and_no_request_fails(
    short_lived: Http1Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **hints: int) -> Any:
        if host != "moves.test":
            return await real(host, port, **hints)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", at.port))]

    ended = 0

    async def counted(peer: Peer, reader: Reader, writer: Writer) -> None:
        nonlocal ended
        await answers_until_left(peer, reader, writer)
        ended += 1

    async with listening(counted) as before, listening(answers_until_left) as after:
        at = before
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        request = request_to(replace(before, base="http://moves.test"))

        async def ask() -> None:
            """Ask without a pause until all is at the new address, which changes after a hundred answers."""
            nonlocal at
            while not (at is after and ended == before.connections):
                assert await read_all(await short_lived.open(request)) == b"ok"
                if len(before.requests) >= 100:
                    at = after

        await asyncio.gather(*(ask() for _ in range(CALLERS)))
        asked = len(before.requests)
        assert await read_all(await short_lived.open(request)) == b"ok"
        assert len(before.requests) == asked
