"""What every transport promises, held against servers that misbehave on the wire."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    CutError,
    GarbageError,
    Outgoing,
    TimeoutExpiredError,
    Transport,
    TransportError,
)
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.http1.client.transport import Http1Transport

from tests.contract.peers import (
    CHUNKED,
    OK,
    STREAM_HEAD,
    Handler,
    Peer,
    Reader,
    Writer,
    answers,
    hangs,
    hangs_after_headers,
    keeps_answering,
    listening,
    read_all,
    request_to,
)


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """The transport that is held to its promises."""
    made = Http1Transport()
    yield made
    await made.close()


async def test_a_request_is_sent_as_it_is_given(transport: Transport) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"authorization", b"Bearer key"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
        (b"x-name", "José".encode()),
    ]
    async with listening(answers(OK)) as peer:
        incoming = await transport.open(
            request_to(peer, "PATCH", "/v1/files/a%2Fb%20c?x=%C3%A9&y=[1]", b'{"a":1}', headers)
        )
        assert await read_all(incoming) == b"ok"

    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    assert (line, body) == (b"PATCH /v1/files/a%2Fb%20c?x=%C3%A9&y=[1] HTTP/1.1", b'{"a":1}')
    sent = sorted(tuple(one.split(b": ", 1)) for one in (f[:1].lower() + f[1:] for f in fields))
    assert [(n.lower(), v) for n, v in sent] == sorted(
        [*headers, (b"host", f"127.0.0.1:{peer.port}".encode()), (b"content-length", b"7")]
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_without_a_body_none_is_announced(transport: Transport, method: str) -> None:
    async with listening(answers(b"HTTP/1.1 204 No Content\r\n\r\n")) as peer:
        incoming = await transport.open(request_to(peer, method, body=b"", headers=[]))
        assert (incoming.status, await read_all(incoming)) == (204, b"")

    names = {line.split(b":")[0].lower() for line in peer.requests[0].split(b"\r\n")[1:] if line}
    assert names <= {b"host", b"content-length"}
    assert b"content-length: 0" in peer.requests[0].lower() or b"content-length" not in names


async def test_status_and_headers_are_kept_as_they_came(transport: Transport) -> None:
    head = (
        b"HTTP/1.1 299 Odd Reason\r\nX-Name: caf\xe9 \xff\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Encoding: gzip\r\nX-Empty:\r\nContent-Length: 3\r\n\r\n"
    )
    async with listening(answers(head + b"\x1f\x8b\x00")) as peer:
        incoming = await transport.open(request_to(peer))
        assert await read_all(incoming) == b"\x1f\x8b\x00"

    assert incoming.status == 299
    assert incoming.headers == [
        (b"X-Name", b"caf\xe9 \xff"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Encoding", b"gzip"),
        (b"X-Empty", b""),
        (b"Content-Length", b"3"),
    ]


async def test_no_cookie_and_no_redirect_is_followed(transport: Transport) -> None:
    moved = b"HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
    async with listening(keeps_answering(moved, OK)) as peer:
        first = await transport.open(request_to(peer))
        assert (first.status, await read_all(first)) == (307, b"")
        await read_all(await transport.open(request_to(peer)))

    assert b"cookie" not in peer.requests[1].lower()
    assert peer.requests[1].startswith(b"POST /v1/x ")


@pytest.mark.parametrize(
    ("answer", "method", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "POST", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "GET", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "HEAD", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "POST", b""),
        (CHUNKED + b"0\r\n\r\n", "POST", b""),
        (CHUNKED + b"2\r\nok\r\n3;x=y\r\n yo\r\n0\r\nX-Trailer: 1\r\n\r\n", "POST", b"ok yo"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, "POST", b"ok"),
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, "POST", b"ok"),
    ],
)
async def test_every_framing_is_understood_and_the_connection_kept(
    transport: Transport, answer: bytes, method: str, body: bytes
) -> None:
    async with listening(keeps_answering(answer, OK)) as peer:
        asked = b"" if method in {"GET", "HEAD"} else b"{}"
        incoming = await transport.open(request_to(peer, method, body=asked))
        assert await read_all(incoming) == body
        incoming.close()
        assert await read_all(await transport.open(request_to(peer))) == b"ok"

    assert peer.connections == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_may_end_with_the_connection(transport: Transport, version: bytes) -> None:
    async with listening(
        answers(b"HTTP/" + version + b" 200 OK\r\nConnection: close\r\n\r\n", b"all", b" of it")
    ) as peer:
        incoming = await transport.open(request_to(peer))
        assert await read_all(incoming) == b"all of it"


async def test_an_answer_in_single_bytes_is_an_answer(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        for byte in CHUNKED + b"5\r\nhello\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)

    async with listening(handler) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"hello"


async def test_chunks_are_there_before_the_next_is_sent(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD)
        for number in range(3):
            await peer.go.wait()
            peer.go.clear()
            writer.write(b"3\r\n%d\n\n\r\n" % number)
        writer.write(b"0\r\n\r\n")

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer))
        chunks = incoming.chunks()
        for number in range(3):
            peer.go.set()
            assert await anext(chunks) == b"%d\n\n" % number
        assert [chunk async for chunk in chunks] == []


async def test_a_large_body_passes_both_ways(transport: Transport) -> None:
    size = 3 * 1024 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    async with listening(answers(head, b"a" * size)) as peer:
        incoming = await transport.open(request_to(peer, body=b"b" * size))
        assert len(await read_all(incoming)) == size

    assert peer.requests[0].endswith(b"\r\n\r\n" + b"b" * size)


async def test_cancelling_the_wait_closes_the_connection(transport: Transport) -> None:
    async with listening(hangs) as peer:
        opening = asyncio.ensure_future(transport.open(request_to(peer)))
        await peer.go.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await peer.left.wait()


async def test_letting_go_of_an_answer_closes_the_connection(transport: Transport) -> None:
    async with listening(hangs_after_headers) as peer:
        incoming = await transport.open(request_to(peer))
        assert await anext(incoming.chunks()) == b"ok"
        incoming.close()
        await peer.left.wait()


async def test_cancelling_the_read_and_letting_go_closes_the_connection(transport: Transport) -> None:
    async with listening(hangs_after_headers) as peer:
        incoming = await transport.open(request_to(peer))
        chunks = incoming.chunks()
        assert await anext(chunks) == b"ok"
        reading = asyncio.ensure_future(_next(chunks))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        incoming.close()
        await peer.left.wait()


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks)


async def test_a_refused_connection_is_told(transport: Transport) -> None:
    async with listening(hangs) as peer:
        pass
    with pytest.raises(ConnectError, match="refused"):
        await transport.open(request_to(peer))


@pytest.mark.parametrize("url", ["http://[::1/", "http:///x", "nonsense", "http://127.0.0.1:99999/"])
async def test_a_url_that_can_not_be_used_is_told(transport: Transport, url: str) -> None:
    request = Outgoing("GET", url, [], b"", Timeouts(connect=5))
    with pytest.raises(TransportError):
        await transport.open(request)


async def test_errors_show_neither_address_nor_secret(transport: Transport) -> None:
    async with listening(hangs) as peer:
        pass
    request = request_to(peer, path="/canary?canary=1", headers=[(b"authorization", b"Bearer canary")])
    with pytest.raises(TransportError) as caught:
        await transport.open(request)
    assert "canary" not in str(caught.value)
    assert str(peer.port) not in str(caught.value)
    assert "canary" not in repr(request.headers) or "canary" not in repr(request).replace(request.url, "")


def _closes_after(received: bytes, *, reset: bool) -> Handler:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        if received:
            writer.write(received)
            await writer.drain()
        if reset:
            writer.transport.abort()

    return handler


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("received", [b"", b"HTTP", b"HTTP/1.1 200 OK\r\nContent-Ty"])
async def test_a_connection_that_ends_before_the_headers_is_cut(
    transport: Transport, received: bytes, reset: bool
) -> None:
    async with listening(_closes_after(received, reset=reset)) as peer:
        with pytest.raises(CutError):
            await transport.open(request_to(peer))

    assert len(peer.requests) == 1


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    "received",
    [
        CHUNKED,
        CHUNKED + b"5\r\nhel",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
    ],
)
async def test_a_body_that_breaks_off_is_cut(transport: Transport, received: bytes, reset: bool) -> None:
    async with listening(_closes_after(received, reset=reset)) as peer:
        with pytest.raises(CutError):
            await read_all(await transport.open(request_to(peer)))

    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    ],
)
async def test_garbage_is_told_from_an_answer(transport: Transport, garbage: bytes) -> None:
    async with listening(answers(garbage)) as peer:
        with pytest.raises(GarbageError):
            await transport.open(request_to(peer))


async def test_garbage_in_a_body_is_no_body(transport: Transport) -> None:
    async with listening(answers(CHUNKED + b"zz\r\nhello\r\n")) as peer:
        with pytest.raises(TransportError):
            await read_all(await transport.open(request_to(peer)))


async def test_large_headers_within_bounds_pass(transport: Transport) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nok"
    async with listening(answers(answer)) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"


async def test_silence_before_the_headers_times_out(transport: Transport) -> None:
    async with listening(hangs) as peer:
        with pytest.raises(TimeoutExpiredError):
            await transport.open(request_to(peer, first_byte=0.05))
        await peer.left.wait()


async def test_silence_after_the_headers_times_out_by_its_own_limit(transport: Transport) -> None:
    async with listening(hangs_after_headers) as peer:
        incoming = await transport.open(request_to(peer, idle=0.05))
        with pytest.raises(TimeoutExpiredError):
            await read_all(incoming)
        incoming.close()
        await peer.left.wait()


async def test_a_pause_within_the_idle_limit_is_none_for_the_first_byte(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD)
        await peer.go.wait()
        writer.write(b"2\r\nok\r\n0\r\n\r\n")

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer, first_byte=0.2))
        asyncio.get_running_loop().call_later(0.4, peer.go.set)
        assert await read_all(incoming) == b"ok"


async def test_an_answer_that_never_ends_times_out_in_all(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(STREAM_HEAD)
        while not peer.left.is_set():
            writer.write(b"2\r\nok\r\n")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with listening(handler) as peer:
        with pytest.raises(TimeoutExpiredError):
            await read_all(await transport.open(request_to(peer, total=0.2)))
        peer.left.set()


def _dies_when_used_again(received: bytes, *, reset: bool = False) -> Handler:
    """Answer once a connection, then takes a request on it and closes after a few bytes."""

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(OK)
        await peer.read(reader)
        writer.write(received)
        await writer.drain()
        if reset:
            writer.transport.abort()

    return handler


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    "received", [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX"]
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_that_a_kept_connection_took_is_never_sent_again(
    transport: Transport, method: str, received: bytes, reset: bool
) -> None:
    async with listening(_dies_when_used_again(received, reset=reset)) as peer:
        assert await read_all(await transport.open(request_to(peer, method))) == b"ok"
        with pytest.raises(CutError):
            await transport.open(request_to(peer, method))

    assert (peer.connections, len(peer.requests)) == (1, 2)


async def test_a_connection_closed_while_idle_is_not_used(transport: Transport) -> None:
    async with listening(answers(OK)) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
        await peer.closed.wait()
        assert await read_all(await transport.open(request_to(peer))) == b"ok"

    assert len(peer.requests) == 2


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("length", "body"),
    [(9, b"\r\n\r\npart part"), (None, b"\r\n\r\n5\r\npart \r\n4\r\npart\r\n0\r\n\r\n")],
)
async def test_a_body_is_streamed_with_and_without_its_length(
    transport: Transport, length: int | None, body: bytes
) -> None:
    async with listening(answers(OK)) as peer:
        request = request_to(peer, body=_pieces(b"part ", b"part"), length=length)
        assert await read_all(await transport.open(request)) == b"ok"

    assert peer.requests[0].endswith(body)


async def test_a_streamed_body_is_on_its_way_before_it_has_ended(transport: Transport) -> None:
    arrived = asyncio.Event()

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"first")
        arrived.set()
        await reader.readuntil(b"second")
        writer.write(OK)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"second"

    async with listening(handler) as peer:
        assert await read_all(await transport.open(request_to(peer, body=pieces(), length=11))) == b"ok"


async def test_a_streamed_body_goes_on_a_new_connection(transport: Transport) -> None:
    async with listening(_dies_when_used_again(b"")) as peer:
        assert await read_all(await transport.open(request_to(peer))) == b"ok"
        incoming = await transport.open(request_to(peer, body=_pieces(b"part"), length=4))
        assert await read_all(incoming) == b"ok"

    assert (peer.connections, len(peer.requests)) == (2, 2)


async def test_a_streamed_body_is_never_sent_twice(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)

    async with listening(handler) as peer:
        with pytest.raises(CutError):
            await transport.open(request_to(peer, body=_pieces(b"part"), length=4))

    assert (peer.connections, len(peer.requests)) == (1, 1)


async def test_a_body_that_fails_while_it_streams_fails_the_request(transport: Transport) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"part"
        raise LookupError("canary")

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.wait_for_eof(reader)

    async with listening(handler) as peer:
        with pytest.raises(TransportError) as caught:
            await transport.open(request_to(peer, body=pieces(), length=9))
        assert "canary" not in str(caught.value)
        await peer.left.wait()


async def test_an_answer_before_the_end_of_a_streamed_body_is_an_answer(transport: Transport) -> None:
    answered = asyncio.Event()

    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"first")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await peer.wait_for_eof(reader)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await answered.wait()

    async with listening(handler) as peer:
        incoming = await transport.open(request_to(peer, body=pieces(), length=99))
        assert (incoming.status, await read_all(incoming)) == (413, b"no")
        incoming.close()
        answered.set()
        await peer.left.wait()


async def test_many_requests_run_at_the_same_time(transport: Transport) -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        if peer.connections == 120:
            peer.go.set()
        await peer.go.wait()
        writer.write(OK)

    async with listening(handler) as peer:
        answers = await asyncio.gather(*(transport.open(request_to(peer)) for _ in range(120)))
        assert [await read_all(incoming) for incoming in answers] == [b"ok"] * 120
