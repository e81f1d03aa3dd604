"""Reading, streaming and discarding a request's body, within bounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tollkeeper_server.dataplane.caller import Message
from tollkeeper_server.dataplane.exchange import UNKNOWN_BYTES, ClientGoneError, Exchange
from tollkeeper_server.dataplane.request.body import discard_body, read_body, stream_body
from tollkeeper_server.dataplane.request.limits import Limits
from tollkeeper_server.dataplane.request.room import BodyRoom
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Header

from tests.unit.dataplane.exchanges import exchange

SLOW = Limits(stall_seconds=10, bytes_per_second=100)
FOUR = Limits(max_body=4, max_upload=4, discard_bytes=5)
CHUNKED: Header = (b"transfer-encoding", b"chunked")


def _nothing() -> None:
    """What a caller does who does not care that a body has ended."""


class _Sender:
    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self.messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": leaves or at < len(pieces)}
            for at, piece in enumerate(pieces, start=1)
        ]
        if leaves:
            self.messages.append({"type": "http.disconnect"})

    async def receive(self) -> Message:
        return self.messages.pop(0)


def _exchange(sender: _Sender, *headers: Header) -> Exchange:
    made = exchange(headers=headers or [CHUNKED], limits=FOUR)
    made.receive = sender.receive
    return made


async def test_a_body_is_read_whole() -> None:
    caller = _exchange(_Sender(b"ab", b"", b"cd", b""))

    assert await read_body(caller) == b"abcd"
    assert caller.body_read
    assert await read_body(caller) == b""


async def test_messages_without_members_have_their_defaults() -> None:
    sender = _Sender()
    sender.messages.append({"type": "http.request"})

    assert await read_body(_exchange(sender)) == b""


async def test_a_byte_too_many_is_refused_at_once() -> None:
    sender = _Sender(b"abc", b"de", b"never read")
    caller = _exchange(sender)

    with pytest.raises(TollkeeperError, match="larger than the 4 bytes") as caught:
        await read_body(caller)

    assert caught.value.reason is Reason.BODY_TOO_LARGE
    assert len(sender.messages) == 1


async def test_a_declared_byte_too_many_is_refused_unread() -> None:
    sender = _Sender(b"abcde")

    with pytest.raises(TollkeeperError) as caught:
        await read_body(_exchange(sender, (b"content-length", b"5")))

    assert caught.value.reason is Reason.BODY_TOO_LARGE
    assert len(sender.messages) == 1


async def test_who_leaves_is_gone() -> None:
    with pytest.raises(ClientGoneError):
        await read_body(_exchange(_Sender(b"ab", leaves=True)))


async def test_a_streamed_body_counts_and_skips_what_is_empty() -> None:
    caller = _exchange(_Sender(b"ab", b"", b"cd"))

    ended: list[bool] = []

    assert [piece async for piece in stream_body(caller, lambda: ended.append(True))] == [b"ab", b"cd"]
    assert ended == [True]
    assert (caller.request_bytes, caller.body_read, caller.body_error) == (4, True, None)


async def test_what_goes_wrong_in_a_stream_is_kept_for_who_asks() -> None:
    too_large, gone = _exchange(_Sender(b"abcde")), _exchange(_Sender(b"ab", leaves=True))

    with pytest.raises(TollkeeperError):
        _ = [piece async for piece in stream_body(too_large, _nothing)]
    with pytest.raises(ClientGoneError):
        _ = [piece async for piece in stream_body(gone, _nothing)]

    assert isinstance(too_large.body_error, TollkeeperError)
    assert isinstance(gone.body_error, ClientGoneError)


@pytest.mark.parametrize("leaves", [True, False])
async def test_what_is_left_is_discarded_to_its_end(leaves: bool) -> None:
    sender = _Sender(b"ab", b"cd", leaves=leaves)
    caller = _exchange(sender)

    await discard_body(caller)

    assert (sender.messages, caller.body_read) == ([], True)


async def test_no_more_is_discarded_than_can_be_expected() -> None:
    sender = _Sender(b"abc", b"de", b"f")

    await discard_body(_exchange(sender))

    assert len(sender.messages) == 1


@pytest.mark.parametrize(
    ("headers", "version", "method", "declared"),
    [
        ([(b"content-length", b"5")], "1.1", "POST", 5),
        ([(b"content-length", b"0")], "2", "POST", 0),
        ([(b"content-length", b"x")], "1.1", "POST", UNKNOWN_BYTES),
        ([(b"content-length", b"-1")], "1.1", "POST", UNKNOWN_BYTES),
        ([(b"content-length", b"9" * 5000)], "2", "POST", UNKNOWN_BYTES),
        ([CHUNKED], "1.1", "POST", UNKNOWN_BYTES),
        ([], "1.1", "POST", 0),
        ([], "2", "POST", UNKNOWN_BYTES),
        ([], "2", "GET", 0),
        ([], "2", "HEAD", 0),
        ([], "2", "DELETE", UNKNOWN_BYTES),
    ],
)
def test_how_much_is_to_come_is_what_the_head_says(
    headers: list[Header], version: str, method: str, declared: int
) -> None:
    caller = exchange(method=method, headers=headers, http_version=version)

    assert (caller.declared_bytes, caller.body_read) == (declared, declared == 0)


class _Trickle:
    """Sends a piece of a body every so often, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int, seconds: float) -> None:
        self.now = 0.0
        self.sent = 0
        self._size, self._seconds = size, seconds
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: self.now)
        self._allowed = 0.0
        monkeypatch.setattr(asyncio, "timeout", self._timeout)

    @asynccontextmanager
    async def _timeout(self, seconds: float) -> AsyncIterator[None]:
        self._allowed = seconds
        yield

    async def receive(self) -> Message:
        if self._seconds > self._allowed:
            raise TimeoutError
        self.now += self._seconds
        self.sent += self._size
        return {"type": "http.request", "body": b"x" * self._size, "more_body": self.sent < 100_000}


