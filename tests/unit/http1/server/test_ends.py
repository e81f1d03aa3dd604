"""When connections end: idle ones after a while, all of them when the listener stops."""

import asyncio
import gc
import json
import socket

import pytest
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.http1.server.connection import CallerConnection
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.http1.server.queue import RequestQueue

from tests.unit.http1.server.served import (
    GET,
    PATIENCE_SECONDS,
    echo,
    part,
    post,
    read_body,
    served,
    start,
    whole,
)
from tests.unit.http1.server.wire import Case


async def test_a_caller_that_sends_nothing_is_not_waited_for() -> None:
    async with served(echo, head_timeout=0.05) as door:
        line = await door.connect()
        assert await line.rest() == b""


@pytest.mark.parametrize("before", [b"", GET, GET + GET])
@pytest.mark.parametrize("sent", [b"G", b"GET / HT", GET[:-2]])
async def test_a_head_that_does_not_end_in_time_is_refused(before: bytes, sent: bytes) -> None:
    async with served(echo, head_timeout=0.05) as door:
        line = await door.connect()
        line.send(before + sent)
        for _ in range(before.count(GET)):
            assert await line.answer() == b"/:"
        head = await line.head()
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"\r\nconnection: close\r\n" in head
        assert json.loads(await line.rest())["error"]["code"] == "request_timeout"


async def test_a_later_head_has_its_time_from_its_first_byte() -> None:
    async with served(echo, head_timeout=0.2) as door:
        line, first = await door.connect(), await door.connect()
        line.send(GET)
        assert await line.answer() == b"/:"
        assert await first.rest() == b""  # so much time has gone by since both connected
        line.send(GET[:9])
        await asyncio.sleep(0)
        line.send(GET[9:])
        assert await line.answer() == b"/:"


async def test_a_connection_that_is_idle_again_is_closed() -> None:
    async with served(echo, keep_alive=0.05) as door:
        line = await door.connect()
        line.send(GET)
        assert await line.answer() == b"/:"
        assert await line.rest() == b""


async def test_a_connection_that_has_ended_is_not_left_to_the_garbage_collector() -> None:
    def made() -> int:
        return sum(isinstance(it, CallerConnection | RequestQueue | RequestParser) for it in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        async with served(echo) as door:
            line = await door.connect()
            line.send(GET)
            assert await line.answer() == b"/:"
            assert made() == 3
            line.leave()
            await door.listener._empty.wait()
            for _ in range(2):  # the loop lets go of the connection
                await asyncio.sleep(0)
            assert made() == 0
    finally:
        gc.enable()


async def test_a_request_may_end_before_it_is_told_that_its_caller_has_left() -> None:
    case = Case()
    loop, ending = case.listener.loop, asyncio.Event()

    async def broken(scope: Message, receive: Receive, send: Send) -> None:
        await ending.wait()

    case.listener.app = broken
    case.ask("/a")
    await asyncio.sleep(0)
    (task,) = case.listener.tasks
    for _ in range(100):  # as many leave at once
        case.listener.bounds.leavers.join(None, lambda: None, loop)
    ending.set()
    case.end()
    await task
    assert not case.listener.tasks


@pytest.mark.parametrize("sent", [b"1\r\nx\r\n", b"0\r\na: b\r\n"])
async def test_a_body_that_nobody_wants_and_that_does_not_end_does_not_keep_a_connection(sent: bytes) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await whole(send, b"hi")

    async with served(app, keep_alive=0.05) as door:
        line = await door.connect()
        line.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + sent)
        assert await line.answer() == b"hi"
        end = asyncio.ensure_future(line.rest())
        while not end.done():
            line.send(sent.removeprefix(b"0\r\n"))
            await asyncio.wait({end}, timeout=0.001)
        assert end.exception() is not None or end.result() == b""


async def test_a_head_that_drips_does_not_keep_a_connection() -> None:
    async with served(echo, head_timeout=0.05) as door:
        line = await door.connect()
        line.send(b"GET / HTTP/1.1\r\nhost: a\r\na: ")
        end = asyncio.ensure_future(line.rest())
        while not end.done():
            line.send(b"x")
            await asyncio.wait({end}, timeout=0.001)
        assert end.exception() is None
        assert end.result().startswith(b"HTTP/1.1 408 ")


