"""An answer's head, and how its body is framed."""

import asyncio

import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.http1.framing import encode_head
from tollkeeper_server.http1.server.connection import CallerConnection

from tests.unit.http1.server.served import GET, Header, part, served, start, whole

IN_CHUNKS = b"200 OK\r\ntransfer-encoding: chunked"
LENGTH_2 = (b"content-length", b"2")


def test_a_head_is_the_status_line_the_headers_and_a_blank_line() -> None:
    head = encode_head(201, [(b"a", b"1"), (b"b", b"")], b"c: 3")
    assert head == b"HTTP/1.1 201 Created\r\na: 1\r\nb: \r\nc: 3\r\n\r\n"


def test_a_status_without_a_phrase_keeps_its_space() -> None:
    assert encode_head(599, []) == b"HTTP/1.1 599 \r\n\r\n"


@pytest.mark.parametrize("evil", [b"\r\n", b"\r", b"\n", b"\0", b"1\r\nset-cookie: a=b"])
def test_a_header_that_would_be_read_as_more_than_one_is_refused(evil: bytes) -> None:
    with pytest.raises(ValueError, match="line break or NUL"):
        encode_head(200, [(b"a", evil)])
    with pytest.raises(ValueError, match="line break or NUL"):
        encode_head(200, [(evil, b"1")])
    with pytest.raises(ValueError, match="line break or NUL"):
        encode_head(200, [], b"a: " + evil)


@pytest.mark.parametrize("status", [-200, 0, 100, 101, 199, 600, 1000])
def test_what_is_not_the_status_of_an_answer_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="is not the status"):
        encode_head(status, [])


async def test_a_head_that_is_refused_never_reaches_the_caller() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"hi", (b"a", b"1\r\nb: 2"))

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.rest() == b""


async def test_a_head_and_the_first_part_go_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[tuple[bytes, ...]] = []
    write = CallerConnection.write

    def observed(connection: CallerConnection, *pieces: bytes) -> None:
        writes.append(pieces)
        write(connection, *pieces)

    monkeypatch.setattr(CallerConnection, "write", observed)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"hi")

    async with served(app) as door:
        line = await door.connect()
        line.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await line.reader.read(1 << 16) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
        assert len(writes) == 1  # two would be read at once here as well, but not over a network


async def test_a_head_goes_out_alone_when_the_body_does_not_come() -> None:
    seen = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send, LENGTH_2)
        await seen.wait()
        await part(send, b"hi", more=False)

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.reader.read(1 << 16) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
        seen.set()
        assert await line.reader.read(1 << 16) == b"hi"


@pytest.mark.parametrize(
    ("request_line", "status", "headers", "head", "body"),
    [
        ("GET / HTTP/1.1", 200, [], IN_CHUNKS, b"2\r\nhi\r\n2\r\nho\r\n0\r\n\r\n"),
        ("GET / HTTP/1.1", 200, [(b"content-length", b"4")], b"200 OK\r\ncontent-length: 4", b"hiho"),
        ("HEAD / HTTP/1.1", 200, [(b"content-length", b"4")], b"200 OK\r\ncontent-length: 4", b""),
        ("HEAD / HTTP/1.1", 200, [], b"200 OK", b""),
        ("GET / HTTP/1.1", 204, [], b"204 No Content", b""),
        ("GET / HTTP/1.1", 304, [(b"etag", b"x")], b"304 Not Modified\r\netag: x", b""),
    ],
)  # fmt: skip
async def test_framing_keeps_the_connection(
    request_line: str, status: int, headers: list[Header], head: bytes, body: bytes
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/next":
            await whole(send, b"next")
            return
        await start(send, *headers, status=status)
        await part(send, b"hi")
        await part(send, b"")  # is not the last chunk
        await part(send, b"ho", more=False)

    async with served(app) as door:
        line = await door.connect()
        line.send(request_line.encode() + b"\r\nhost: a\r\n\r\n")
        expected = b"HTTP/1.1 %b\r\n\r\n%b" % (head, body)
        assert await line.reader.readexactly(len(expected)) == expected
        line.send(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")
        assert await line.answer() == b"next"


async def test_a_large_body_is_whole() -> None:
    body = bytes(range(256)) * 4096

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, body)

    async with served(app) as door:
        line = await door.connect()
        for _ in range(2):
            line.send(GET)
            assert await line.answer() == body


async def test_http_1_0_without_a_length_ends_with_the_connection() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"hi")
        await part(send, b"ho", more=False)

    async with served(app) as door:
        line = await door.connect()
        line.send(b"GET / HTTP/1.0\r\n\r\n")
        assert await line.rest() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhiho"


async def test_an_answer_that_asks_for_the_end_of_the_connection_gets_it_once() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"hi", (b"connection", b"close"))

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.rest() == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"


async def test_http_1_0_without_a_length_is_reset_when_the_application_breaks_off() -> None:
    seen = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"hi")
        await seen.wait()
        raise RuntimeError("the provider went away")

    async with served(app) as door:
        line = await door.connect()
        line.send(b"GET / HTTP/1.0\r\n\r\n")
        assert await line.head()
        assert await line.reader.readexactly(2) == b"hi"
        seen.set()
        with pytest.raises(ConnectionResetError):
            await line.rest()


async def test_a_broken_chunked_answer_closes_without_the_last_chunk() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"hi")
        raise RuntimeError("the provider went away")

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert (await line.head()).endswith(b"transfer-encoding: chunked\r\n\r\n")
        assert await line.rest() == b"2\r\nhi\r\n"


@pytest.mark.parametrize(
    ("parts", "arrives"),
    [([b"h"], b""), ([b"hi!"], b""), ([b"hi!", b""], b""), ([b"h", b""], b"h"), ([b"h", b"i!"], b"h")],
)
async def test_a_body_that_is_not_as_long_as_its_head_says_is_an_error_that_closes(
    parts: list[bytes], arrives: bytes
) -> None:
    failed: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        try:
            await start(send, LENGTH_2)
            for body in parts[:-1]:
                await part(send, body)
            await part(send, parts[-1], more=False)
        except RuntimeError as error:
            failed.append(str(error))
            raise

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert (await line.rest()).partition(b"\r\n\r\n")[2] == arrives
        assert failed == ["the answer's body is not as long as its head says"]


async def test_an_answer_that_does_not_end_closes() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send, LENGTH_2)

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.rest() == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


async def test_an_answer_has_one_head_before_its_body_and_nothing_after_its_end() -> None:
    errors: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for step in (
            part(send, b"early"),
            start(send, LENGTH_2),
            start(send, LENGTH_2),
            part(send, b"hi", more=False),
            part(send, b"late", more=False),
        ):
            try:
                await step
            except RuntimeError as error:
                errors.append(str(error))

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b"hi"
        assert len(errors) == 3
