"""The two ends of what is passed on between a caller and gRPC."""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Protocol, cast

from tollkeeper_server.doors.http2.frames import PREFACE
from tollkeeper_server.doors.pace import Pace
from tollkeeper_server.http1.server.kernel import socket_of

# How long a caller may take for the first bytes, and for what gRPC said last.
_FIRST_SECONDS = 10.0
_LAST_SECONDS = 5.0
# Without a token a caller's bytes are looked into, so that few are read at once.
_BUFFER = memoryview(bytearray(16 * 1024))
_STRANGERS_BUFFER = _BUFFER[:2048]
# What a stranger's bytes cost: each read, each frame, and each call that is begun.
_READ_SECONDS, _FRAME_SECONDS, _CALL_SECONDS = 0.0001, 0.00001, 0.0005
_LEAST_WAIT_SECONDS = 0.05
# Who waits longer is given up.
_LONGEST_SECONDS = 30.0
_ESTABLISHED = 1  # of TCP's states in Linux
_FRAME_HEAD, _HEADERS = 9, 1  # RFC 9113, 4.1 and 6.2


class End(asyncio.BufferedProtocol):
    """One of two ends. What it reads is written to the other end, which makes it wait.

    All of them read into one buffer: what is read is passed on before the next read.
    """

    __slots__ = ("_is_blocked", "_transport", "other")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._is_blocked = False
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Each read is written before the next one: that bounds memory, and the work in a turn of the loop.
        self._transport.set_write_buffer_limits(high=1, low=0)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self.other is not None:
            self.other.write(bytes(_BUFFER[:nbytes]))

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.block(blocked=True)

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.block(blocked=False)

    def write(self, data: bytes) -> None:
        """Send bytes, if the connection is open."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def block(self, *, blocked: bool) -> None:
        """Record whether the other end wants nothing more just now."""
        self._is_blocked = blocked
        self._read(wanted=not blocked)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _read(self, *, wanted: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


class Callers(Protocol):
    """All callers of a port (`GrpcCallers`)."""

    loop: asyncio.AbstractEventLoop
    pace: Pace

    def admit(self, caller: "Caller", descriptor: int) -> bool: ...
    def greeted(self, caller: "Caller") -> None: ...
    def left(self, caller: "Caller") -> None: ...
    def connect(self, caller: "Caller") -> None: ...


class Caller(End):
    """The end toward a caller. Until it has shown a token, it goes on at the pace of its address."""

    __slots__ = (
        "_admitted",
        "_callers",
        "_frames",
        "_held",
        "_held_since",
        "_timer",
        "address",
        "is_known",
        "name",
    )

    def __init__(self, callers: Callers) -> None:
        super().__init__()
        self.address: str | None = None
        self.name = ""
        """What gRPC calls it."""
        self.is_known = False
        """Whether it has shown a token."""
        self._callers = callers
        self._frames = Frames()
        self._held = b""
        self._held_since = 0.0
        self._admitted = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it is made to wait, by what its address has done."""
        return bool(self._held) and self._timer is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else None
        self._admitted = self._callers.admit(self, transport.get_extra_info("socket").fileno())
        if self._admitted:
            self._wait(_FIRST_SECONDS, self.abort)
        else:
            self.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._stop_waiting()
        if self._admitted:
            self._callers.left(self)
        if self.other is not None:
            self.other.abort()  # nobody is there for the answers

    def get_buffer(self, _sizehint: int) -> memoryview:
        return _BUFFER if self.is_known else _STRANGERS_BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self.is_known:
            super().buffer_updated(nbytes)
            return
        self._held = bytes(_STRANGERS_BUFFER[:nbytes])
        self._held_since = self._callers.loop.time()
        self._read(wanted=False)
        self._go_on()

    def block(self, *, blocked: bool) -> None:
        self._is_blocked = blocked
        self._read(wanted=not blocked and not self._held)

    def join(self, other: End) -> None:
        """Pass everything on to another end."""
        if self._transport is None:
            other.abort()
            return
        self.other = other
        self._pass_held()

    def greet(self) -> None:
        """Record that gRPC has said something."""
        self._callers.greeted(self)

    def close(self) -> None:
        """Close once everything is sent, but not much later."""
        if self._transport is not None:
            self._transport.close()
            self._wait(_LAST_SECONDS, self.abort)

    def _go_on(self) -> None:
        """Pass on what is held, once the address may go on."""
        self._stop_waiting()
        wait = self._callers.pace.wait(self.address)
        if wait and (self._has_left() or self._callers.loop.time() - self._held_since > _LONGEST_SECONDS):
            self.abort()
            return
        if wait:
            self._wait(max(wait, _LEAST_WAIT_SECONDS), self._go_on)
            return
        frames, calls = self._frames.count(self._held)
        cost = _READ_SECONDS + frames * _FRAME_SECONDS + calls * _CALL_SECONDS
        self._callers.pace.waste(self.address, cost)
        if self.other is None:
            self._callers.connect(self)
        else:
            self._pass_held()

    def _has_left(self) -> bool:
        """Return whether the caller is gone, which is not read while it waits. Only Linux tells."""
        connected = socket_of(self._transport) if self._transport is not None else None
        if connected is None or sys.platform != "linux":
            return connected is None
        return connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED

    def _pass_held(self) -> None:
        held, self._held = self._held, b""
        if self.other is not None:
            self.other.write(held)
        self._read(wanted=not self._is_blocked)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self._callers.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class GrpcEnd(End):
    """The end toward gRPC."""

    __slots__ = ("_caller", "_has_greeted")

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller
        self._has_greeted = False
        self.other = caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._caller.join(self)

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        if not self._has_greeted:
            self._has_greeted = True
            self._caller.greet()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._caller.close()


class Frames:
    """Counts the frames of a connection of HTTP/2, in whatever pieces they come."""

    __slots__ = ("_head", "_skip")

    def __init__(self) -> None:
        self._head = b""
        self._skip = len(PREFACE)

    def count(self, data: bytes) -> tuple[int, int]:
        """Return how many frames begin in the next piece, and how many of them begin calls."""
        frames = calls = 0
        at, end = self._skip, len(data) + len(self._head)
        data, self._head = self._head + data, b""
        while at + _FRAME_HEAD <= end:
            frames += 1
            calls += data[at + 3] == _HEADERS
            at += _FRAME_HEAD + int.from_bytes(data[at : at + 3], "big")
        if at < end:
            self._head, at = data[at:], end
        self._skip = at - end
        return frames, calls
