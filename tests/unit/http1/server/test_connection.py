"""A connection: requests in their order, and what is not a request."""

import asyncio

import msgspec
import pytest
from tollkeeper_server.dataplane.caller import EXTENSION, MAX_HEADER_BYTES, Message, Receive, Send
from tollkeeper_server.http1.server.refusal import MAX_REQUEST_HEAD_BYTES

from tests.unit.http1.server.served import (
    GET,
    Line,
    caller_of,
    echo,
    part,
    post,
    read_body,
    served,
    start,
    whole,
)

CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


async def expect_refusal(line: Line, status: int, code: str) -> None:
    """Read a refusal that this server made by itself, and the end of the connection."""
    lines = (await line.head()).lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 %d " % status)
    assert b"connection: close" in lines
    assert b"content-type: application/json" in lines
    assert any(found.startswith(b"x-request-id: req_") for found in lines)
    error = msgspec.json.decode(await line.rest())["error"]
    assert error["code"] == code


async def test_requests_are_answered_in_the_order_they_came() -> None:
    running = 0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal running
        running += 1
        assert running == 1
        body = await read_body(receive)
        await asyncio.sleep(0)
        running -= 1
        await whole(send, scope["raw_path"] + b":" + body)

    async with served(app) as door:
        line = await door.connect()
        line.send(b"".join(post(b"%d" % n, path=b"/%d" % n) for n in range(50)))
        assert [await line.answer() for _ in range(50)] == [b"/%d:%d" % (n, n) for n in range(50)]
        line.send(post(b"!", path=b"/after"))
        assert await line.answer() == b"/after:!"


async def test_a_request_whose_body_is_late_is_answered_after_the_one_before() -> None:
    async with served(echo) as door:
        line = await door.connect()
        second = post(b"late", path=b"/2")
        line.send(post(b"x", path=b"/1") + second[:-4])
        assert await line.answer() == b"/1:x"
        line.send(second[-4:])
        assert await line.answer() == b"/2:late"


async def test_a_head_may_come_byte_by_byte() -> None:
    async with served(echo) as door:
        line = await door.connect()
        for byte in post(b"hi", path=b"/slow"):
            line.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await line.answer() == b"/slow:hi"


async def test_the_scope_says_what_was_asked() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        asked = [
            scope[key] for key in ("method", "path", "raw_path", "query_string", "http_version", "headers")
        ]
        await whole(send, repr(asked).encode())

    async with served(app) as door:
        line = await door.connect()
        line.send(b"GET /a%20b?c=%20d HTTP/1.1\r\nX-A: One\r\nhost: a\r\n\r\n")
        line.send(b"GET http://h/p?q HTTP/1.1\r\nHost:h\r\n\r\n")
        headers = [(b"x-a", b"One"), (b"host", b"a")]
        expected = ["GET", "/a b", b"/a%20b", b"c=%20d", "1.1", headers]
        assert await line.answer() == repr(expected).encode()
        assert await line.answer() == repr(["GET", "/p", b"/p", b"q", "1.1", [(b"host", b"h")]]).encode()


UPGRADE = (
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA"
)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    "request_",
    [
        post(b"hi", UPGRADE),
        CHUNKED[:-2] + UPGRADE + b"\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
    ],
)
async def test_a_request_that_offers_another_protocol_is_served_as_http(
    request_: bytes, at_once: bool
) -> None:
    async with served(echo) as door:
        line = await door.connect()
        following = post(b"next", path=b"/2")
        if at_once:
            line.send(request_ + following)
        else:
            head, blank, body = request_.partition(b"\r\n\r\n")
            line.send(head + blank)
            await line.writer.drain()
            line.send(body)
        assert await line.answer() == b"/:hi"
        if not at_once:
            line.send(following)
        assert await line.answer() == b"/2:next"


async def test_a_request_without_a_body_that_offers_another_protocol_is_served_too() -> None:
    async with served(echo) as door:
        line = await door.connect()
        line.send(GET[:-2] + UPGRADE + b"\r\n\r\n" + GET)
        assert [await line.answer(), await line.answer()] == [b"/:", b"/:"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\na b: c\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused(garbage: bytes) -> None:
    async with served(echo) as door:
        line = await door.connect()
        line.send(garbage)
        await expect_refusal(line, 400, "invalid_argument")


@pytest.mark.parametrize(
    "garbage", [b"\0\0\0\0", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"]
)
async def test_what_was_asked_before_is_answered_before_the_refusal(garbage: bytes) -> None:
    reached, may_answer = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        reached.set()
        await may_answer.wait()
        await whole(send, b"first")

    async with served(app) as door:
        line = await door.connect()
        line.send(GET + garbage)
        await reached.wait()
        may_answer.set()
        assert await line.answer() == b"first"
        await expect_refusal(line, 400, "invalid_argument")


async def test_a_body_that_breaks_its_framing_is_refused_and_the_application_told() -> None:
    said: list[str] = []
    reached, told = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        reached.set()
        said.append((await receive())["type"])
        await whole(send, b"goes nowhere")
        told.set()

    async with served(app) as door:
        line = await door.connect()
        line.send(CHUNKED + b"1\r\nh\r\n")
        await reached.wait()
        line.send(b"zz\r\n" + b"x" * 16 * MAX_REQUEST_HEAD_BYTES)
        await told.wait()
        await line.writer.drain()
        await expect_refusal(line, 400, "invalid_argument")
        assert said == ["http.disconnect"]


async def test_a_body_that_breaks_its_framing_during_the_answer_ends_the_connection() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"hi")
        while (await receive())["type"] != "http.disconnect":
            pass

    async with served(app) as door:
        line = await door.connect()
        line.send(CHUNKED + b"1\r\nh\r\n")
        await line.head()
        line.send(b"zz\r\n")
        assert await line.rest() == b"2\r\nhi\r\n"


async def test_a_body_that_breaks_its_framing_after_the_answer_ends_the_connection() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"hi")

    async with served(app) as door:
        line = await door.connect()
        line.send(CHUNKED + b"1\r\nh\r\n")
        assert await line.answer() == b"hi"
        line.send(b"zz\r\n")
        assert await line.rest() == b""


