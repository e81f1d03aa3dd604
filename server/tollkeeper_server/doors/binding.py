"""Where the sockets of listeners come from: a process binds its own, or shares those of others."""

import socket
from typing import Protocol

from tollkeeper_server.domain.address import SocketAddress
from tollkeeper_server.doors.sockets import ListenError, bind_address


class NotYetError(ListenError):
    """The socket of an address comes from another process, and has not come yet."""


class Binding(Protocol):
    """Has the listening sockets of a process."""

    def bind(self, where: SocketAddress) -> socket.socket:
        """Return a socket that listens at an address. Raises `ListenError`."""

    def gone(self, where: SocketAddress) -> None:
        """Hear that this process has closed its socket of an address, or is about to."""


class OwnPorts:
    """Binds a socket whenever one is wanted."""

    def bind(self, where: SocketAddress) -> socket.socket:
        """As the port says."""
        return bind_address(where)

    def gone(self, where: SocketAddress) -> None:
        """Do nothing: nobody else has it."""


OWN_PORTS = OwnPorts()
