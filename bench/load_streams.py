"""Load of streams: so many at a time, every event of them checked. A program of its own, and its caller.

Each of the streams at a time is a connection that asks again as soon as its stream has ended. They begin
spread over the length of one stream. When the time is up no more are begun, and those under way end.
"""

import asyncio
import contextlib
import statistics
import sys
import time
from array import array
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from bench import payloads
from bench.processes import Process, Processes

LATE_NS = 20_000_000
"""An event that takes longer than this from the upstream is late."""

_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


class StreamPlan(msgspec.Struct, frozen=True):
    """What to ask. `spread` is the seconds over which the first streams begin."""

    url: str
    token: str
    body: str
    at_a_time: int
    seconds: float
    spread: float


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Rates are those of the time from the last connection's beginning until no more are begun. `delay_…`
    is what an event took from the upstream, `first_…` the time from asking to the first event, `stretch_…`
    by how much the gap between two events was longer here than at the upstream, the worst of each stream.
    """

    streams: int
    failed: int
    events: int
    lost: int
    out_of_order: int
    late: int
    most_open: int
    events_per_second: float
    streams_per_second: float
    first_p50_ms: float
    first_p99_ms: float
    delay_p50_ms: float
    delay_p99_ms: float
    stretch_p50_ms: float
    stretch_max_ms: float


class _Tally:
    """Counts, for all streams."""

    def __init__(self) -> None:
        self.streams = self.failed = self.lost = self.out_of_order = self.late = 0
        self.open = self.most_open = 0
        self.first: array[int] = array("q")
        self.delays: array[int] = array("q")
        self.stretches: array[int] = array("q")

    def figures(self, seconds: float, events: int, streams: int) -> StreamFigures:
        """Returns what it all comes to; the rates are those of `events` and `streams` in `seconds`."""
        first, delays = percentiles(self.first), percentiles(self.delays)
        stretches = percentiles(self.stretches)
        return StreamFigures(
            streams=self.streams,
            failed=self.failed,
            events=len(self.delays),
            lost=self.lost,
            out_of_order=self.out_of_order,
            late=self.late,
            most_open=self.most_open,
            events_per_second=events / seconds,
            streams_per_second=streams / seconds,
            first_p50_ms=first[49] / 1e6,
            first_p99_ms=first[98] / 1e6,
            delay_p50_ms=delays[49] / 1e6,
            delay_p99_ms=delays[98] / 1e6,
            stretch_p50_ms=stretches[49] / 1e6,
            stretch_max_ms=max(self.stretches, default=0) / 1e6,
        )


def percentiles(values: Sequence[int]) -> list[float]:
    """Returns the 1st to 99th percentile; zeros if there is nothing to tell."""
    if len(values) < 2:
        return [float(values[0]) if values else 0.0] * 99
    return statistics.quantiles(values, n=100, method="inclusive")


class _Slot(asyncio.Protocol):
    """A connection, and the stream it receives."""

    def __init__(self, tally: _Tally, request: bytes, stopping: asyncio.Event) -> None:
        self._tally = tally
        self._request = request
        self._stopping = stopping
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self.ended = asyncio.get_running_loop().create_future()
        self._receiving = False
        self._asked = self._now = 0
        self._status = 0
        self._seen = 0
        self._next = 0
        self._delay = 0
        self._stretch = 0
        self._tail = b""
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first stream."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._ask()

    def _ask(self) -> None:
        self._receiving = True
        self._seen = self._next = self._stretch = self._status = 0
        self._tail = b""
        self._done = False
        self._asked = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Takes what has arrived."""
        self._now = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_status(self, _: bytes) -> None:
        """The answer's status is there."""
        self._status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        """A part of the stream is there."""
        if self._tail:
            piece = self._tail + piece
        tally, now, end = self._tally, self._now, 0
        for found in payloads.EVENT.finditer(piece):
            number, delay = int(found[1]), now - int(found[2])
            if number == self._next:
                self._next += 1
            else:
                tally.out_of_order += number < self._next
                self._next = max(self._next, number + 1)
            if self._seen:
                self._stretch = max(self._stretch, delay - self._delay)
            else:
                tally.first.append(now - self._asked)
                tally.open += 1
                tally.most_open = max(tally.most_open, tally.open)
            self._seen += 1
            self._delay = delay
            tally.delays.append(delay)
            tally.late += delay > LATE_NS
            end = found.end()
        self._tail = piece[max(end, piece.rfind(b"\n\n")) :]
        if self._next >= payloads.EVENTS and b"data: [DONE]" in piece:
            self._done = True

    def on_message_complete(self) -> None:
        """The answer has ended; the next is asked for."""
        if not self._receiving:
            return
        self._account()
        if self._stopping.is_set():
            self._transport.close()
        elif self._status == 200:
            self._ask()
        else:  # whoever refuses is not asked again at once
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._transport.close)

    def _account(self) -> None:
        self._receiving = False
        tally = self._tally
        tally.streams += 1
        tally.failed += not self._done
        tally.open -= self._seen > 0
        tally.lost += payloads.EVENTS - min(self._seen, payloads.EVENTS)
        tally.stretches.append(self._stretch)

    def connection_lost(self, _: Exception | None) -> None:
        """Counts what did not come before it broke."""
        if self._receiving:
            self._account()
        if not self.ended.done():
            self.ended.set_result(None)


async def _keep_asking(plan: StreamPlan, at: float, tally: _Tally, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(at)
    url = urlsplit(plan.url)
    assert url.hostname is not None
    body = plan.body.encode()
    request = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {plan.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    while not stopping.is_set():
        try:
            _, slot = await loop.create_connection(
                lambda: _Slot(tally, request, stopping), url.hostname, url.port or 80
            )
        except OSError:
            tally.streams += 1
            tally.failed += 1
            tally.lost += payloads.EVENTS
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        await slot.ended


async def _load(plan: StreamPlan) -> StreamFigures:
    tally, stopping = _Tally(), asyncio.Event()
    step = plan.spread / plan.at_a_time
    slots = [
        asyncio.create_task(_keep_asking(plan, number * step, tally, stopping))
        for number in range(plan.at_a_time)
    ]
    await asyncio.sleep(plan.spread)
    began, events, streams = time.monotonic(), len(tally.delays), tally.streams
    await asyncio.sleep(plan.seconds)
    seconds = time.monotonic() - began
    events, streams = len(tally.delays) - events, tally.streams - streams
    stopping.set()
    _, hanging = await asyncio.wait(slots, timeout=_PATIENCE_SECONDS)
    for slot in hanging:
        slot.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*slots)
    tally.lost += payloads.EVENTS * len(hanging)
    tally.failed += len(hanging)
    return tally.figures(seconds, events, streams)


def start_streams(processes: Processes, cores: tuple[int, ...], plan: StreamPlan) -> Process:
    """Starts the load; `read_figures` waits for it."""
    encoded = msgspec.json.encode(plan).decode()
    return processes.start("load-streams", [sys.executable, "-m", "bench.load_streams", encoded], cores)


def read_figures(process: Process, plan: StreamPlan) -> StreamFigures:
    """Waits for the load to end, and returns what came of it. Raises `BenchError`."""
    written = process.wait(plan.spread + plan.seconds + _PATIENCE_SECONDS + 20)
    return msgspec.json.decode(written.splitlines()[-1], type=StreamFigures)


if __name__ == "__main__":
    figures = uvloop.run(_load(msgspec.json.decode(sys.argv[1], type=StreamPlan)))
    print(msgspec.json.encode(figures).decode())
