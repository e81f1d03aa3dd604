"""A TCP proxy that stands between a gateway and a provider, and breaks what passes as it is told."""

import contextlib
import socket
import struct
import threading
import time
from enum import Enum
from typing import Self

_PIECE = 16 * 1024
_DRIP_SECONDS = 0.05


class Fault(Enum):
    """What the proxy does to connections that it accepts from now on, and to those it has."""

    NONE = "none"
    REFUSE = "refuse"
    """Nobody listens."""
    RESET = "reset"
    """Resets the connection when the request comes."""
    HANG = "hang"
    """Takes the request, and answers nothing."""
    HANG_MIDWAY = "hang midway"
    """Passes the first piece of the answer on, and nothing more."""
    CUT_MIDWAY = "cut midway"
    """Passes the first piece of the answer on, and closes."""
    ERRORS = "errors"
    """Answers 503 itself."""
    DRIP = "drip"
    """Passes the answer on in single bytes with pauses, for its first bytes."""
    GARBAGE = "garbage"
    """Answers with what is not HTTP."""


_OWN_ANSWERS = {
    Fault.ERRORS: b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b'content-length: 15\r\nconnection: close\r\n\r\n{"error":"own"}',
    Fault.GARBAGE: b"\x16\x03\x01 this is not HTTP\r\n\r\n",
}
_DRIPPED = 40


class FaultProxy:
    """Listens on a port of its own, which stays the same; `fault` may be set at any time."""

    def __init__(self, upstream: str) -> None:
        """Take the `HOST:PORT` to pass connections on to."""
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._fault = Fault.NONE
        self._listener = self._listen(0)
        self.address = "{}:{}".format(*self._listener.getsockname())
        self.connections = 0
        """How many were accepted so far."""
        self._closing = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    @property
    def fault(self) -> Fault:
        """What is done to connections."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        before, self._fault = self._fault, fault
        if fault is Fault.REFUSE:
            self._drop(self._listener)
        self._drop_all()  # connections that were kept would get round it
        if before is Fault.REFUSE and fault is not Fault.REFUSE:
            self._listener = self._listen(int(self.address.rpartition(":")[2]))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._drop(self._listener)
        self._drop_all()

    @staticmethod
    def _listen(port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=512)

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        self._keep(caller)
        try:
            self._pass_on(caller)
        except OSError:
            pass
        finally:
            self._drop(caller)

    def _pass_on(self, caller: socket.socket) -> None:
        first = caller.recv(_PIECE)
        fault = self._fault
        if not first:
            return
        if fault is Fault.RESET:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with self._lock:
                self._sockets.discard(caller)
            caller.close()  # a shutdown before it would end the connection politely
            return
        if fault is Fault.HANG:
            while caller.recv(_PIECE):
                pass
            return
        if fault in _OWN_ANSWERS:
            caller.sendall(_OWN_ANSWERS[fault])
            return
        with socket.create_connection(self._upstream) as provider:
            self._keep(provider)
            provider.sendall(first)
            threading.Thread(target=self._pump, args=(caller, provider), daemon=True).start()
            self._answer(provider, caller, fault)
            self._drop(provider)

    def _answer(self, provider: socket.socket, caller: socket.socket, fault: Fault) -> None:
        dripped = 0
        while piece := provider.recv(_PIECE):
            if fault is Fault.DRIP and dripped < _DRIPPED:
                for byte in piece[:_DRIPPED]:
                    caller.sendall(bytes([byte]))
                    time.sleep(_DRIP_SECONDS)
                dripped, piece = _DRIPPED, piece[_DRIPPED:]
            caller.sendall(piece)
            if fault is Fault.CUT_MIDWAY:
                return
            if fault is Fault.HANG_MIDWAY:
                while provider.recv(_PIECE):
                    pass
                while caller.recv(_PIECE):
                    pass
                return

    def _pump(self, caller: socket.socket, provider: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := caller.recv(_PIECE):
                provider.sendall(piece)
        self._drop(provider)

    def _keep(self, kept: socket.socket) -> None:
        with self._lock:
            self._sockets.add(kept)

    def _drop(self, dropped: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(dropped)
        with contextlib.suppress(OSError):
            dropped.shutdown(socket.SHUT_RDWR)
        dropped.close()

    def _drop_all(self) -> None:
        with self._lock:
            kept = list(self._sockets)
        for one in kept:
            self._drop(one)
