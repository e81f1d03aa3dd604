"""The requests of one connection of HTTP/2: they come, are answered in turn, and end."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from tollkeeper_server.dataplane.caller import App
from tollkeeper_server.domain.headers import GO_AHEAD, Header, expectations
from tollkeeper_server.doors.front import is_data_path
from tollkeeper_server.doors.http2.bounded import BoundedH2
from tollkeeper_server.doors.http2.head import request_scope
from tollkeeper_server.doors.http2.sender import STRANGER_SECONDS, Sender
from tollkeeper_server.doors.http2.sender import Line as SenderLine
from tollkeeper_server.doors.http2.shared import Shared
from tollkeeper_server.doors.http2.stream import Stream
from tollkeeper_server.doors.pages import MANY_WAITING
from tollkeeper_server.doors.refusals import Refusal
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.refusal import refusal

MAX_STREAMS = 100
"""How many streams a connection may have at once. Browsers expect no fewer (RFC 9113, 6.5.2)."""
MAX_FIELDS = 200
"""How many header fields a request may have, those of cookies counted once."""
LATE_BODY = TollkeeperError(
    Reason.REQUEST_TIMEOUT, "the request's body did not come in time; send it faster, or in parts"
)
MANY_FIELDS = TollkeeperError(
    Reason.HEADERS_TOO_LARGE, f"the request has more than {MAX_FIELDS} header fields; send fewer"
)

_REQUEST = "request"  # asyncio would make a name for each task
_WAITING_REQUESTS = 8
# Of how many streams the rest of a request is dropped after its answer, for how long, and what a piece of it
# wastes: seconds.
_MOST_DISCARDED = 4
_DISCARDING_SECONDS = 30.0
_DISCARD_SECONDS = 0.00005
# What each of too many fields wastes, in seconds.
_FIELD_SECONDS = 0.00002
# More fields than honest callers send, each cookie counted: browsers keep up to 180 of a host.
_MANY_FIELDS = 300


class Owner(Protocol):
    """The listener that accepted the connection (`ConsoleListener`)."""

    app: App
    name: str
    loop: asyncio.AbstractEventLoop
    limits: TimeLimits
    tasks: set[asyncio.Task[None]]
    shared: Shared

    def shed(self) -> None: ...


class Line(SenderLine, Protocol):
    """The connection (`Http2Connection`)."""

    def waste(self, seconds: float) -> None: ...
    def emptied(self) -> None: ...


class Streams:
    """The streams that are open. Their applications run in turn."""

    __slots__ = (
        "_address", "_answered", "_begun", "_client", "_h2", "_line", "_open", "_owner", "_scheme", "_shared",
        "_waiting", "answers", "loop", "sender", "shed",
    )  # fmt: skip

    def __init__(
        self, line: Line, h2: BoundedH2, owner: Owner, client: tuple[str, int] | None, scheme: str
    ) -> None:
        self._line = line
        self._h2 = h2
        self._owner = owner
        self._shared = owner.shared
        self._client = client
        self._address = client[0] if client else None
        self._scheme = scheme
        self._open: dict[int, Stream] = {}
        self._begun: deque[Stream] = deque()
        # Streams whose answers are sent before their requests have come, and since when.
        self._answered: dict[int, float] = {}
        self._waiting = 0
        self.loop = line.loop
        self.sender = Sender(line, h2, self, self._shared.pace, self._address)
        """What sends the answers."""
        self.answers = owner.shared.answers
        """What is held of all answers."""
        self.shed = owner.shed

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def get(self, number: int) -> Stream | None:
        """Return an open stream."""
        return self._open.get(number)

    # What comes in.

    @property
    def are_many_waiting(self) -> bool:
        """Whether those that have not begun are as many as may wait. `run_next` goes on."""
        return len(self._begun) >= _WAITING_REQUESTS or (
            self._waiting > 0 and self._shared.pages.waiting > MANY_WAITING
        )

    def open(self, number: int, fields: list[Header]) -> None:
        """Take a request, if there may be one more."""
        shared = self._shared
        if len(self._open) >= MAX_STREAMS:
            self._refuse(number, Refusal.STREAMS)
            self._line.waste(self._line.conduct.reset())
            return
        if not shared.requests.admit(self._address):
            self._refuse(number, Refusal.REQUESTS)
            self._line.waste(STRANGER_SECONDS)
            return
        scope, size = request_scope(
            fields, scheme=self._scheme, client=self._client, listener=self._owner.name
        )
        shared.heads.take(size)
        expects = GO_AHEAD in expectations(scope["headers"])
        stream = self._open[number] = Stream(self, self.sender, number, scope, size, expects=expects)
        if len(scope["headers"]) > MAX_FIELDS:
            stream.scope = None
            self._forget(stream)
            self._answer(stream, MANY_FIELDS)
        else:
            self._begun.append(stream)
        if len(fields) > _MANY_FIELDS:
            self._line.waste(len(fields) * _FIELD_SECONDS)

    def _refuse(self, number: int, why: Refusal) -> None:
        self._shared.refusals.count(why, self._address)
        with suppress(ProtocolError):
            self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)

    def feed(self, number: int, data: bytes, owed: int) -> None:
        """Take a part of a request's body, which the caller may replace by `owed` bytes once it is read."""
        stream = self._open.get(number)
        if stream is None or stream.ended:
            with suppress(ProtocolError):
                self._h2.acknowledge_received_data(owed, number)
            if number in self._answered:
                self._line.waste(_DISCARD_SECONDS)
        else:
            stream.feed(data, owed)

    def feed_end(self, number: int) -> None:
        """Take the end of a request."""
        if number in self._open:
            self._open[number].feed_end()
        self._answered.pop(number, None)

    def left(self, number: int) -> None:
        """Record that a stream was reset, by its caller or for what its caller did."""
        if self._answered.pop(number, None) is not None:
            return
        if number in self._open:
            self.closed(self._open[number])
        self._line.waste(self._line.conduct.reset())

    def window_opened(self, number: int | None) -> None:
        """Go on sending what waited for a stream's window, or for that of any stream."""
        streams = self._open.values() if number is None else (self._open.get(number),)
        for stream in streams:
            if stream is not None and stream.held:
                self.sender.send_soon(stream)

    # The applications.

    def run_next(self) -> bool:
        """Have the application answer one request. Return whether there was one."""
        if not self._begun:
            return False
        stream = self._begun.popleft()
        if stream.gone:
            self._forget(stream)
        elif stream.scope is not None and not is_data_path(stream.scope["path"]):
            self._waiting += 1
            stream.page = self._shared.pages.ask(self._address, lambda: self._run_page(stream))
        else:
            self._run(stream)
        return True

    def _run_page(self, stream: Stream) -> None:
        self._waiting -= 1
        self._run(stream)
        self._line.work_soon()

    def _run(self, stream: Stream) -> None:
        self._shared.scheduler.charge_start()
        tasks = self._owner.tasks
        task = stream.task = self.loop.create_task(stream.run(self._owner.app), name=_REQUEST)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def ran(self, stream: Stream) -> None:
        """Record that the application is done with a request."""
        if stream.page is not None:
            stream.page.done()
        if not (stream.gone or stream.ended):
            if stream.answered:
                self.reset(stream, ErrorCodes.INTERNAL_ERROR)
            else:
                self.sender.send_head(stream, 500, [(b"content-length", b"0")], ends=True)
        self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        """Give back what a request takes as far as it is over."""
        if stream.task is None and stream.head_bytes:
            size, stream.head_bytes = stream.head_bytes, 0
            self._shared.heads.give_back(size)
        if stream.task is None and stream.gone and stream.is_counted:
            stream.is_counted = False
            self._shared.requests.left(self._address)

    # The end.

    def look(self, now: float) -> None:
        """End streams that have taken too long by now, a time of the loop."""
        for stream in self:
            if stream.held and now - stream.progress_at > self._owner.limits.unread:
                self.give_up(stream)
            elif not stream.request_ended and stream.is_late(now):
                self._shared.refusals.count(Refusal.SLOW_BODY, self._address)
                self._answer(stream, LATE_BODY)

        while self._answered and now - next(iter(self._answered.values())) > _DISCARDING_SECONDS:
            self._discard_no_more()

    def discard(self, stream: Stream) -> None:
        """Let the rest of a request come whose answer is sent, and drop it.

        Some clients, httpx for one, do not look for an answer before all is sent: they would wait in vain if
        the stream were reset, as it may be (RFC 9113, 8.1).
        """
        self._answered[stream.number] = self.loop.time()
        if len(self._answered) > _MOST_DISCARDED:
            self._discard_no_more()

    def _discard_no_more(self) -> None:
        number = next(iter(self._answered))
        del self._answered[number]
        with suppress(ProtocolError):
            self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
        self._line.work_soon()

    def give_up(self, stream: Stream) -> None:
        """Reset a stream whose answer is not taken."""
        self._shared.refusals.count(Refusal.UNREAD, self._address)
        self.reset(stream, ErrorCodes.CANCEL)

    def _answer(self, stream: Stream, error: TollkeeperError) -> None:
        """Answer with an error, without the application or in its place."""
        if stream.answered:
            self.reset(stream, ErrorCodes.CANCEL)
            return
        _, body = refusal(error)
        stream.answered = True
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self.sender.send_head(stream, error.outcome.http, headers)
        stream.hold(body)
        stream.finish()

    def reset(self, stream: Stream, code: ErrorCodes) -> None:
        """Reset a stream."""
        with suppress(ProtocolError):
            self._h2.reset_stream(stream.number, code)
        self._line.flush()
        self.closed(stream)

    def closed(self, stream: Stream) -> None:
        """Record that a stream has ended, in whatever way."""
        del self._open[stream.number]
        if owed := stream.leave():
            self.sender.credit(stream, owed)
        if stream.page is not None:
            if stream.page.is_waiting:
                self._waiting -= 1
            stream.page.done()
        if stream not in self._begun:
            self._forget(stream)
        if not self._open:
            self._line.emptied()

    def close(self) -> None:
        """Close every stream: the connection has ended."""
        begun, self._begun = self._begun, deque()
        for stream in self:
            self.closed(stream)
        for stream in begun:
            self._forget(stream)
        self.sender.clear()
