"""The answers of one connection of HTTP/2: what is sent when, as far as its caller takes it."""

import asyncio
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.doors.http2.bounded import BoundedH2
from tollkeeper_server.doors.http2.conduct import Conduct
from tollkeeper_server.doors.http2.frames import MAX_FRAME_BYTES
from tollkeeper_server.doors.http2.stream import Stream
from tollkeeper_server.doors.pace import Pace

# A piece of this size, or a whole one, is worth the frames that acknowledge it.
_WORTHY_BYTES = 1024
# What a request wastes that is refused, or is a stranger's: seconds.
STRANGER_SECONDS = 0.0005


class Line(Protocol):
    """The connection (`Http2Connection`)."""

    loop: asyncio.AbstractEventLoop
    conduct: Conduct
    is_ended: bool

    def flush(self) -> None: ...
    def work_soon(self) -> None: ...


class Owner(Protocol):
    """The streams of the connection (`Streams`)."""

    def reset(self, stream: Stream, code: ErrorCodes) -> None: ...
    def discard(self, stream: Stream) -> None: ...
    def closed(self, stream: Stream) -> None: ...


class Sender:
    """Sends the answers of streams piece by piece, one stream after the other.

    What is sent in a turn of the connection is written at once.
    """

    __slots__ = ("_address", "_h2", "_line", "_pace", "_streams", "_to_send")

    def __init__(self, line: Line, h2: BoundedH2, streams: Owner, pace: Pace, address: str | None) -> None:
        self._line = line
        self._h2 = h2
        self._streams = streams
        self._pace = pace
        self._address = address
        self._to_send: deque[Stream] = deque()

    def clear(self) -> None:
        """Send nothing more."""
        self._to_send.clear()

    def go_ahead(self, stream: Stream) -> None:
        """Tell the caller to send the body."""
        with suppress(ProtocolError):
            self._h2.send_headers(stream.number, [(b":status", b"100")])
        self._line.work_soon()

    def credit(self, stream: Stream, size: int) -> None:
        """Let the caller send so many bytes more."""
        if not self._line.is_ended:
            with suppress(ProtocolError):
                self._h2.acknowledge_received_data(size, stream.number)
            self._line.work_soon()

    def send_head(self, stream: Stream, status: int, headers: list[Header], *, ends: bool = False) -> None:
        """Send the head of an answer. Raises ProtocolError for one that HTTP/2 does not allow."""
        try:
            self._h2.send_headers(stream.number, [(b":status", b"%d" % status), *headers], end_stream=ends)
        except (ProtocolError, ValueError):
            self._streams.reset(stream, ErrorCodes.INTERNAL_ERROR)
            raise
        if status == HTTPStatus.UNAUTHORIZED:
            self._pace.waste(self._address, STRANGER_SECONDS)
        self._line.work_soon()
        if ends:
            self._sent(stream)

    def send_soon(self, stream: Stream) -> None:
        """Send what a stream holds in its turn."""
        if not (stream.is_queued or stream.gone):
            stream.is_queued = True
            if stream.held:
                self._to_send.append(stream)
            else:  # it only has to end, for which it needs no window
                self._to_send.appendleft(stream)
            self._line.work_soon()

    def send_piece(self) -> bool:
        """Send a piece of the stream whose turn it is. Return whether there may be more to send."""
        if not self._to_send:
            return False
        h2, stream = self._h2, self._to_send[0]
        if stream.held and not stream.gone and h2.outbound_flow_control_window <= 0:
            return False
        self._to_send.popleft()
        stream.is_queued = False
        if stream.gone:
            return True
        if not stream.held:
            if stream.ended:
                h2.end_stream(stream.number)
                self._sent(stream)
            return True
        room = min(h2.local_flow_control_window(stream.number), h2.max_outbound_frame_size, MAX_FRAME_BYTES)
        if room > 0:
            piece, is_whole = stream.next_piece(room)
            if is_whole or len(piece) >= _WORTHY_BYTES:
                self._line.conduct.piece_sent()
            is_last = stream.ended and not stream.held
            h2.send_data(stream.number, piece, end_stream=is_last)
            if is_last:
                self._sent(stream)
            elif stream.held:
                self.send_soon(stream)
        return True

    def _sent(self, stream: Stream) -> None:
        """Close a stream whose answer is sent."""
        if not stream.request_ended:
            self._streams.discard(stream)
        self._streams.closed(stream)
