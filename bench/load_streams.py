"""A load of many streams at a time, as a program; it checks every event.

By default, each connection asks for the next stream as soon as its stream has ended, and the first streams
begin spread over the length of one stream. With `at_random`, streams begin at random times, independent of
the streams before them. When the time is up, no more streams begin, and those under way end.
"""

import asyncio
import contextlib
import random
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from bench import payloads
from bench.streams import PATIENCE_SECONDS, StreamFigures, StreamPlan

LATE_NS = 20_000_000
"""An event that takes longer than this from the upstream is late."""

_PAUSE_SECONDS = 0.05
_SEED = 1


class _Tally:
    """Counts of all streams, and times of the events since `settle`."""

    def __init__(self) -> None:
        self.streams = self.failed = self.lost = self.out_of_order = self.late = 0
        self.open = self.most_open = self.before = 0
        self.first: array[int] = array("q")
        self.delays: array[int] = array("q")
        self.stretches: array[int] = array("q")

    def settle(self) -> None:
        """Measure times from now on: connections are made, and the first streams are under way."""
        self.before = len(self.delays)
        for times in (self.first, self.delays, self.stretches):
            del times[:]

    def figures(self, seconds: float, events: int, streams: int) -> StreamFigures:
        """Return the figures; the rates are `events` and `streams` divided by `seconds`."""
        first, delays = percentiles(self.first), percentiles(self.delays)
        stretches = percentiles(self.stretches)
        return StreamFigures(
            streams=self.streams,
            failed=self.failed,
            events=self.before + len(self.delays),
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
    """Return the 1st to 99th percentile; zeros if there are no values."""
    if len(values) < 2:
        return [float(values[0]) if values else 0.0] * 99
    return statistics.quantiles(values, n=100, method="inclusive")


class _Slot(asyncio.Protocol):
    """A connection, and the stream it receives."""

    def __init__(self, tally: _Tally, request: bytes, next_of: "Callable[[_Slot], None]") -> None:
        """Call `next_of` when a stream has ended; it asks for another stream or closes the connection."""
        self._tally = tally
        self._request = request
        self._next_of = next_of
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
        """Ask for the first stream."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclasses
        self.ask()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def ask(self) -> None:
        """Ask for a stream."""
        self._receiving = True
        self._seen = self._next = self._stretch = self._status = 0
        self._tail = b""
        self._done = False
        self._asked = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        self._now = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_status(self, _: bytes) -> None:
        """Keep the answer's status."""
        self._status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        """Check the events in a part of the stream."""
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
        """Count the ended stream, and ask for the next."""
        if not self._receiving:
            return
        self._account()
        if self._status == 200:
            self._next_of(self)
        else:  # after a refusal, the next request waits
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
        """Count the stream that broke off, if one was under way."""
        if self._receiving:
            self._account()
        if not self.ended.done():
            self.ended.set_result(None)


class _Load:
    """The connections of the load, and the times at which they ask for streams."""

    def __init__(self, plan: StreamPlan, tally: _Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._url = url = urlsplit(plan.url)
        body = plan.body.encode()
        self._request = (
            f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {plan.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._idle: list[_Slot] = []
        self._stopping = False
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start to ask for streams."""
        if self._plan.at_random:
            self.tasks.add(asyncio.create_task(self._ask_at_random()))
            return
        step = self._plan.spread / self._plan.at_a_time
        for number in range(self._plan.at_a_time):
            self.tasks.add(asyncio.create_task(self._keep_asking(number * step)))

    def stop(self) -> None:
        """Start no more streams."""
        self._stopping = True
        for slot in self._idle:
            slot.close()

    async def _keep_asking(self, at: float) -> None:
        await asyncio.sleep(at)
        while not self._stopping:
            await self._connect()

    async def _ask_at_random(self) -> None:
        loop, chance = asyncio.get_running_loop(), random.Random(_SEED)  # noqa: S311 - repeatable on purpose
        due = loop.time()
        while True:
            due += chance.expovariate(self._plan.at_a_time / self._plan.spread)
            await asyncio.sleep(due - loop.time())
            if self._stopping:
                return
            if self._idle:
                self._idle.pop().ask()
            else:
                self.tasks.add(asyncio.create_task(self._connect()))

    def _go_on(self, slot: _Slot) -> None:
        if self._stopping:
            slot.close()
        elif self._plan.at_random:
            self._idle.append(slot)
        else:
            slot.ask()

    async def _connect(self) -> None:
        """Ask on a new connection; return when it is closed."""
        assert self._url.hostname is not None
        try:
            _, slot = await asyncio.get_running_loop().create_connection(
                lambda: _Slot(self._tally, self._request, self._go_on),
                self._url.hostname,
                self._url.port or 80,
            )
        except OSError:
            self._tally.streams += 1
            self._tally.failed += 1
            self._tally.lost += payloads.EVENTS
            await asyncio.sleep(_PAUSE_SECONDS)
            return
        await slot.ended
        if slot in self._idle:
            self._idle.remove(slot)


async def _run(plan: StreamPlan) -> StreamFigures:
    tally = _Tally()
    load = _Load(plan, tally)
    load.start()
    await asyncio.sleep(plan.spread)
    tally.settle()
    began, streams = time.monotonic(), tally.streams
    await asyncio.sleep(plan.seconds)
    seconds = time.monotonic() - began
    events, streams = len(tally.delays), tally.streams - streams
    load.stop()
    _, hanging = await asyncio.wait(load.tasks, timeout=PATIENCE_SECONDS)
    for task in hanging:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*load.tasks)
    tally.lost += payloads.EVENTS * len(hanging)
    tally.failed += len(hanging)
    return tally.figures(seconds, events, streams)


if __name__ == "__main__":
    figures = uvloop.run(_run(msgspec.json.decode(sys.argv[1], type=StreamPlan)))
    print(msgspec.json.encode(figures).decode())
