"""The sockets of listeners, which the controlling process opens and every process of a gateway has."""

import socket
from collections.abc import Callable

from tollkeeper_server.domain.address import SocketAddress, parse_address
from tollkeeper_server.doors.binding import NotYetError
from tollkeeper_server.doors.sockets import bind_address
from tollkeeper_server.process.workers.line import Closed, Line, Opened


class KeptPorts:
    """The binding of the process that controls: others hear by the supervisor what it opens and closes."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def bind(self, where: SocketAddress) -> socket.socket:
        """As the port says."""
        bound = bind_address(where)
        self._line.send(Opened(str(where)), bound)
        return bound

    def gone(self, where: SocketAddress) -> None:
        """As the port says."""
        self._line.send(Closed(str(where)))


class GivenPorts:
    """The binding of a worker: sockets that it was given."""

    def __init__(self) -> None:
        self._given: dict[SocketAddress, socket.socket] = {}
        self.came: Callable[[], None] = lambda: None
        """Is called when a socket has come."""
        self.went: Callable[[SocketAddress], None] = lambda _: None
        """Is called with an address whose socket is no longer to be used."""

    def bind(self, where: SocketAddress) -> socket.socket:
        """As the port says."""
        given = self._given.get(where)
        if given is None:
            raise NotYetError(f"{where} is opened as soon as its socket comes")
        bound = given.dup()
        bound.setblocking(False)
        return bound

    def gone(self, where: SocketAddress) -> None:
        """Do nothing: the others go on with the port."""

    def give(self, address: str, bound: socket.socket) -> None:
        """Take the socket of an address, instead of any other."""
        self.take_away(address)
        self._given[parse_address(address)] = bound
        self.came()

    def close(self) -> None:
        """Close every socket that was given; those in use stay as they are."""
        given, self._given = self._given, {}
        for bound in given.values():
            bound.close()

    def take_away(self, address: str) -> None:
        """Close the socket of an address, if there is one."""
        where = parse_address(address)
        bound = self._given.pop(where, None)
        if bound is not None:
            bound.close()
        self.went(where)
