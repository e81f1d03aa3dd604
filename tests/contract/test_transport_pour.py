"""Pouring an answer's body: every byte, in order, pushed as it arrives, and stopped where asked."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tollkeeper_server.dataplane.transport import CutError, Transport
from tollkeeper_server.http1.client.transport import Http1Transport

from tests.contract.peers import (
    CHUNKED,
    DEADLINE,
    STREAM_HEAD,
    Peer,
    Reader,
    Writer,
    answers,
    listening,
    request_to,
)

LARGE = bytes(range(256)) * 8192


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """The transport that is held to its promises."""
    made = Http1Transport()
    yield made
    await made.close()


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def test_pieces_are_pushed_as_they_arrive(transport: Transport) -> None:
    arrived = asyncio.Event()
    poured: list[bytes] = []

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD)
        for number in range(20):
            writer.write(_chunk(b"event %d" % number))
            await arrived.wait()  # the next is not sent before this one was handed over
            arrived.clear()
        writer.write(b"0\r\n\r\n")

    def take(piece: bytes) -> bool:
        poured.append(piece)
        arrived.set()
        return True

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer))
        assert await incoming.pour(take)

    assert poured == [b"event %d" % number for number in range(20)]


@pytest.mark.parametrize("every", [1, 2, 7])
async def test_who_takes_no_more_is_given_nothing_until_asked_again(transport: Transport, every: int) -> None:
    poured = bytearray()
    pieces = stops = 0
    pouring = False

    def take(piece: bytes) -> bool:
        nonlocal pieces
        assert pouring
        poured.extend(piece)
        pieces += 1
        return pieces % every != 0

    async with listening(answers(CHUNKED, *(_chunk(LARGE) for _ in range(4)), b"0\r\n\r\n")) as peer:
        incoming = await transport.open(request_to(peer))
        ended = False
        while not ended:
            pouring = True
            ended = await incoming.pour(take)
            pouring = False
            stops += 1
            await asyncio.sleep(0)

    assert poured == LARGE * 4
    assert stops == pieces // every + 1


async def test_what_came_before_a_cut_is_poured_and_then_the_cut_told(transport: Transport) -> None:
    poured = bytearray()

    def take(piece: bytes) -> bool:
        poured.extend(piece)
        return True

    async with listening(answers(STREAM_HEAD, _chunk(b"half"))) as peer:
        incoming = await transport.open(request_to(peer))
        with pytest.raises(CutError):
            await incoming.pour(take)

    assert poured == b"half"


async def test_an_error_of_the_taker_is_raised_and_closes_the_connection(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD)
        await writer.drain()
        await peer.go.wait()
        writer.write(_chunk(b"one"))
        await peer.wait_for_eof(reader)

    def take(_piece: bytes) -> bool:
        raise KeyError("taker")

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer))
        pouring = asyncio.create_task(incoming.pour(take))
        await asyncio.sleep(0)
        peer.go.set()
        with pytest.raises(KeyError, match="taker"):
            await pouring
        incoming.close()
        await peer.left.wait()


async def test_cancelling_closes_the_connection(transport: Transport) -> None:
    first = asyncio.Event()

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD + _chunk(b"one"))
        await peer.wait_for_eof(reader)

    def take(_piece: bytes) -> bool:
        first.set()
        return True

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer))
        pouring = asyncio.create_task(incoming.pour(take))
        async with asyncio.timeout(DEADLINE):
            await first.wait()
        pouring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pouring
        await peer.left.wait()


async def test_the_connection_serves_on_after_a_body_was_poured(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        for _ in range(3):
            await peer.read(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
            await writer.drain()

    poured = bytearray()

    def take(piece: bytes) -> bool:
        poured.extend(piece)
        return True

    async with listening(handler) as peer:
        for _ in range(3):
            incoming = await transport.open(request_to(peer))
            assert await incoming.pour(take)
            incoming.close()
        assert poured == b"whole" * 3
        assert peer.connections == 1


async def test_a_whole_body_is_taken_once_all_of_it_is_there(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwh")
        await peer.go.wait()
        writer.write(b"ole")

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer))
        assert incoming.whole_body() == b"whole"
        incoming = await transport.open(request_to(peer))
        assert incoming.whole_body() is None
        peer.go.set()
        assert b"".join([chunk async for chunk in incoming.chunks()]) == b"whole"
