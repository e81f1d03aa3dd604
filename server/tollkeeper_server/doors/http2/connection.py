"""A caller's connection of HTTP/2 (RFC 9113): frames come in and go out, none of it without bounds."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.doors.http2.bounded import BoundedH2
from tollkeeper_server.doors.http2.conduct import Calm, Conduct
from tollkeeper_server.doors.http2.frames import GOING_AWAY, PREFACE, FrameError
from tollkeeper_server.doors.http2.receiver import Receiver
from tollkeeper_server.doors.http2.streams import Owner, Streams
from tollkeeper_server.doors.refusals import Refusal
from tollkeeper_server.http1.channel import Channel

# How much of what its caller sends may be on its way to a connection, and how much is held unread.
_WINDOW_BYTES = 256 * 1024
_UNREAD_BYTES = 16 * 1024
_FRAMES_AT_ONCE = 8
# How long a connection that is to end may go on with new requests before its caller is told.
_PATIENCE_SECONDS = 5.0
# How long the caller may take to learn that an answer has ended, and that its connection has.
_MOMENT = 0.02
_LAST_SECONDS = 1.0
# The longest that a connection waits at a time because it and its address waste time.
_LONGEST_WAIT = 1.0
# What a connection may waste without waiting for what others of its address have wasted, in seconds.
_WASTE_SECONDS = 0.003
# What it may waste before it ends, if it has to wait for that.
_MOST_WASTED = 0.1
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"


class Http2Connection(Channel):
    """Speaks HTTP/2 with one caller. What it does, it does in its turn among the others.

    It reads no further while its caller does not take what was written, so that answers to frames don't
    pile up. Bodies are written as far as the caller's windows and the socket take them.
    """

    __slots__ = (
        "_address", "_at_work", "_blocked_at", "_blocked_bytes", "_flow", "_h2", "_idle_since", "_is_shut",
        "_listener", "_receiver", "_sender", "_shared", "_to_tell", "_wasted", "conduct", "is_ended",
        "streams",
    )  # fmt: skip

    def __init__(self, listener: Owner, client: tuple[str, int] | None, scheme: str) -> None:
        super().__init__(listener.loop)
        self._listener = listener
        self._shared = listener.shared
        self._address = client[0] if client else None
        self._h2 = BoundedH2()
        self.conduct = Conduct(self.loop.time)
        self.streams = Streams(self, self._h2, listener, client, scheme)
        self._sender = self.streams.sender
        self._receiver = Receiver(self, self._h2, self.streams, self._shared)
        self._flow = self._shared.flow(self._address)
        self._at_work = False
        self._wasted = 0.0
        self._is_shut = False
        # When the caller is to be told that the connection ends, if it has sent a request after this one.
        self._to_tell: tuple[float, int] | None = None
        self._idle_since = self.loop.time()
        self._blocked_at: float | None = None
        self._blocked_bytes = 0
        self.is_ended = False
        """Whether nothing more is read or answered."""

    # The side of the socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the caller, whose preface is to come or has come."""
        super().connection_made(transport)
        self._h2.initiate_connection()
        self._greet()
        self.flush()

    def upgrade(self, transport: asyncio.BaseTransport, settings: bytes, head: list[Header]) -> None:
        """Greet a caller who has asked over HTTP/1.1 to go on with HTTP/2, and answer what it asked for.

        `head` is the request's, in the form of HTTP/2. Raises ValueError if the settings can't be taken;
        nothing is sent then.
        """
        try:
            self._h2.initiate_upgrade_connection(settings)
        except ProtocolError as error:
            raise ValueError("the settings have a value that is not allowed") from error
        super().connection_made(transport)
        self.write(_SWITCHING)
        self._greet()
        self.streams.open(1, head)
        self.streams.feed_end(1)
        self.flush()
        self.work_soon()

    def _greet(self) -> None:
        self._h2.receive_data(PREFACE)  # the reader has it in fact
        self._h2.increment_flow_control_window(_WINDOW_BYTES - self._h2.inbound_flow_control_window)

    def data_received(self, data: bytes | memoryview) -> None:
        """Take bytes."""
        if self.is_ended:
            return
        self._receiver.feed(data)
        if self._receiver.held >= _UNREAD_BYTES:
            self.pause_reading()
        self.work_soon()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._blocked_at, self._blocked_bytes = self.loop.time(), self._unwritten()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._blocked_at = None
        self.work_soon()

    def _unwritten(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def flush(self) -> None:
        if not self.is_ended and (data := self._h2.data_to_send()):
            self.write(data)

    # The work, in its turn.

    def work_soon(self) -> None:
        if self._at_work or self.is_ended:
            return
        self._at_work = True
        wait = self._to_wait()
        if wait:
            self.loop.call_later(min(wait, _LONGEST_WAIT), self._take_turn)
        else:
            self._take_turn()

    def _take_turn(self) -> None:
        self._shared.scheduler.add(self._flow, self._work)

    def _work(self) -> bool:
        """Do some of what is to be done. Return whether to go on at once."""
        goes_on = self.guarded(self._do_some)
        if goes_on and not self._to_wait():
            return True
        self._at_work = False
        if goes_on:
            self.work_soon()
        return False

    def _to_wait(self) -> float:
        """Return how many seconds the connection must wait because it and its address waste time."""
        if self._wasted <= _WASTE_SECONDS:
            return 0.0
        return self._shared.pace.wait(self._address)

    def waste(self, seconds: float) -> None:
        """Count what was done in vain. Raises `Calm` if it is too much, while its address wastes too much."""
        self._wasted += seconds
        if seconds:
            self._shared.pace.waste(self._address, seconds)
            if self._to_wait() and (self._is_shut or self._wasted > _MOST_WASTED):
                raise Calm(Refusal.WASTE)

    def guarded(self, work: Callable[[], bool]) -> bool:
        """Work and return whether to go on, and end the connection if its caller has gone too far."""
        if self.is_ended or self._transport is None:
            return False
        try:
            goes_on = work()
        except Calm as calm:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM, calm.refusal)
        except FrameError as error:
            self._end(error.code, Refusal.MALFORMED)
        except ProtocolError as error:
            self._end(error.error_code, Refusal.MALFORMED)
        except Exception:  # noqa: BLE001 - whatever h2 stumbles over, the others go on
            self._end(ErrorCodes.INTERNAL_ERROR, Refusal.FAULT)
        else:
            self.flush()
            return goes_on and not self.is_ended
        return False

    def _do_some(self) -> bool:
        reads = sends = True
        for _ in range(_FRAMES_AT_ONCE):
            if self.blocked is not None or self.is_ended:
                return False  # `resume_writing` goes on
            reads = reads and self._receiver.read()
            sends = self._sender.send_piece()
            if not (reads or sends):
                break
            self.flush()
        return self.streams.run_next() or reads or sends

    # The end.

    def look(self, now: float) -> None:
        """End what has taken too long by now, a time of the loop."""
        if self.is_ended:
            return
        limits = self._listener.limits
        if self._receiver.is_late(now, limits.head):
            self._end(ErrorCodes.ENHANCE_YOUR_CALM, Refusal.SLOW_HEAD)
        elif self._is_unread(now):
            self._shared.refusals.count(Refusal.UNREAD, self._address)
            self.abort()
        elif not self.streams and now - self._idle_since > limits.keep_alive:
            self._part()
        else:
            self._tell(now)
            self.streams.look(now)

    def _is_unread(self, now: float) -> bool:
        """Return whether the caller has taken nothing in a long time."""
        if self._blocked_at is None:
            return False
        unwritten = self._unwritten()
        if unwritten != self._blocked_bytes:
            self._blocked_at, self._blocked_bytes = now, unwritten
        return now - self._blocked_at > self._listener.limits.unread

    def take_farewell(self) -> None:
        """End with the last answer: the caller still reads it (RFC 9113, 6.8)."""
        self._is_shut = True
        if not self.streams:
            self.take_end()

    def take_end(self) -> None:
        """End, as the caller does."""
        self.let_go()
        self._close_transport()

    def shut(self) -> None:
        """End once no request is under way. A caller that always has one is told before."""
        self._is_shut = True
        if self.is_ended:
            return
        if self._to_wait():
            self._end(ErrorCodes.ENHANCE_YOUR_CALM, Refusal.WASTE)
        elif self._to_tell is None:
            self._to_tell = self.loop.time() + _PATIENCE_SECONDS, self._h2.highest_inbound_stream_id

    def _tell(self, now: float) -> None:
        """Tell the caller that the connection ends, if it is to and requests still come.

        It sends further requests elsewhere, and what is under way is answered (RFC 9113, 6.8). Some callers
        give up what is under way when they are told. They are not while there is a chance that no request is.
        """
        if self._to_tell is None:
            return
        at, number = self._to_tell
        if now >= at and self._h2.highest_inbound_stream_id > number:
            self._to_tell = None
            self.write(GOING_AWAY)

    def part(self) -> None:
        """End if no request is under way: what is asked from now on is not answered, and its caller knows."""
        if not (self.streams or self._receiver.held or self.is_ended):
            self._part()

    def _part(self) -> None:
        with suppress(ProtocolError):
            self._h2.close_connection()
        self.flush()
        self.let_go()
        self.loop.call_later(self._listener.limits.quiet, self._close_transport)

    def emptied(self) -> None:
        """Record that no request is under way."""
        self._idle_since = self.loop.time()
        if self._is_shut:
            self.loop.call_later(_MOMENT, self.part)

    def _close_transport(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _end(self, code: ErrorCodes, refusal: Refusal) -> None:
        """End at once, with a reason that the caller has the time to read."""
        self._shared.refusals.count(refusal, self._address)
        if self._h2.state_machine.state is not ConnectionState.CLOSED:  # or h2 has said it
            self._h2.close_connection(code)
        self.flush()
        self.let_go()
        self.pause_reading()
        self.loop.call_later(_LAST_SECONDS, self.abort)

    def let_go(self) -> None:
        """Let go of everything, and have the applications learn that their callers have left."""
        if self.is_ended:
            return
        self.is_ended = True
        self._receiver.close()
        self.streams.close()
        # h2's objects refer to each other: left to the garbage collector, they would hold everybody up.
        vars(self._h2).clear()
