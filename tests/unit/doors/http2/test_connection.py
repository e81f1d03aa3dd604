"""What a caller of HTTP/2 is answered, frame by frame, on real sockets; mostly what it can't do."""

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from tollkeeper_server.dataplane.caller import Message, Receive, Send
from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors import console_listener
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.http2 import connection, frames, shared
from tollkeeper_server.doors.http2.stream import Stream
from tollkeeper_server.doors.refusals import Refusal
from tollkeeper_server.doors.sockets import bind_address, name_of
from tollkeeper_server.http1.server.limits import TimeLimits

from tests.faults import console_floods as floods

PATIENCE_SECONDS = 20.0
SIZE = 1_000_000


@dataclass
class App:
    """Answers by path; `/v1/` and what follows is answered like the rest, as the data plane's."""

    bodies: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer."""
        self.reached.set()
        path = scope["path"].removeprefix("/v1")
        if path == "/waits":
            while (message := await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
            return
        if path == "/fails":
            raise RuntimeError("on purpose")
        if path == "/echo":
            while (message := await receive())["type"] == "http.request":
                self.bodies.append(message["body"])
                if not message["more_body"]:
                    break
            else:
                self.gone.set()
                return
        body = b"x" * SIZE if path == "/large" else b"".join(self.bodies)
        headers = [(b"connection", b"close")]
        if path.startswith("/numbered/"):
            number = path.removeprefix("/numbered/").encode()
            headers += [(b"Date", number), (b"X-Request-Id", number), (b"x-frame-options", b"DENY")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Peer:
    """One connection of HTTP/2, whose frames a test sends as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.events: list[Event] = []
        self.closed = False
        self.flush()

    def flush(self) -> None:
        """Send what h2 has."""
        self.writer.write(self.h2.data_to_send())

    def raw(self, *pieces: bytes) -> None:
        """Send bytes that h2 does not know of."""
        self.writer.write(b"".join(pieces))

    def ask(self, number: int, path: str, method: str = "GET", *, ends: bool = True) -> None:
        """Ask for something."""
        head = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
        self.h2.send_headers(number, head, end_stream=ends)
        self.flush()

    async def until(self, done: Callable[[Event], bool], *, credit: bool = True) -> Event:
        """Return the first event that is what is waited for. Raises EOFError if the connection ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for event in self.events:
                    if done(event):
                        return event
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                new = self.h2.receive_data(data)
                for event in new:
                    if credit and isinstance(event, DataReceived):
                        self._credit(event)
                self.events += new
                if self.h2.state_machine.state.name != "CLOSED":
                    self.flush()

    def _credit(self, event: DataReceived) -> None:
        self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)

    async def ended(self, number: int) -> bytes:
        """Return the body of a whole answer."""
        await self.until(lambda it: isinstance(it, StreamEnded) and it.stream_id == number)
        return b"".join(
            it.data or b"" for it in self.events if isinstance(it, DataReceived) and it.stream_id == number
        )

    async def until_more(self, number: int, before: int) -> None:
        """Return when more of a stream may be sent."""
        self.events.clear()
        await self.until(lambda _: self.h2.local_flow_control_window(number) > before)

    async def reset(self, number: int) -> ErrorCodes | int | None:
        """Return why a stream was reset."""
        event = await self.until(lambda it: isinstance(it, StreamReset) and it.stream_id == number)
        assert isinstance(event, StreamReset)
        return event.error_code

    async def goaway(self) -> ErrorCodes:
        """Return why the connection ended, whatever else came that h2 would not take."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == floods.GOAWAY:
                    return ErrorCodes(int.from_bytes(payload[4:8], "big"))


@dataclass
class Served:
    """A listener, and the application behind it."""

    listener: ConsoleListener
    app: App
    address: str

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        """A connection to it."""
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            yield Peer(reader, writer)
        finally:
            writer.close()

    def refused(self) -> dict[str, int]:
        """Return what was refused."""
        return {str(reason): count for reason, count in self.listener.refusals.counts.items() if count}


