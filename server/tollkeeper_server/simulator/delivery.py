"""Sending a reply: its pace, the form of its bytes, and the point at which a fault breaks it off."""

import zlib
from collections.abc import Iterable, Iterator

from tollkeeper_server.simulator.exchange import Exchange
from tollkeeper_server.simulator.faults import Faults, Garbage
from tollkeeper_server.simulator.reply import EVENT_STREAM, Answer, EventStream, HeaderPairs
from tollkeeper_server.simulator.state import State

_GZIP = 31  # zlib's window bits for the gzip format
_EVENTS_PER_TURN = 64
_GARBAGE_BODY = b"<html>this is not what the content type says"
_GARBAGE_EVENT = b"data: {this is not JSON\n\n"


async def send_answer(exchange: Exchange, answer: Answer, faults: Faults, headers: HeaderPairs) -> None:
    """Send an answer, as a whole unless a fault breaks it off."""
    body = _GARBAGE_BODY if faults.garbage is Garbage.BODY else answer.body
    if faults.gzip:
        body = zlib.compress(body, wbits=_GZIP)
    if answer.status not in (204, 304):
        headers = (*headers, (b"content-length", b"%d" % len(body)))
        if answer.content_type:
            headers = (*headers, (b"content-type", answer.content_type))
    await exchange.start(answer.status, headers, close_framed=faults.close_framed, no_phrase=faults.no_phrase)
    stop = faults.cut if faults.cut is not None else faults.hang
    if stop is not None:
        for piece in _split(body[:stop], faults.split):
            await exchange.write(piece)
        await _break_off(exchange, faults)
    if faults.split:
        for piece in _split(body, faults.split):
            await exchange.write(piece)
            await exchange.pause(0)
        body = b""
    await exchange.end(body)


async def _break_off(exchange: Exchange, faults: Faults) -> None:
    if faults.cut is None:
        await exchange.fall_silent()
    await exchange.drop()


async def send_stream(
    exchange: Exchange,
    stream: EventStream,
    faults: Faults,
    state: State,
    headers: HeaderPairs,
    error: bytes,
) -> None:
    """Send a stream at its pace until its end or a fault; `error` is the event that `error-event` sends."""
    config = state.config
    interval = config.token_interval_ms if faults.interval is None else faults.interval
    stop = next((n for n in (faults.cut, faults.hang, faults.error_event) if n is not None), None)
    cut = faults.cut is not None
    if stop is None and state.random.random() < config.cut_rate:
        stop, cut = state.random.randint(1, max(1, config.reply_words)), True
    headers = (*headers, (b"content-type", stream.content_type), (b"cache-control", b"no-cache"))
    if faults.garbage is Garbage.BODY:
        stream = EventStream((_GARBAGE_BODY,), content_type=stream.content_type)
    exchange.watch()
    await exchange.start(200, headers, close_framed=faults.close_framed, no_phrase=faults.no_phrase)
    form = _Form(faults, stream.content_type)
    record = exchange.record
    for event in _events(stream, faults, last=stop is None):
        if record.events == stop:
            break
        if record.events and (interval or record.events % _EVENTS_PER_TURN == 0):
            await exchange.pause(interval)
        if form.plain:
            await exchange.write(event)
        else:
            for piece in form.apply(event):
                await exchange.write(piece)
                await exchange.pause(0)
        record.events += 1
    if cut:
        await exchange.drop()
        return
    if faults.hang is not None:
        await exchange.fall_silent()
    if faults.error_event is not None:
        for piece in form.apply(error):
            await exchange.write(piece)
    await exchange.end(form.finish())


def _events(stream: EventStream, faults: Faults, *, last: bool) -> Iterator[bytes]:
    for index, event in enumerate(stream.events):
        if index == 1 and faults.garbage is Garbage.EVENT:
            yield _GARBAGE_EVENT
        yield event
    if last and stream.last and not faults.no_done:
        yield stream.last + b"\n" * faults.blank_lines


class _Form:
    """Turns events into the bytes to send, as the faults ask: line ends, comments, gzip, pieces."""

    def __init__(self, faults: Faults, content_type: bytes) -> None:
        events = content_type == EVENT_STREAM
        self._crlf = faults.crlf and events
        self._comments = faults.comments and events
        self._split = faults.split
        self._deflate = zlib.compressobj(wbits=_GZIP) if faults.gzip else None
        self.plain = not (self._crlf or self._comments or self._split or self._deflate)

    def apply(self, event: bytes) -> Iterable[bytes]:
        """Return an event's bytes in the pieces to write."""
        if self._comments:
            event = b": keep-alive\n\n" + event
        if self._crlf:
            event = event.replace(b"\n", b"\r\n")
        if self._deflate is not None:
            event = self._deflate.compress(event) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _split(event, self._split)

    def finish(self) -> bytes:
        """Return the last bytes of the body."""
        return b"" if self._deflate is None else self._deflate.flush()


def _split(data: bytes, size: int) -> Iterable[bytes]:
    if not size:
        return (data,)
    return (data[start : start + size] for start in range(0, len(data), size))
