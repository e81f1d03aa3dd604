"""What comes in from a caller: it is read at once, or in its turn."""

import asyncio
from abc import abstractmethod
from typing import Protocol

from tollkeeper_server.http1.channel import Channel
from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.framing import HELD_BYTES
from tollkeeper_server.http1.server.bounds import CallerBounds
from tollkeeper_server.http1.server.held import UNCOUNTED_BYTES, Share
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.http1.server.queue import RequestQueue, Server
from tollkeeper_server.http1.server.refusal import CROWDED_HEAD

# A caller that sends more than so much before its turn sends nothing more until then.
_FEW_BYTES = 4 * 1024
# What it takes to begin a request is as much work as to read so many bytes, at the least.
_REQUEST_WORK = 8 * 1024


class Bounding(Server, Protocol):
    """The listener, which says how much may come in (`DataListener`)."""

    limits: TimeLimits
    bounds: CallerBounds


class Intake(Channel, asyncio.BufferedProtocol):
    """The reading side of a connection: what has come goes to the parser, as far as it may be read.

    Until a request of the connection has shown a token, each piece behind the first waits for a turn. So
    does the rest of one that takes long to read, whoever sends it, and what comes while many others send.
    """

    __slots__ = (
        "_counted", "_deadline", "_owes_turn", "_parser", "_queue", "_share", "_waits", "client", "is_known",
        "listener",
    )  # fmt: skip

    _deadline: Deadline
    _parser: RequestParser
    _queue: RequestQueue
    _share: Share

    def __init__(self, listener: Bounding) -> None:
        """Read for a connection of this listener, which sets its parser, queue, deadline and share."""
        super().__init__(listener.loop)
        self.listener = listener
        self.client: tuple[str, int] | None = None
        """The caller's address and port, if they are known."""
        self._counted = 0
        # Whether it waits for a turn, and whether it has read something since the last one.
        self._waits = self._owes_turn = False
        self.is_known = False
        """Whether the caller has shown a token."""

    def get_buffer(self, _hint: int) -> memoryview:
        return self._share.buffer

    def buffer_updated(self, size: int) -> None:
        data = bytes(self._share.buffer[:size])
        work = size + _REQUEST_WORK if self._parser.may_begin else size
        if (
            self._waits
            or (self._owes_turn and not self.is_known)
            or self.listener.bounds.reads.is_over(work, self.loop)
        ):
            self._hold_back(data, work)
        else:
            self._owes_turn = True
            self._read(data)

    def _hold_back(self, data: bytes, work: int) -> None:
        """Keep what has come before this connection's turn, and let more wait if it is much."""
        parser = self._parser
        if self.is_known and not (self._waits or parser.keeps) and len(data) <= _FEW_BYTES:
            # Nearly always: a small request, before which nothing has come.
            self._waits = True
            parser.put(data)
            self.listener.bounds.reads.wait(work, self.take_turn, self.loop)
            return
        if self._waits or len(data) > _FEW_BYTES:  # pausing costs more than to keep some bytes
            self.pause_reading()
        parser.put(data)
        if parser.kept_bytes > UNCOUNTED_BYTES:
            self._count()
        if not self.is_known:
            self._wait_for_turn()
        elif not self._waits:
            self._waits = True
            self.listener.bounds.reads.wait(work, self.take_turn, self.loop)

    def _read(self, data: bytes = b"") -> None:
        """Read what was kept and what has come, as far as it may be."""
        parser = self._parser
        was_in_head = parser.in_head
        error = parser.feed(data)
        if error is not None:
            self._queue.refuse(error)
        elif parser.keeps:
            self._keep(began=parser.in_head and not was_in_head)

    def _keep(self, *, began: bool) -> None:
        """Mind bytes that are kept: of a head that is not complete, or of what has to wait."""
        parser, queue = self._parser, self._queue
        if began and queue.latest is not None:
            # A head has its time from its first piece, but the first head from connecting.
            self._deadline.give(self.listener.limits.head)
        if parser.is_tired:
            self.pause_reading()
            self._wait_for_turn()
        if parser.kept_bytes <= UNCOUNTED_BYTES:
            return
        self._count()
        if parser.unread_bytes > UNCOUNTED_BYTES:
            self.pause_reading()
        elif parser.in_head and self._share.is_tight:
            parser.stop()
            queue.refuse(CROWDED_HEAD)

    def hold(self) -> None:
        """Mind what has come of a body and was not taken: let the caller wait if that is enough."""
        cycle = self._queue.latest
        assert cycle is not None
        self._count()
        if cycle.size > (HELD_BYTES if self.is_known and not self._share.is_tight else UNCOUNTED_BYTES):
            cycle.is_full = True
            self.pause_reading()

    def read_on(self) -> None:
        """Read what was kept, as far as it may be, and then what comes."""
        if self._transport is None:
            return
        if self._waits:
            return
        if not self.is_known or self._parser.is_tired:
            self._wait_for_turn()
        elif self._read_kept():
            self.resume_reading()

    def _read_kept(self) -> bool:
        """Read what was kept, as far as it may be; return whether more may come in."""
        parser = self._parser
        if parser.unread_bytes:
            self._read()
            if parser.is_stopped:
                return False
        if self._counted:
            self._count()
        if parser.is_tired:
            self._wait_for_turn()
            return False
        latest = self._queue.latest
        return parser.unread_bytes <= UNCOUNTED_BYTES and not (latest is not None and latest.is_full)

    def _wait_for_turn(self) -> None:
        if not self._waits:
            self._waits = True
            address = self.client[0] if self.client else None
            self.listener.bounds.strangers.join(address, self.take_turn, self.loop)

    def take_turn(self) -> None:
        """Read a further piece, or a further request of what has come."""
        self._waits = False
        if self._transport is None:
            return
        parser = self._parser
        if self.is_known and self._reading and parser.may_begin and not self._counted:
            self._read()  # nearly always; as there is nothing to resume, this is all that is done below
            return
        unread = parser.unread_bytes
        waits = not parser.may_begin and not parser.is_stopped and self._queue.current is None
        if self._go_on() if waits and self.blocked is None else self._read_kept():
            self.resume_reading()
        self._owes_turn = parser.unread_bytes < unread  # this one was for what had come before it

    @abstractmethod
    def _go_on(self) -> bool:
        """Read the next request, if it has come; return whether more may come in."""

    def _count(self) -> None:
        latest = self._queue.latest
        now = self._parser.kept_bytes + (latest.size if latest is not None else 0)
        self._share.add(now - self._counted)
        self._counted = now

    @property
    def has_waiting(self) -> bool:
        """Whether something has come that was not looked at, because it has to wait."""
        return bool(self._parser.unread_bytes)
