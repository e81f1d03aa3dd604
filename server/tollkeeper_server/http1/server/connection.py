"""A caller's connection: requests come in on it, and are answered one after the other."""

import asyncio
import select
import socket
import struct
from collections import deque
from math import inf
from typing import Protocol, cast
from urllib.parse import unquote

import httptools

from tollkeeper_server.dataplane.caller import LISTENER
from tollkeeper_server.dataplane.headers import MAX_HEADER_BYTES
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.http1.server.call import App, Call
from tollkeeper_server.http1.server.head import split_target
from tollkeeper_server.http1.server.refusal import ENDLESS_HEAD, MAX_HEAD_BYTES, NOT_HTTP, late_head, refusal

# How long a caller that still sends is listened to, so that it reads why nobody wants to hear it:
# closing at once would reset the connection, and the answer with it (RFC 9112, 9.6).
_LINGER_SECONDS = 5.0
# Loops count time in milliseconds: a timer may fire so much early.
_EARLY = 0.002
# How long the loop may take to read what has come, before a connection that seems idle is looked at again.
_MOMENT = 0.05
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_FRAMING = {b"content-length", b"transfer-encoding"}
_REQUEST = "request"  # a name for each task would have to be made


class Owner(Protocol):
    """Who accepts connections."""

    app: App
    loop: asyncio.AbstractEventLoop
    keep_alive: float
    """How many seconds a connection may go without a request under way."""
    head_timeout: float
    """How many seconds a caller may take from connecting, or from a later head's first byte, to its end."""
    quiet: float
    """How many seconds a connection that is to end may go without a request."""
    name: str
    """The listener's name."""

    tasks: set[asyncio.Task[None]]
    """The requests that are being answered."""

    def made(self, connection: "Connection") -> None:
        """Takes note of a connection."""

    def lost(self, connection: "Connection") -> None:
        """Takes note that a connection is closed."""


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1, and nothing else, whatever a request offers to upgrade to.

    httptools stops before the body of a request that asks for another protocol, as every Java
    HttpClient does without TLS (uvicorn issue 2722). Such a request is read to its end by a parser of
    its own, which goes on with what follows. The methods named `on_…` are the parser's to call.
    """

    __slots__ = (
        "_advanced", "_arrived", "_call", "_client", "_deadline", "_expects", "_headers", "_in_head",
        "_latest", "_owner", "_parser", "_piece", "_queue", "_reading", "_refusal", "_resuming", "_shut",
        "_timer", "_timer_at", "_transport", "_unread", "_url", "blocked", "loop", "tasks",
    )  # fmt: skip

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.loop = owner.loop
        self.tasks = owner.tasks
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects = False
        self._in_head = False
        self._advanced = False
        self._resuming = False
        self._piece = 0
        # Bytes since the last request began, and those before it in the same piece: its head is no larger.
        self._arrived = 0
        self._unread = 0
        self._call: Call | None = None
        self._latest: Call | None = None
        self._queue: deque[Call] = deque()
        self._refusal: TollkeeperError | None = None
        self._reading = True
        self.blocked: asyncio.Future[None] | None = None
        self._client: tuple[str, int] | None = None
        # While no request is under way, the loop's time by which a head must be complete. It is moved by
        # assignment; the timer looks at it when it fires, and is never later.
        self._deadline = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._shut = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the transport."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[:2] if peer else None
        self._new_parser()
        self._give(self._owner.head_timeout)
        self._owner.made(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Takes note that the caller has left."""
        self._transport = self._parser = self._latest = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        self._queue.clear()
        self._refusal = None
        call, self._call = self._call, None
        if call is not None:
            call.leave()
        self._owner.lost(self)

    def shut(self) -> None:
        """Ends the connection with the answer under way, or the next, or once none is asked for in a while.

        Closing it while a caller may take it to be kept would lose what is just being asked.
        """
        self._shut = True
        if self._call is None and not self._in_head:
            self._give(min(self._owner.quiet, self._deadline - self.loop.time()))

    def cut(self) -> None:
        """Closes the connection, whatever was still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def _give(self, seconds: float) -> None:
        """Gives the caller so long for a request's head."""
        self._deadline = deadline = self.loop.time() + seconds
        if deadline < self._timer_at:
            self._watch(deadline)

    def _watch(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer, self._timer_at = None, inf
        now = self.loop.time()
        if self._call is not None:
            self._watch(now + self._owner.keep_alive)
        elif now + _EARLY < self._deadline:
            self._watch(self._deadline)
        elif self._in_head:
            self._refuse(late_head(self._owner.head_timeout))
        elif self._has_unread():
            self._give(_MOMENT)
        else:
            self._close()

    def _has_unread(self) -> bool:
        """Tells whether something has come that the loop has not read yet: the connection is in use again."""
        if self._transport is None or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # What the transport says.

    def data_received(self, data: bytes) -> None:
        """Takes what has come."""
        parser = self._parser
        if parser is None:  # what came before was not HTTP, or an answer said that the connection closes
            return
        self._advanced = False
        self._piece = size = len(data)
        self._arrived += size
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._resume(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(NOT_HTTP)
        else:
            if self._in_head:
                self._begin_head()
            if not self._advanced:  # a head, or the extensions of a chunk, or trailers: none need end
                self._unread += size
                if self._unread > MAX_HEAD_BYTES:
                    self._refuse(ENDLESS_HEAD)

    def pause_writing(self) -> None:
        """Lets answers wait."""
        self.blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        """Lets answers go on."""
        writable, self.blocked = self.blocked, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def _begin_head(self) -> None:
        """Counts a head's time from its first piece; the first head's from connecting."""
        if self._call is None and not self._unread and self._latest is not None:
            self._give(self._owner.head_timeout)

    # What the parser says.

    def _new_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _resume(self, rest: bytes) -> None:
        assert self._latest is not None
        self._new_parser()
        self._latest.more_body = True  # the parser that stopped took the request to be complete
        self._resuming = True
        framing = b"".join(b"%s: %s\r\n" % header for header in self._headers if header[0] in _FRAMING)
        self.data_received(b"POST / HTTP/1.1\r\n%s\r\n%s" % (framing, rest))

    def on_message_begin(self) -> None:
        """Begins a request, unless its head was read already."""
        if not self._resuming:
            self._url = b""
            self._headers = []
            self._expects = False
            self._in_head = True
            self._unread = 0
            self._arrived = self._piece

    def on_url(self, url: bytes) -> None:
        """Takes a part of the target."""
        if not self._resuming:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header."""
        if self._in_head:  # a trailer is not one (RFC 9110, 6.5.1)
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self._expects = True
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Starts to serve the request, unless it is being served already."""
        self._in_head = False
        self._advanced = True
        if self._resuming:
            self._resuming = False
            return
        parser = self._parser
        assert parser is not None
        version = parser.get_http_version()
        raw_path, query = split_target(self._url)
        path = raw_path.decode("latin-1")
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            LISTENER: self._owner.name,
        }
        keep = version == "1.1" and parser.should_keep_alive()
        # The parser lets no control character pass in a name or a value.
        checked = self._arrived <= MAX_HEADER_BYTES
        self._latest = call = Call(self, scope, keep=keep, expects=self._expects, headers_checked=checked)
        if self._call is None:
            self._start(call)
        else:
            self._queue.append(call)
            self.pause_reading()

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body."""
        self._advanced = True
        self._unread = 0
        if self._latest is not None:
            self._latest.feed(body)

    def on_message_complete(self) -> None:
        """Takes the end of the request."""
        self._advanced = True
        if self._latest is not None:
            self._latest.feed_end()

    def _start(self, call: Call) -> None:
        self._call = call
        call.task = self.loop.create_task(call.run(self._owner.app), name=_REQUEST)
        self.tasks.add(call.task)

    def _refuse(self, error: TollkeeperError) -> None:
        self._parser = None
        broken, self._latest = self._latest, None
        if broken is not None and broken.more_body:
            if self._queue:
                self._queue.pop()
            elif broken.answered:
                self._close()
                return
            else:
                self._call = None
                self._say(error)
                broken.leave()
                return
        if self._call is None:
            self._say(error)
        else:  # what was asked before is answered first
            self._refusal = error
            self.pause_reading()

    def _say(self, error: TollkeeperError) -> None:
        self.write(*refusal(error))
        self._linger()

    def _linger(self) -> None:
        """Closes the connection once the caller does, or soon; what it still sends is dropped."""
        self._parser = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write_eof()
        self.resume_reading()
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = -inf  # nothing moves it any more
        self._timer = self.loop.call_later(_LINGER_SECONDS, transport.abort)

    # What a call asks and says.

    def is_last(self) -> bool:
        """Tells whether the connection closes after the answer under way."""
        return self._shut and not self._queue

    def write(self, *pieces: bytes) -> None:
        """Sends bytes."""
        if self._transport is not None and not self._transport.is_closing():
            if len(pieces) == 1:
                self._transport.write(pieces[0])
            else:
                self._transport.writelines(pieces)

    def pause_reading(self) -> None:
        """Lets the caller wait with what it sends."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads on."""
        if not self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def ended(self, *, keep: bool) -> None:
        """Takes note that an answer is whole; unless `keep`, no other follows."""
        call, self._call = self._call, None
        if self._transport is None:
            return
        if not keep:
            if call is not None and call.more_body:
                self._linger()
            else:
                self._parser = None
                self._close()
        elif self._queue:
            self._start(self._queue.popleft())
            if not self._queue:
                self.resume_reading()  # its body may not all have come
        elif self._refusal is not None:
            self._say(self._refusal)
        else:
            self._give(self._owner.keep_alive)
            if self._in_head:
                self._give(self._owner.head_timeout)
            elif self._shut:  # the answer had begun before, and did not say that it is the last
                self._give(self._owner.quiet)
            self.resume_reading()

    def broke(self, *, reset: bool) -> None:
        """Takes note that an answer will not become whole. `reset`: its end would look like its end."""
        self._call = self._parser = None
        if self._transport is None:
            return
        if reset:
            connected: socket.socket = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()