async def test_a_head_that_never_ends_is_refused_and_the_caller_reads_so() -> None:
    async with served(echo) as door:
        line = await door.connect()
        line.send(b"GET / HTTP/1.1\r\nhost: a\r\na: " + b"x" * (MAX_REQUEST_HEAD_BYTES - 100))
        line.send(b"x" * 16 * MAX_REQUEST_HEAD_BYTES)  # an answer that came with a reset would be lost
        await line.writer.drain()
        await expect_refusal(line, 431, "headers_too_large")


async def test_a_head_within_the_bound_is_served() -> None:
    async with served(echo) as door:
        line = await door.connect()
        for _ in range(2):
            line.send(GET[:-2] + b"a: " + b"x" * (MAX_REQUEST_HEAD_BYTES - 100) + b"\r\n\r\n")
            assert await line.answer() == b"/:"


@pytest.mark.parametrize("control", [*(bytes([code]) for code in range(32) if code != 9), b"\x7f"])
@pytest.mark.parametrize("header", [b"a%b: x", b"a: x%by"], ids=["name", "value"])
async def test_a_control_character_in_a_header_never_reaches_the_application(
    control: bytes, header: bytes
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for name, value in scope["headers"]:
            assert control not in name + value
        await whole(send, b"")

    async with served(app) as door:
        line = await door.connect()
        line.send(GET[:-2] + header % control + b"\r\n\r\n")
        assert await line.head()


@pytest.mark.parametrize("over", [False, True])
async def test_only_heads_that_are_surely_small_count_as_checked(over: bool) -> None:
    said: list[bool] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        said.append(scope["extensions"][EXTENSION].headers_checked)
        await whole(send, b"")

    first = GET[:-2] + b"a: " + b"x" * (MAX_HEADER_BYTES - 2048) + b"\r\n"
    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b""
        # A head that begins behind a whole request, in the same piece, and ends in a small one.
        line.send(GET + first)
        assert await line.answer() == b""
        line.send((b"b: " + b"y" * 4096 if over else b"b: y") + b"\r\n\r\n")
        assert await line.answer() == b""

    assert (said[0], said[2]) == (True, not over)


@pytest.mark.parametrize("beginning", [b"1;", b"0\r\na: "], ids=["chunk extension", "trailer"])
async def test_framing_that_never_ends_is_refused_like_a_head(beginning: bytes) -> None:
    async with served(echo) as door:
        line = await door.connect()
        line.send(CHUNKED + beginning + b"x" * 4 * MAX_REQUEST_HEAD_BYTES)
        await expect_refusal(line, 431, "headers_too_large")


async def test_a_caller_that_still_sends_reads_the_last_answer() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"too much", (b"connection", b"close"), status=413)

    async with served(app) as door:
        line = await door.connect()
        line.send(post(b"x" * 20_000_000))
        await line.writer.drain()
        assert await line.answer() == b"too much"
        assert await line.rest() == b""


async def test_a_caller_that_does_not_close_is_not_listened_to_for_ever() -> None:
    async with served(echo, linger=0.05) as door:
        line = await door.connect()
        line.send(b"garbage\r\n\r\n")
        assert (await line.head()).startswith(b"HTTP/1.1 400 ")
        await door.listener._empty.wait()


@pytest.mark.parametrize("size", [15_000, 20_000, 33_000, 70_000, 140_000, 300_000])
@pytest.mark.parametrize("chunk", [100, 2_000, 1_000_000])
async def test_a_body_in_chunks_is_whole_that_is_read_on_as_it_is_taken(size: int, chunk: int) -> None:
    body = bytes(range(256)) * (size // 256)
    sent = b"".join(
        b"%x\r\n%b\r\n" % (len(body[at : at + chunk]), body[at : at + chunk])
        for at in range(0, len(body), chunk)
    )
    lengths = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        caller_of(scope).show()  # others wait for turns
        taken = await read_body(receive)
        lengths.append(len(taken))
        assert taken == body
        await whole(send, b"read")

    async with served(app) as door:
        line = await door.connect()
        line.send(CHUNKED + sent + b"0\r\n\r\n")
        assert await line.answer() == b"read"
        line.send(CHUNKED + sent + b"0\r\n\r\n")
        assert await line.answer() == b"read"
    assert lengths == [len(body)] * 2
