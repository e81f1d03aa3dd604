"""One request as the application sees it: its body, its caller, and how much the caller takes."""

import asyncio
import gc
import weakref

import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send

from tests.unit.http1.server.served import GET, caller_of, echo, part, post, read_body, served, start, whole

EXPECTS = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
GO_AHEAD = b"HTTP/1.1 100 Continue\r\n\r\n"
MANY = 5_000_000


async def test_the_go_ahead_is_sent_when_the_application_reads_and_not_before() -> None:
    reached, may_read = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            reached.set()
            await may_read.wait()
        await whole(send, await read_body(receive))

    async with served(app) as door:
        line, other = await door.connect(), await door.connect()
        line.send(EXPECTS)
        await reached.wait()
        first = asyncio.ensure_future(line.head())
        for _ in range(2):  # what was sent to one caller before is there before what is sent to another
            other.send(GET)
            assert await other.answer() == b""
        assert not first.done()
        may_read.set()
        assert await first == GO_AHEAD
        line.send(b"hi")
        assert await line.answer() == b"hi"


async def test_an_answer_without_reading_comes_without_the_go_ahead() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"no", status=403)

    async with served(app) as door:
        line = await door.connect()
        line.send(EXPECTS)
        assert (await line.head()).startswith(b"HTTP/1.1 403 ")


async def test_http_1_0_has_no_go_ahead() -> None:
    async with served(echo) as door:
        line = await door.connect()
        line.send(EXPECTS.replace(b"1.1", b"1.0"))
        line.send(b"hi")
        assert (await line.head()).startswith(b"HTTP/1.1 200 ")


async def test_the_go_ahead_does_not_come_into_an_answer() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send, (b"content-length", b"2"))
        await part(send, await read_body(receive), more=False)

    async with served(app) as door:
        line = await door.connect()
        line.send(EXPECTS)
        assert (await line.head()).startswith(b"HTTP/1.1 200 ")
        line.send(b"hi")
        assert await line.reader.readexactly(2) == b"hi"


