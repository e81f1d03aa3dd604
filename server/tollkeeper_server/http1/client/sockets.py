"""Sockets for connections to upstreams, and what this machine lacked to connect them."""

import errno
import socket
from collections.abc import Callable
from typing import Any

import aiohappyeyeballs

from tollkeeper_server.domain.shortage import Shortage, ShortageError, shortage_in
from tollkeeper_server.http1 import descriptors


class Sockets:
    """Makes the sockets of one attempt to connect. `probe_after` is in seconds, for TCP keep-alive.

    Of an attempt at several addresses only one error comes out, or a summary of all. `lacked` says what kept
    one of the addresses from being tried.
    """

    __slots__ = ("_probe_after", "lacked")

    def __init__(self, probe_after: int) -> None:
        self._probe_after = probe_after
        self.lacked: Shortage | None = None

    def make(self, address: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        """Return a socket for an address. Raises OSError."""
        family, kind, protocol, _, _ = address
        try:
            sock = _Socket(family, kind, protocol, self._failed)
        except OSError as error:
            self._failed(error, None)
            raise
        if not descriptors.is_for_upstreams(sock.fileno()):
            sock.close()
            self.lacked = Shortage.DESCRIPTORS
            raise ShortageError(Shortage.DESCRIPTORS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._probe_after)
        return sock

    def _failed(self, error: OSError, there: tuple[int, Any] | None) -> None:
        """Take note of an error; `there` is the family and the address that was being connected to."""
        lacked = shortage_in(error)
        if lacked is None and error.errno == errno.EADDRNOTAVAIL and there and _has_source(*there):
            lacked = Shortage.PORTS
        self.lacked = lacked or self.lacked


class _Socket(socket.socket):
    """Tells `failed` why the system did not even begin to connect."""

    __slots__ = ("_tell",)

    def __init__(
        self, family: int, kind: int, protocol: int, failed: Callable[[OSError, tuple[int, Any]], None]
    ) -> None:
        super().__init__(family, kind, protocol)
        self._tell = failed

    def connect(self, address: Any) -> None:
        """Begin to connect. Raises OSError."""
        try:
            super().connect(address)
        except BlockingIOError:
            raise
        except OSError as error:
            self._tell(error, (self.family, address))
            raise


def _has_source(family: int, address: Any) -> bool:
    """Return whether this machine has an address from which that one can be reached.

    Where it has none, as of IPv6 in many containers, the system gives the same error as for a lack of ports.
    Connecting a datagram socket chooses a source, and sends nothing.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
    except OSError:
        return False
    return True