@asynccontextmanager
async def serving(limits: TimeLimits | None = None) -> AsyncIterator[Served]:
    """Serve on a free port."""
    bound, app = bind_address(SocketAddress("127.0.0.1", 0)), App()
    listener = ConsoleListener(app, bound, tls=None, drain_seconds=1, limits=limits or TimeLimits(quiet=0.1))
    task = asyncio.create_task(listener.serve())
    try:
        yield Served(listener, app, name_of(bound))
    finally:
        listener.stop(0)
        await task
    assert listener.requests.count == listener.limit.count == 0
    assert listener.shared.heads.is_empty
    assert listener.shared.answers.total == 0
    assert listener.shared.parts == 0


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A listener."""
    async with serving() as it:
        yield it


async def test_a_large_answer_comes_whole_within_the_windows(served: Served) -> None:
    async with served.peer() as peer:
        peer.ask(1, "/large")
        assert await peer.ended(1) == b"x" * SIZE
        head = await peer.until(lambda it: isinstance(it, ResponseReceived))
        assert isinstance(head, ResponseReceived)
        assert [*(head.headers or [])] == [(b":status", b"200")]


async def test_headers_of_one_answer_do_not_fill_the_table_in_which_those_of_all_are_found(
    served: Served,
) -> None:
    async with served.peer() as peer:
        for number in range(20):
            peer.ask(2 * number + 1, f"/numbered/{number}")
            assert await peer.ended(2 * number + 1) == b""
        heads = [dict(it.headers or []) for it in peer.events if isinstance(it, ResponseReceived)]
        assert [head[b"x-request-id"] for head in heads] == [b"%d" % number for number in range(20)]
        assert [*peer.h2.decoder.header_table.dynamic_entries] == [(b"x-frame-options", b"DENY")]


async def test_the_head_and_the_body_of_an_answer_are_written_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, write = list[bytes](), connection.Http2Connection.write

    def write_too(line: connection.Http2Connection, *pieces: bytes) -> None:
        written.extend(pieces)
        write(line, *pieces)

    monkeypatch.setattr(connection.Http2Connection, "write", write_too)
    served.app.bodies = [b"a body"]
    async with served.peer() as peer:
        peer.ask(1, "/v1/")
        assert await peer.ended(1) == b"a body"
    [answer] = [piece for piece in written if b"a body" in piece]
    kinds = []
    while answer:
        kinds.append(answer[3])
        answer = answer[9 + int.from_bytes(answer[:3], "big") :]
    assert kinds[-2:] == [floods.HEADERS, floods.DATA]


async def test_the_rest_of_answered_requests_is_taken_but_not_of_many(served: Served) -> None:
    """Some clients look for an answer once all is sent, so their streams are not reset before that."""
    async with served.peer() as peer:
        for number in (1, 3, 5, 7, 9):
            peer.ask(number, "/v1/", "POST", ends=False)
            await peer.ended(number)
        assert await peer.reset(1) == ErrorCodes.NO_ERROR
        for _ in range(8):  # more than the windows of stream and connection
            for number in (3, 5, 7, 9):
                while peer.h2.local_flow_control_window(number) < 16_000:
                    before = peer.h2.local_flow_control_window(number)
                    await peer.until_more(number, before)
                peer.h2.send_data(number, b"x" * 16_000)
                peer.flush()
        peer.h2.end_stream(9)
        peer.ask(11, "/v1/")
        await peer.ended(11)


async def test_bodies_that_nobody_reads_do_not_use_the_window_up(served: Served) -> None:
    async with served.peer() as peer:
        for number in range(1, 81, 2):
            head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/v1/")]
            peer.h2.send_headers(number, head)
            for _ in range(4):
                while peer.h2.local_flow_control_window(number) < 15_000:
                    await peer.until_more(number, peer.h2.local_flow_control_window(number))
                peer.h2.send_data(number, b"x" * 15_000)
            peer.h2.end_stream(number)
            peer.flush()
            await peer.ended(number)


@pytest.mark.parametrize("path", ["/v1/", "/v1/echo"], ids=["answered before", "read"])
@pytest.mark.parametrize("body", [b"", b"x" * 16_000], ids=["too short", "too long"])
async def test_a_body_of_another_length_than_was_said_resets_its_stream_alone(
    served: Served, path: str, body: bytes
) -> None:
    """curl ends a request so that is refused before its body has come. The window is given back, too."""
    async with served.peer() as peer:
        for number in range(1, 61, 2):
            head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", path)]
            peer.h2.send_headers(number, [*head, ("content-length", "10")])
            peer.flush()
            if path == "/v1/":
                await peer.ended(number)
            peer.h2.send_data(number, body, end_stream=True)
            peer.flush()
            if path != "/v1/":  # else its caller has done with it
                assert await peer.reset(number) == ErrorCodes.PROTOCOL_ERROR
        served.app.bodies.clear()
        peer.ask(61, "/v1/")
        assert await peer.ended(61) == b""
    assert served.refused() == {}


async def test_an_answer_comes_byte_by_byte_to_who_takes_it_so(served: Served) -> None:
    async with served.peer() as peer:
        peer.h2.update_settings({4: 1})
        served.app.bodies = [b"taken slowly"]
        peer.ask(1, "/")
        assert await peer.ended(1) == b"taken slowly"


async def test_a_large_body_is_read_as_the_application_takes_it(served: Served) -> None:
    async with served.peer() as peer:
        peer.ask(1, "/v1/echo", "POST", ends=False)
        body, sent = b"y" * SIZE, 0
        while sent < SIZE:
            room = min(peer.h2.local_flow_control_window(1), 16384, SIZE - sent)
            if not room:
                peer.events.clear()
                await peer.until(lambda _: True)
                continue
            peer.h2.send_data(1, body[sent : sent + room], end_stream=sent + room == SIZE)
            sent += room
            peer.flush()
        assert await peer.ended(1) == body


async def test_a_body_that_the_application_does_not_read_stays_with_its_caller(served: Served) -> None:
    """The windows are not opened for what nobody has read."""
    async with served.peer() as peer:
        peer.ask(1, "/waits", "POST", ends=False)
        await served.app.reached.wait()
        served.app.reached.clear()
        room = peer.h2.local_flow_control_window(1)
        assert room <= 65_535


@pytest.mark.parametrize("path", ["/waits", "/v1/waits"])
@pytest.mark.parametrize("how", ["reset", "close", "goaway"])
async def test_an_application_learns_that_its_caller_has_left(served: Served, path: str, how: str) -> None:
    async with served.peer() as peer:
        peer.ask(1, path)
        await served.app.reached.wait()
        match how:
            case "reset":
                peer.h2.reset_stream(1, ErrorCodes.CANCEL)
            case "goaway":
                peer.h2.close_connection(ErrorCodes.INTERNAL_ERROR)
            case _:
                peer.writer.close()
        peer.flush()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await served.app.gone.wait()


async def test_what_was_asked_is_answered_to_a_caller_that_takes_its_leave(served: Served) -> None:
    """GOAWAY ends no request, not even one whose body is still to come (RFC 9113, 6.8)."""
    farewell = floods.frame(floods.GOAWAY, 0, 0, bytes(8))
    async with served.peer() as peer:
        peer.ask(1, "/v1/large")
        peer.ask(3, "/v1/echo", "POST", ends=False)
        peer.raw(farewell)
        peer.h2.send_data(3, b"the rest", end_stream=True)
        peer.flush()
        assert await peer.ended(1) == b"x" * SIZE
        assert await peer.ended(3) == b"the rest"
        with pytest.raises(EOFError):
            await peer.until(lambda _: False)
    async with served.peer() as peer:
        peer.raw(farewell)
        with pytest.raises(EOFError):
            await peer.until(lambda _: False)
    assert served.refused() == {}


@pytest.mark.parametrize("payload", [bytes(7), bytes(4) + struct.pack(">I", 99)])
async def test_other_goodbyes_end_the_connection(served: Served, payload: bytes) -> None:
    async with served.peer() as peer:
        peer.ask(1, "/waits")
        await served.app.reached.wait()
        peer.raw(floods.frame(floods.GOAWAY, 0, 0, payload))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await served.app.gone.wait()


@pytest.mark.parametrize("busy", [True, False])
async def test_a_caller_that_always_has_a_request_is_told_that_its_connection_ends(
    served: Served, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """It goes elsewhere with its next ones. One with a single long request is not told: it need not be."""
    monkeypatch.setattr(connection, "_PATIENCE_SECONDS", 0.0)
    async with served.peer() as peer:
        peer.ask(1, "/waits")
        await served.app.reached.wait()
        served.listener.leave()
        if busy:
            peer.ask(3, "/waits", "POST", ends=False)
        [ours] = served.listener._connections
        peer.raw(floods.frame(floods.PING, 0, 0, b"12345678"))
        head = await peer.reader.readuntil(b"12345678")  # all that was sent is read
        ours.look(served.listener.loop.time())
        ours.look(served.listener.loop.time())
        peer.raw(floods.frame(floods.PING, 0, 0, b"abcdefgh"))
        told = await peer.reader.readuntil(b"abcdefgh")
        assert told.count(frames.GOING_AWAY) == busy
        assert frames.GOING_AWAY not in head
        peer.ask(5, "/large")  # it was on its way
        assert (await peer.reader.readuntil(b"x" * 1000)).endswith(b"x" * 1000)


async def test_an_application_that_fails_is_500(served: Served) -> None:
    async with served.peer() as peer:
        peer.ask(1, "/fails")
        head = await peer.until(lambda it: isinstance(it, ResponseReceived))
        assert isinstance(head, ResponseReceived)
        assert (b":status", b"500") in [*(head.headers or [])]


async def test_streams_beyond_a_hundred_are_refused_and_the_others_go_on(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.peer() as peer:
        served.app.bodies = [b"ok"]
        await peer.until(lambda _: True)
        peer.raw(*(floods.get(number, "/v1/waits") for number in range(1, 299, 2)))
        data = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while data.count(struct.pack(">I", ErrorCodes.REFUSED_STREAM)) < 49:
                data += await peer.reader.read(65536)
    assert served.refused() == {Refusal.STREAMS: 49}
    assert len(caplog.records) == 1


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what the server has logged. A client of another test may still try to connect, and says so."""
    return [record for record in caplog.records if record.name.startswith("tollkeeper.")]