async def test_the_go_ahead_is_not_sent_for_a_body_that_has_come() -> None:
    async with served(echo) as door:
        line = await door.connect()
        line.send(EXPECTS + b"hi")
        assert (await line.head()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("pushes", [False, True], ids=["send", "write_part"])
async def test_a_caller_that_does_not_read_holds_the_answer_up_until_it_does(pushes: bool) -> None:
    blocked = asyncio.Event()
    block, blocks, sent = b"x" * 65536, 400, 0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal sent
        caller = caller_of(scope)
        await start(send, (b"content-length", b"%d" % (blocks * len(block))))
        while sent < blocks:
            if pushes:
                if not caller.write_part(block):
                    blocked.set()
                    await caller.ready()
            else:
                # What blocks does not end by itself, so whoever sees it has seen it block.
                sending = asyncio.ensure_future(part(send, block))
                for _ in range(3):
                    await asyncio.sleep(0)
                if not sending.done():
                    blocked.set()
                await sending
            sent += 1
        await part(send, b"", more=False)

    async with served(app) as door:
        line = await door.connect(buffer=65536)
        line.send(GET)
        await blocked.wait()
        assert sent < blocks
        assert await line.answer() == block * blocks


async def test_an_application_that_does_not_read_holds_the_body_up_and_nothing_is_lost() -> None:
    reached, may_read = asyncio.Event(), asyncio.Event()
    body = bytes(range(251)) * (MANY * 4 // 251)  # more than the kernel's buffers take

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        reached.set()
        await may_read.wait()
        await whole(send, b"%d" % (await read_body(receive) == body))

    async with served(app) as door:
        line = await door.connect()
        line.send(post(body))
        draining = asyncio.ensure_future(line.writer.drain())
        await reached.wait()
        connection = next(iter(door.listener._connections))
        while connection._reading:  # noqa: ASYNC110 - the kernel tells nobody that a buffer is full
            await asyncio.sleep(0)
        assert not draining.done()
        assert connection._queue.current is not None
        assert connection._queue.current.size < 1 << 20
        may_read.set()
        await draining
        assert await line.answer() == b"1"


async def test_a_large_body_that_nobody_reads_does_not_hold_up_the_next_request() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, scope["raw_path"])

    async with served(app) as door:
        line = await door.connect()
        line.send(post(b"x" * MANY, path=b"/1"))
        line.send(post(b"x" * MANY, path=b"/2"))
        assert [await line.answer(), await line.answer()] == [b"/1", b"/2"]


async def test_the_whole_body_is_given_once() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        await whole(send, repr([caller.whole_body(), caller.whole_body()]).encode())

    async with served(app) as door:
        line = await door.connect()
        line.send(post(b"hi"))
        assert await line.answer() == b"[b'hi', None]"
        line.send(GET)
        assert await line.answer() == b"[b'', None]"


async def test_an_answer_given_at_once_is_like_one_in_messages() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"2")]
        if scope["raw_path"] == b"/at-once":
            caller_of(scope).answer(201, headers, b"hi")
        else:
            await whole(send, b"hi", status=201)

    async with served(app) as door:
        line = await door.connect()
        heads = []
        for path in (b"/at-once", b"/in-messages", b"/at-once"):
            line.send(post(b"", path=path))
            heads.append(await line.head())
            assert await line.reader.readexactly(2) == b"hi"
        assert heads == [b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n"] * 3


async def test_a_part_that_comes_at_once_goes_out_behind_the_head() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        assert caller_of(scope).write_part(b"hi")
        assert caller_of(scope).write_part(b"")
        assert caller_of(scope).write_part(b"ho")
        await part(send, b"", more=False)

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert (await line.head()).endswith(b"transfer-encoding: chunked\r\n\r\n")
        assert await line.reader.readexactly(19) == b"2\r\nhi\r\n2\r\nho\r\n0\r\n\r\n"


async def test_what_a_request_held_is_gone_with_it() -> None:
    """Circles would be left to the garbage collector, which holds every request up."""

    class Held:
        pass

    held: list[weakref.ref[Held]] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scope["held"] = Held()
        held.append(weakref.ref(scope["held"]))
        await read_body(receive)
        await whole(send, b"hi")

    gc.disable()
    try:
        async with served(app) as door:
            line = await door.connect()
            for _ in range(2):  # the second may take the place of the first
                line.send(post(b"x"))
                assert await line.answer() == b"hi"
            await asyncio.sleep(0)
            assert [one() for one in held] == [None, None]
    finally:
        gc.enable()


async def test_there_is_no_whole_body_while_more_is_to_come_or_after_a_part_was_read() -> None:
    bodies: list[bytes | None] = []
    complete = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        bodies.append(caller.whole_body())
        message = await receive()
        bodies.append(message["body"])
        line.send(b"o")
        while scope["extensions"]["tollkeeper.caller"].more_body:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        bodies.append(caller.whole_body())
        message = await receive()
        bodies.append(message["body"])
        complete.set()
        await whole(send, b"")

    async with served(app) as door:
        line = await door.connect()
        line.send(post(b"hio")[:-1])
        await complete.wait()
        assert bodies == [None, b"hi", None, b"o"]


async def test_there_is_no_whole_body_after_it_was_received() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        await whole(send, repr([body, caller_of(scope).whole_body()]).encode())

    async with served(app) as door:
        line = await door.connect()
        line.send(post(b"hi"))
        assert await line.answer() == b"[b'hi', None]"


async def test_who_asks_is_told_that_the_caller_left() -> None:
    gone, reached = asyncio.Event(), asyncio.Event()
    later: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        caller_of(scope).when_gone(gone.set)
        reached.set()
        await gone.wait()
        caller_of(scope).when_gone(lambda: later.append("at once"))
        assert await receive() == {"type": "http.disconnect"}
        await whole(send, b"nobody reads this")
        later.append("ended")
        reached.set()

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        await reached.wait()
        reached.clear()
        line.leave()
        await reached.wait()
        assert later == ["at once", "ended"]


async def test_nobody_is_told_after_it_was_called_off_or_the_answer_ended() -> None:
    told: list[str] = []
    reached, disconnected = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        caller.when_gone(lambda: told.append(scope["path"]))
        if scope["path"] == "/ends":
            await whole(send, b"")
            reached.set()
            await disconnected.wait()  # the application is still at work when the caller leaves
            return
        caller.when_gone(None)
        await read_body(receive)
        reached.set()
        assert await receive() == {"type": "http.disconnect"}
        disconnected.set()

    async with served(app) as door:
        for path in (b"/ends", b"/called-off"):
            line = await door.connect()
            line.send(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path)
            await reached.wait()
            reached.clear()
            line.leave()
        await disconnected.wait()
    assert told == []


async def test_receive_says_disconnect_after_the_answer_ended() -> None:
    said: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await read_body(receive)
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await whole(send, b"hi")
        said.extend([await waiting, await receive()])

    async with served(app) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b"hi"
    assert said == [{"type": "http.disconnect"}] * 2


async def test_a_caller_that_leaves_sets_free_who_waits_for_it_to_take_more() -> None:
    blocked, freed = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        caller = caller_of(scope)
        await start(send)
        while caller.write_part(b"x" * 65536):
            pass
        blocked.set()
        await caller.ready()
        freed.set()

    async with served(app) as door:
        line = await door.connect(buffer=65536)
        line.send(GET)
        await blocked.wait()
        line.writer.transport.abort()
        await freed.wait()


async def test_a_trailer_does_not_become_a_header() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await whole(send, repr([name for name, _ in scope["headers"]]).encode())

    async with served(app) as door:
        line = await door.connect()
        line.send(
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            b"0\r\nauthorization: Bearer a\r\n\r\n"
        )
        assert await line.answer() == b"[b'host', b'transfer-encoding']"