async def test_a_request_under_way_keeps_its_connection() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await idle_closed.wait()
        await whole(send, b"hi")

    idle_closed = asyncio.Event()
    async with served(app, keep_alive=0.05, head_timeout=0.05) as door:
        line = await door.connect()
        line.send(GET)
        for _ in range(2):  # as long as two idle connections are kept, one after the other
            idle = await door.connect()
            assert await idle.rest() == b""
        idle_closed.set()
        assert await line.answer() == b"hi"


async def test_stopping_closes_idle_connections_and_accepts_no_other() -> None:
    async with served(echo) as door:
        lines = [await door.connect() for _ in range(2)]
        lines[1].send(GET)
        assert await lines[1].answer() == b"/:"
        door.listener.stop()
        for line in lines:
            assert await line.rest() == b""
        await door.serving
        with pytest.raises(ConnectionRefusedError):
            await door.connect()


@pytest.mark.parametrize("begun", [b"", GET[:9]])
async def test_what_is_asked_on_a_kept_connection_while_the_listener_stops_is_answered(begun: bytes) -> None:
    async with served(echo, quiet=PATIENCE_SECONDS) as door:
        kept, connecting = await door.connect(), await door.connect()
        kept.send(GET)
        assert await kept.answer() == b"/:"
        for line in (kept, connecting):
            line.send(begun)
        door.listener.stop()
        await door.closed()
        for line in (kept, connecting):
            line.send(GET[len(begun) :])
            assert b"\r\nconnection: close\r\n" in await line.head()
            assert await line.rest() == b"/:"
        await door.serving


async def test_who_has_connected_when_the_listener_stops_is_answered() -> None:
    async with served(echo, quiet=PATIENCE_SECONDS) as door:
        callers = [socket.create_connection(door.where) for _ in range(20)]  # the loop has accepted none
        for caller in callers:
            caller.sendall(GET)
        door.listener.stop()
        await door.serving
        for caller in callers:
            with caller, caller.makefile("rb") as answer:
                assert answer.read().endswith(b"\r\nconnection: close\r\n\r\n/:")


async def test_stopping_lets_a_request_under_way_end() -> None:
    reached, may_answer = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        reached.set()
        await may_answer.wait()
        await whole(send, scope["raw_path"])

    async with served(app) as door:
        idle, line = await door.connect(), await door.connect()
        line.send(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
        await reached.wait()
        door.listener.stop()
        assert await idle.rest() == b""
        may_answer.set()
        assert b"connection" not in await line.head()
        assert await line.reader.readexactly(2) == b"/1"
        assert b"\r\nconnection: close\r\n" in await line.head()
        assert await line.rest() == b"/2"
        await door.serving


async def test_stopping_ends_the_connection_after_an_answer_that_had_begun() -> None:
    may_end = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        await part(send, b"hi")
        await may_end.wait()
        await part(send, b"ho", more=False)

    async with served(app) as door:
        idle, line = await door.connect(), await door.connect()
        line.send(GET)
        assert b"connection" not in await line.head()
        door.listener.stop()
        assert await idle.rest() == b""
        may_end.set()
        assert await line.rest() == b"2\r\nhi\r\n2\r\nho\r\n0\r\n\r\n"
        await door.serving


async def test_a_request_that_does_not_end_in_time_is_cancelled() -> None:
    reached = asyncio.Event()
    ended: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with served(app, drain_seconds=0.05) as door:
        line = await door.connect()
        line.send(GET)
        await reached.wait()
        door.listener.stop()
        await door.serving
        assert ended == ["cancelled"]
        assert await line.rest() == b""


async def test_a_caller_that_does_not_read_does_not_hold_up_the_end() -> None:
    blocked = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await start(send)
        while scope["extensions"]["tollkeeper.caller"].write_part(b"x" * 65536):
            pass
        blocked.set()
        await asyncio.Event().wait()

    async with served(app, drain_seconds=0.05) as door:
        line = await door.connect(buffer=65536)
        line.send(GET)
        await blocked.wait()
        door.listener.stop()
        await door.serving
        assert not door.listener._connections


async def test_a_request_whose_body_comes_is_read_while_the_listener_stops() -> None:
    reached = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        reached.set()
        await whole(send, await read_body(receive))

    async with served(app) as door:
        idle, line = await door.connect(), await door.connect()
        request = post(b"hi")
        line.send(request[:-1])
        await reached.wait()
        door.listener.stop()
        assert await idle.rest() == b""
        line.send(request[-1:])
        assert await line.answer() == b"hi"
        assert await line.rest() == b""