FLOODS: dict[str, Callable[[int], bytes]] = {
    "rapid reset": lambda n: floods.get(n, "/v1/waits") + floods.reset(n),
    "made you reset": lambda n: floods.get(n, "/v1/waits") + floods.window(n, floods.WIDE),
    "pings": lambda _: floods.frame(floods.PING, 0, 0, b"12345678"),
    "settings": lambda _: floods.settings((4, 1)),
    "priorities": lambda _: floods.frame(floods.PRIORITY, 0, 5, struct.pack(">IB", 3, 7)),
    "windows": lambda _: floods.window(0, 1),
    "unknown frames": lambda _: floods.frame(0x42, 0, 0, b"?"),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_is_ended_with_a_request_to_be_calm(
    served: Served, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.peer() as peer:
        await peer.until(lambda _: True)
        for number in range(1, 10_000, 2):
            peer.raw(FLOODS[name](number))
        assert await peer.goaway() == ErrorCodes.ENHANCE_YOUR_CALM
    assert [bool(it.exc_info) for it in logged(caplog)] == [False], caplog.text


@pytest.mark.parametrize(
    "pieces",
    [
        [floods.frame(floods.HEADERS, 0, 1, b"\x82"), *[floods.frame(floods.CONTINUATION, 0, 1)] * 50],
        [floods.settings(*((number, 1) for number in range(100, 140)))],
        [floods.bomb(1), floods.bomb(3)],
        [floods.frame(floods.DATA, 0, 0, b"x")],
        [floods.window(0, 0)],
        [floods.frame(floods.PING, 0, 0, b"short")],
        [floods.frame(floods.HEADERS, 0x24, 1, b"\0\0\0\x01\0" + floods.head("/"))],
        [floods.frame(floods.HEADERS, 0x0C, 1, b"\xff")],
        [floods.get(2, "/")],
        [floods.frame(floods.CONTINUATION, 4, 1)],
        [floods.frame(5, 4, 1, b"\0\0\0\2" + floods.head("/"))],
        [floods.frame(floods.HEADERS, 5, 1, b"\x3f\xff\xff\xff\xff\xff\x07")],
    ],
)
async def test_what_is_malformed_ends_the_connection_without_a_traceback(
    served: Served, pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with served.peer() as peer:
        await peer.until(lambda _: True)
        peer.raw(*pieces)
        assert await peer.goaway() not in {ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR}
    assert [bool(it.exc_info) for it in logged(caplog)] == [False], caplog.text


async def test_fields_beyond_two_hundred_are_431_and_cookies_are_one_field(served: Served) -> None:
    """Browsers send each cookie in a field of its own (RFC 9113, 8.2.3)."""
    head = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
    served.app.bodies = [b"ok"]
    async with served.peer() as peer:
        for number, field, status in ((1, "cookie", b"200"), (3, "x-field", b"431"), (5, "cookie", b"200")):
            peer.h2.send_headers(number, [*head, *[(field, "a=1")] * 250], end_stream=True)
            peer.flush()
            body = await peer.ended(number)
            assert (b"fewer" in body) == (status == b"431")
            heads = [event for event in peer.events if isinstance(event, ResponseReceived)]
            assert (b":status", status) in [*(heads[-1].headers or [])]
    assert served.refused() == {}


async def test_callers_who_send_thousands_of_fields_are_asked_to_be_calm(served: Served) -> None:
    async with served.peer() as peer:
        await peer.until(lambda _: True)
        for number in range(1, 200, 2):
            peer.raw(floods.frame(floods.HEADERS, 5, number, floods.head("/v1/") + b"\x90" * 900))
        assert await peer.goaway() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_answers_nobody_takes_are_held_once(served: Served) -> None:
    """A piece that goes to many callers is not copied for each."""
    body = b"z" * SIZE
    served.app.bodies = [body]
    async with served.peer() as peer, served.peer() as other:
        for one in (peer, other):
            one.h2.update_settings({4: 1 << 20})
            for number in range(1, 41, 2):
                one.ask(number, "/")
            await one.until(lambda it: isinstance(it, DataReceived), credit=False)
        assert served.listener.shared.answers.total <= 40 * SIZE


async def test_when_too_much_waits_the_oldest_are_given_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MAX_ANSWERS_BYTES", 3 * SIZE)
    async with served.peer() as peer:
        for number in (1, 3, 5, 7, 9):
            peer.ask(number, "/large")
        assert await peer.reset(1) == ErrorCodes.CANCEL
        assert await peer.ended(9) == b"x" * SIZE


async def test_a_caller_that_takes_nothing_is_given_up() -> None:
    async with serving(TimeLimits(unread=0.01, quiet=0.1)) as served, served.peer() as peer:
        peer.ask(1, "/large")
        await peer.until(lambda it: isinstance(it, DataReceived), credit=False)
        await peer.until(lambda it: isinstance(it, StreamReset), credit=False)
        assert served.refused() == {Refusal.UNREAD: 1}


async def test_a_body_that_does_not_come_in_time_is_408(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "is_late", lambda *_: True)
    async with served.peer() as peer:
        peer.ask(1, "/v1/echo", "POST", ends=False)
        assert b"request_timeout" in await peer.ended(1)
        head = await peer.until(lambda it: isinstance(it, ResponseReceived))
        assert isinstance(head, ResponseReceived)
        assert (b":status", b"408") in [*(head.headers or [])]
        async with asyncio.timeout(PATIENCE_SECONDS):
            await served.app.gone.wait()


PART_OF_HEAD = floods.split(1, b"\x82" * 9, last=False)


@pytest.mark.parametrize(
    "first", [floods.PREFACE[:5], floods.PREFACE, floods.PREFACE + floods.settings() + PART_OF_HEAD]
)
async def test_a_head_that_does_not_come_in_time_ends_the_connection(first: bytes) -> None:
    async with serving(TimeLimits(head=0.05, quiet=0.1)) as served:
        host, _, port = served.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(first)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                while await reader.read(65536):
                    pass
        writer.close()
        assert served.refused() == {Refusal.SLOW_HEAD: 1}


async def test_an_idle_connection_is_told_that_it_ends() -> None:
    async with serving(TimeLimits(keep_alive=0.05, quiet=0.1)) as served, served.peer() as peer:
        peer.ask(1, "/")
        await peer.ended(1)
        assert await peer.goaway() == ErrorCodes.NO_ERROR


async def test_requests_of_an_address_beyond_its_share_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console_listener, "MAX_REQUESTS_PER_ADDRESS", 3)
    async with serving() as served, served.peer() as peer, served.peer() as other:
        for number in (1, 3, 5):
            served.app.reached.clear()
            peer.ask(number, "/v1/waits")
            await served.app.reached.wait()
        other.ask(1, "/v1/waits")
        assert await other.reset(1) == ErrorCodes.REFUSED_STREAM
        peer.h2.reset_stream(1, ErrorCodes.CANCEL)
        peer.flush()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await served.app.gone.wait()
        other.ask(3, "/")
        await other.ended(3)


@pytest.mark.parametrize(
    ("settings", "status"), [(b"AAMAAABk", b"101"), (b"", b"101"), (b"!!", b"400"), (b"AAIAAAAJ", b"400")]
)
async def test_an_upgrade_with_bad_settings_is_400(
    served: Served, settings: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = served.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
    writer.write(head + b"http2-settings: " + settings + b"\r\n\r\n")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.readline()).split()[1] == status
    writer.close()
    assert caplog.records == []
