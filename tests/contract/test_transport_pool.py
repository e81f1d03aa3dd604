"""What the transport on httptools promises of the connections it keeps, and of those it gives up."""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress

import pytest
from tollkeeper_server.dataplane.transport import ConnectError, CutError, GarbageError, TimeoutExpiredError
from tollkeeper_server.http1.client.transport import Http1Transport

from tests.contract.peers import (
    CHUNKED,
    OK,
    STREAM_HEAD,
    Peer,
    Reader,
    Writer,
    hangs,
    hangs_after_headers,
    keeps_answering,
    listening,
    read_all,
    request_to,
)


@pytest.fixture
async def transport() -> AsyncIterator[Http1Transport]:
    """A transport without limits."""
    made = Http1Transport()
    yield made
    await made.close()


async def test_the_connection_used_last_is_used_next(transport: Http1Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        number = peer.connections
        if number == 2:
            peer.go.set()
        while True:
            await peer.read(reader)
            await peer.go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    async with listening(handler) as peer:
        both = await asyncio.gather(transport.open(request_to(peer)), transport.open(request_to(peer)))
        kept = [await read_all(incoming) for incoming in both]
        again = [await read_all(await transport.open(request_to(peer))) for _ in range(3)]

    assert sorted(kept) == [b"1", b"2"]
    assert len(set(again)) == 1
    assert peer.connections == 2


async def test_a_connection_is_free_again_before_its_answer_is_read(transport: Http1Transport) -> None:
    async with listening(keeps_answering(OK, OK)) as peer:
        first = await transport.open(request_to(peer))
        second = await transport.open(request_to(peer))
        assert (await read_all(first), await read_all(second)) == (b"ok", b"ok")

    assert peer.connections == 1


async def test_a_connection_that_was_idle_for_too_long_is_closed() -> None:
    transport = Http1Transport(keepalive=0.05)
    async with listening(keeps_answering(OK)) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
        await peer.left.wait()
    await transport.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"more",
        OK + OK,
        OK + b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_is_not_in_order_is_not_kept(
    transport: Http1Transport, answer: bytes
) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(answer)
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
        await peer.left.wait()
        assert await read_all(await transport.open(request_to(peer))) == b"ok"

    assert peer.connections == 2


@pytest.mark.parametrize("framing", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
async def test_a_body_where_none_may_be_costs_the_connection(
    transport: Http1Transport, framing: bytes
) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        assert await read_all(await transport.open(request_to(peer, "HEAD", body=b""))) == b""
        await peer.left.wait()


async def test_what_comes_unasked_costs_the_connection(transport: Http1Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(OK)
        await peer.go.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
        peer.go.set()
        await peer.left.wait()


async def test_silence_on_a_kept_connection_is_no_reason_to_send_again(transport: Http1Transport) -> None:
    async with listening(keeps_answering(OK)) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
        with pytest.raises(TimeoutExpiredError):
            await transport.open(request_to(peer, first_byte=0.05))
        await peer.left.wait()

    assert peer.connections == 1


@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_kept_connections_that_died_are_found_out_before_a_request_goes_out(
    transport: Http1Transport, last: bytes
) -> None:
    """All three have died by the time of the fourth request, though the loop has read of none of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as open_ones:
        peer = Peer(base=f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> socket.socket:
            connection = open_ones.enter_context(listener.accept()[0])
            while not connection.recv(65536).endswith(b"{}"):
                pass
            return connection

        answering = [asyncio.create_task(transport.open(request_to(peer))) for _ in range(3)]
        kept = [await asyncio.to_thread(serve) for _ in range(3)]
        for connection in kept:
            connection.sendall(OK)
        for incoming in await asyncio.gather(*answering):
            assert await read_all(incoming) == b"ok"
        for connection in kept:
            connection.sendall(last)
            connection.shutdown(socket.SHUT_WR)
        fourth = transport.open(request_to(peer))
        fresh = asyncio.create_task(asyncio.to_thread(lambda: serve().sendall(OK)))
        assert await read_all(await fourth) == b"ok"
        await fresh
        for connection in kept:
            with suppress(ConnectionResetError):
                assert connection.recv(65536) == b""


async def test_no_more_connections_than_the_limit() -> None:
    full = asyncio.Event()

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        if peer.connections == 2:
            full.set()
        while True:
            await peer.read(reader)
            await peer.go.wait()
            writer.write(OK)

    transport = Http1Transport(limit=2)
    async with listening(handler) as peer:
        waiting = [asyncio.ensure_future(transport.open(request_to(peer))) for _ in range(9)]
        await full.wait()
        with pytest.raises(ConnectError, match="in time"):
            await transport.open(request_to(peer, connect=0.05))
        waiting[5].cancel()
        peer.go.set()
        for number, opening in enumerate(waiting):
            if number != 5:
                assert await read_all(await opening) == b"ok"
        assert peer.connections == 2
        await transport.close()


async def test_who_waits_for_a_connection_gets_the_place_of_one_that_broke() -> None:
    transport = Http1Transport(limit=1)
    async with listening(hangs) as peer:
        first = asyncio.ensure_future(transport.open(request_to(peer)))
        await peer.go.wait()
        peer.go.clear()
        second = asyncio.ensure_future(transport.open(request_to(peer)))
        await asyncio.sleep(0)
        first.cancel()
        await peer.go.wait()
        second.cancel()
        for opening in (first, second):
            with pytest.raises(asyncio.CancelledError):
                await opening

    assert peer.connections == 2
    await transport.close()


async def test_closing_tells_everyone_and_opens_no_more(transport: Http1Transport) -> None:
    async with listening(hangs_after_headers) as peer:
        incoming = await transport.open(request_to(peer))
        chunks = incoming.chunks()
        assert await anext(chunks) == b"ok"
        await transport.close()
        await peer.left.wait()
        with pytest.raises(CutError):
            await anext(chunks)
        with pytest.raises(ConnectError):
            await transport.open(request_to(peer))


async def test_a_slow_reader_makes_the_upstream_wait_and_is_no_silence(transport: Http1Transport) -> None:
    size = 24 * 1024 * 1024
    stopped = asyncio.Event()

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(bytes(size - 1))
        drained = asyncio.ensure_future(writer.drain())
        done, _ = await asyncio.wait([drained], timeout=0.3)
        if not done:
            stopped.set()
        await drained
        writer.write(b"!")

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer, idle=0.1))
        await stopped.wait()
        body = await read_all(incoming)
        assert (len(body), body[-1:]) == (size, b"!")


async def test_a_streamed_body_waits_for_the_upstream(transport: Http1Transport) -> None:
    produced = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal produced
        for _ in range(400):
            produced += 1
            yield bytes(65536)

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as one that only writes
        await asyncio.sleep(0.2)
        assert produced < 400
        peer.go.set()
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        await reader.readexactly(400 * 65536)
        writer.write(OK)

    async with listening(handler) as peer:
        request = request_to(peer, body=pieces(), length=400 * 65536)
        assert await read_all(await transport.open(request)) == b"ok"
        assert peer.go.is_set()


async def test_an_upstream_that_takes_no_more_of_a_body_times_out(transport: Http1Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as one that only writes
        await peer.left.wait()

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async with listening(handler) as peer:
        with pytest.raises(TimeoutExpiredError):
            await transport.open(request_to(peer, body=pieces(), idle=0.1))
        peer.left.set()


@pytest.mark.parametrize("pieces", [[b"too ", b"long"], [b"short"[:3]], []])
async def test_a_body_that_is_not_as_long_as_announced_is_not_sent_as_if(
    transport: Http1Transport, pieces: list[bytes]
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        peer.requests.append(await reader.read())
        peer.left.set()

    async with listening(handler) as peer:
        with pytest.raises(CutError, match="as long"):
            await transport.open(request_to(peer, body=stream(), length=5))
        await peer.left.wait()
        assert len(peer.requests[0].partition(b"\r\n\r\n")[2]) < 5


async def test_a_whole_answer_ends_the_sending_of_a_body(transport: Http1Transport) -> None:
    ended = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"first")
        writer.write(OK)
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        assert await read_all(await transport.open(request_to(peer, body=pieces()))) == b"ok"
        await ended.wait()
        await peer.left.wait()


async def test_an_answer_may_come_while_a_body_is_still_sent(transport: Http1Transport) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await peer.go.wait()
        yield b"second"

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"first")
        writer.write(CHUNKED + b"2\r\nok\r\n")
        await reader.readuntil(b"second\r\n0\r\n\r\n")
        writer.write(b"4\r\n too\r\n0\r\n\r\n")
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer, body=pieces()))
        assert await anext(incoming.chunks()) == b"ok"
        peer.go.set()
        assert await read_all(incoming) == b" too"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 X\r\n\r\n",
        b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 104 X\r\nContent-Length: 2\r\n\r\nok" + OK,
        CHUNKED + b"1;" + b"x" * 70_000,
        CHUNKED + b"0\r\n" + b"T: x\r\n" * 20_000,
    ],
)
async def test_more_garbage_is_told(transport: Http1Transport, answer: bytes) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(answer)
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        with pytest.raises(GarbageError):
            await read_all(await transport.open(request_to(peer)))
        await peer.left.wait()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not used


async def test_ten_thousand_cancellations_leave_nothing_behind(transport: Http1Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if peer.connections % 2:
            writer.write(STREAM_HEAD + b"2\r\nok\r\n")
        await peer.wait_for_eof(reader)

    async def cancelled(peer: Peer, number: int) -> None:
        task = asyncio.ensure_future(_opened_and_read(transport, peer))
        # At every stage: before it begins, while it connects, waits and reads.
        for _ in range(number % 13):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async with listening(handler) as peer:
        await cancelled(peer, 12)
        tasks, files = len(asyncio.all_tasks()), _open_files()
        for batch in range(100):
            await asyncio.gather(*(cancelled(peer, batch + number) for number in range(100)))
        async with asyncio.timeout(10):
            while len(asyncio.all_tasks()) > tasks or _open_files() > files:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
        assert all(pool.is_unused for pool in transport._pools.values())
        gc.collect()


async def _opened_and_read(transport: Http1Transport, peer: Peer) -> None:
    await read_all(await transport.open(request_to(peer)))