@pytest.mark.parametrize(
    ("size", "seconds", "comes"),
    [
        (1, 0.001, True),
        (1000, 9.9, True),
        (1, 9.9, False),
        (98, 1.0, False),
        (110, 1.0, True),
        (1, 10.1, False),
    ],
)
@pytest.mark.parametrize("streams", [True, False])
async def test_a_body_may_be_slow_and_must_go_on(
    monkeypatch: pytest.MonkeyPatch, size: int, seconds: float, comes: bool, streams: bool
) -> None:
    caller = exchange(headers=[CHUNKED], limits=SLOW)
    trickle = _Trickle(monkeypatch, size, seconds)
    caller.receive = trickle.receive

    async def read() -> int:
        if streams:
            return sum([len(piece) async for piece in stream_body(caller, _nothing)])
        return len(await read_body(caller))

    if comes:
        assert await read() == trickle.sent
    else:
        with pytest.raises(TollkeeperError) as caught:
            await read()
        assert caught.value.reason is Reason.REQUEST_TIMEOUT
        assert trickle.now <= SLOW.stall_seconds + trickle.sent / SLOW.bytes_per_second + seconds


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_for_which_there_is_no_room_is_refused_and_what_came_is_counted(declared: bool) -> None:
    piece = b"x" * 20_000
    caller = exchange(headers=[(b"content-length", b"60000") if declared else CHUNKED])
    caller.receive = _Sender(piece, piece, piece).receive
    caller.room = room = BodyRoom(100_000, 1)
    with pytest.raises(TollkeeperError) as caught:
        await read_body(caller)
    assert caught.value.reason is Reason.RATE_LIMIT_EXCEEDED
    assert caller.held_bytes == (0 if declared else 40_000)
    room.take("tok_1", 50_000 - caller.held_bytes)
    room.take("tok_2", 50_000)
