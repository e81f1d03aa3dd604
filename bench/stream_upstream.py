"""The upstream of streams, a program that sends numbered events at intervals.

It answers `POST /every-5ms/v1/chat/completions` with `payloads.EVENTS` events 5 ms apart. Like providers,
it sends a usage chunk if the request asks for one.
"""

import asyncio
import re
import signal
import time
from typing import cast

import httptools
import uvloop

from bench import payloads
from bench.ticks import tick

_INTERVAL = re.compile(rb"/every-(\d+)ms/")
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_BACKLOG = 4096
# Ticks are finer than a millisecond, so that streams do not all send at the same time: real ones don't.
_TICKS_OF_MS = 4
_TICK_NS = 1_000_000 // _TICKS_OF_MS


class _Wheel:
    """Runs the streams that are due, tick by tick; it never skips a tick."""

    def __init__(self) -> None:
        self._due: dict[int, list[_Stream]] = {}
        self._began = time.monotonic_ns()
        self._tick = 0

    def add(self, stream: "_Stream") -> None:
        """Schedule a stream's next event, one interval from now."""
        self._due.setdefault(self._tick + stream.interval, []).append(stream)

    def turn(self) -> None:
        """Run the streams that are due by now."""
        now = (time.monotonic_ns() - self._began) // _TICK_NS
        while self._tick <= now:
            for stream in self._due.pop(self._tick, ()):
                if stream.send_next():
                    self._due.setdefault(self._tick + stream.interval, []).append(stream)
            self._tick += 1


class _Stream(asyncio.Protocol):
    """A connection, and the stream that is sent on it."""

    def __init__(self, wheel: _Wheel) -> None:
        self._wheel = wheel
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._body = bytearray()
        self._number = 0
        self._end = b""
        self.interval = 0
        """The number of ticks from one event to the next."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclasses

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's URL."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Take a part of the request's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the complete request: send the first event at once."""
        interval = _INTERVAL.match(self._url)
        if interval is None:
            self._transport.write(_NOT_FOUND)
            return
        self.interval = int(interval[1]) * _TICKS_OF_MS
        self._number = 1
        self._end = payloads.stream_end(usage=b"include_usage" in self._body)
        self._transport.write(_HEAD + payloads.event(0, time.monotonic_ns()))
        self._wheel.add(self)

    def send_next(self) -> bool:
        """Send the next event; return whether more follow."""
        if self._transport.is_closing():
            return False
        number = self._number
        self._number += 1
        piece = payloads.event(number, time.monotonic_ns())
        if self._number == payloads.EVENTS:
            self._transport.write(piece + self._end)
            return False
        self._transport.write(piece)
        return True


async def _main() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    wheel = _Wheel()
    server = await loop.create_server(lambda: _Stream(wheel), "127.0.0.1", 0, backlog=_BACKLOG)
    tick(loop, _TICK_NS, wheel.turn)
    print(f"ready: 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(_main())
