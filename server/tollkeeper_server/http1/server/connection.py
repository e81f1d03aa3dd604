"""A caller's connection: one request is answered after the other, and it ends when it should."""

import asyncio
from functools import partial
from typing import Protocol

from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.errors import TollkeeperError, shortage_error
from tollkeeper_server.http1 import descriptors
from tollkeeper_server.http1.deadline import Deadline
from tollkeeper_server.http1.server.cycle import RequestCycle
from tollkeeper_server.http1.server.intake import Bounding, Intake
from tollkeeper_server.http1.server.kernel import has_unread, reset, unsent_bytes
from tollkeeper_server.http1.server.parse import RequestParser
from tollkeeper_server.http1.server.queue import RequestQueue
from tollkeeper_server.http1.server.refusal import CROWDED, late_head, refusal
from tollkeeper_server.http1.server.taking import Taking
from tollkeeper_server.telemetry.shortages import shortages

# How long the loop may take to read what has come, before a connection that seems idle is looked at again.
_MOMENT = 0.05
# How much is kept of answers that the kernel does not take, before nothing more is answered.
_UNSENT_BYTES = 16 * 1024


class Owner(Bounding, Protocol):
    """The listener that accepted a connection (`DataListener`)."""

    def made(self, connection: "CallerConnection") -> None: ...
    def lost(self, connection: "CallerConnection") -> None: ...


class CallerConnection(Intake):
    """Speaks HTTP/1.1, and nothing else, whatever a request offers to upgrade to.

    The parser makes requests of the bytes, the queue has them answered. While no request is under way, the
    deadline is when the connection is closed; while the caller takes nothing of its answers, when that is
    looked at.
    """

    __slots__ = ("_is_admitted", "_taking", "scheme")

    listener: Owner

    def __init__(self, listener: Owner) -> None:
        super().__init__(listener)
        self.scheme = "http"
        self._deadline = Deadline(self.loop, self._expire)
        self._queue = RequestQueue(self, listener)
        self._parser = RequestParser(self._queue.begin)
        self._taking = Taking()
        self._is_admitted = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.client = peer[:2] if peer else None
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = "https"
        bounds, address = self.listener.bounds, self.client[0] if self.client else None
        self._share = bounds.held.join(address)
        if not bounds.connections.admit(address):
            self._is_admitted = False
            self._turn_away(CROWDED)
            return
        assert self._transport is not None
        self._transport.set_write_buffer_limits(_UNSENT_BYTES)
        self._deadline.give(self.listener.limits.head)
        self.listener.made(self)
        if not descriptors.is_for_callers(transport.get_extra_info("socket").fileno()):
            shortages.note(Shortage.DESCRIPTORS, "a caller's connection was refused")
            self._turn_away(shortage_error(Shortage.DESCRIPTORS.text))

    def _turn_away(self, error: TollkeeperError) -> None:
        self.write(*refusal(error))
        self.close()  # at once: waiting for the caller would take a descriptor

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        address = self.client[0] if self.client else None
        if self._is_admitted:
            self.listener.bounds.connections.left(address)
        self._parser.stop()
        self._deadline.close()
        left = self._queue.leave()
        if left is None:
            self._release()
        else:  # many callers may leave at once
            self.listener.bounds.leavers.join(address, partial(self._leave, left), self.loop)
        self.listener.lost(self)

    def _leave(self, cycle: RequestCycle) -> None:
        """Tell a request that its caller has left. Until then it may go on, and end."""
        cycle.leave()
        self._release()

    def _release(self) -> None:
        # They refer to this one: left as they are, each connection would wait for the garbage collector.
        del self._queue, self._parser
        self._share.add(-self._counted)
        self._share.leave()

    # From one request to the next.

    def rest(self) -> None:
        """Go on with the next request: none is under way."""
        if self.blocked is not None:
            return  # nothing more is answered before the caller has taken what was
        if (
            self.is_known
            and self._reading
            and not (self._counted or self._parser.keeps or self._queue.is_shut)
        ):
            # Nearly always: nothing has come yet.
            self._parser.may_begin = True
            self._deadline.give(self.listener.limits.keep_alive)
        elif not self.is_known:
            self._wait_for_turn()
            self._await_next()
        elif self._go_on():
            self.resume_reading()

    def _go_on(self) -> bool:
        self._parser.may_begin = True
        may_come = self._read_kept()
        if not self._parser.is_stopped and self._queue.current is None:
            self._await_next()
        return may_come

    def _await_next(self) -> None:
        """Set the time by which the next request must have come."""
        parser, limits = self._parser, self.listener.limits
        if parser.in_head:
            self._deadline.give(limits.head)
        elif self._queue.is_shut:  # the last answer had begun before, and did not say that it was the last
            self._deadline.give(limits.quiet)
        else:
            self._deadline.give(limits.keep_alive)

    # What goes out.

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._transport is not None and self._queue.current is None and not self._parser.is_stopped:
            self.rest()

    def _watch(self) -> None:
        """Look in a while whether the caller takes anything."""
        self._taking.look_anew()
        self._deadline.give(self.listener.limits.unread / 2)

    def _is_stuck(self) -> bool:
        """Return whether the caller takes nothing. If it may, look again later."""
        if self._taking.has_stopped(self._transport):
            return True
        self._deadline.give(self.listener.limits.unread / 2)
        return False

    # Its end.

    def shut(self) -> None:
        """End with the current answer, or the next, or if none is asked for in a while.

        Closing while a caller may take the connection to be kept would lose what is just being asked.
        """
        self._queue.is_shut = True
        if self._queue.current is None and not self._parser.in_head:
            left = self._deadline.at - self.loop.time()
            self._deadline.give(min(self.listener.limits.quiet, left))

    def _expire(self) -> None:
        parser = self._parser
        if self.blocked is not None or (parser.is_stopped and unsent_bytes(self._transport)):
            if self._is_stuck():
                self.listener.bounds.stuck += 1
                self.abort()
        elif self._queue.current is not None:
            return  # `rest` moves the deadline
        elif parser.is_stopped:
            self.abort()  # it lingered for long enough
        elif parser.in_head:
            parser.stop()
            self._queue.refuse(late_head(self.listener.limits.head))
        elif (latest := self._queue.latest) is not None and latest.more_body:
            self.close()  # the rest of a body that nobody wanted does not end
        elif self.has_waiting or has_unread(self._transport):
            self._deadline.give(_MOMENT)
        else:
            self.close()

    def close(self) -> None:
        """Close once everything is sent."""
        self._parser.stop()
        self._watch()
        if self._transport is not None:
            self._transport.close()

    def linger(self) -> None:
        """Close once the caller does or has had the time to read its answer. Drop what it still sends."""
        self._parser.stop()
        if self._transport is not None and not self._transport.is_closing():
            self.resume_reading()
            if self._transport.can_write_eof():
                self._transport.write_eof()
                self._taking.look_anew()
                self._deadline.give(self.listener.limits.linger)
            else:
                self.close()  # TLS says so, reads on until the caller has closed, and gives up after a while

    def reset(self) -> None:
        """Close so that the caller learns that the answer is not whole."""
        if self._transport is not None:
            reset(self._transport)
