"""Binding the listeners' ports before anything else starts, so that a clash is reported plainly."""

import errno
import os
import socket

from tollkeeper_server.domain.address import SocketAddress, split_address
from tollkeeper_server.http1.server.acceptor import BACKLOG


class ListenError(Exception):
    """A listener's address can't be used; the message says which, why and what to do."""


def bind(address: str, listener: str, setting: str) -> socket.socket:
    """Return a listening socket bound to `HOST:PORT`; port 0 is any free one.

    Raises `ListenError`. The port is not shared: a second process on it is told so.
    """
    host, port = split_address(address)
    subject = f"the {listener} can't listen on {address}"
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ListenError(f"{subject}: {error.strerror}; set {setting}") from None
    family, _, _, _, where = found[0]
    try:
        return _bind(family, where, listening=True)
    except OSError as error:
        raise _unusable(subject, error, f"set {setting} to another address") from None


def bind_address(address: SocketAddress, *, listening: bool = True) -> socket.socket:
    """Return a socket bound to an address, listening unless told otherwise. Raises `ListenError`."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return _bind(family, address, listening=listening)
    except OSError as error:
        raise _unusable(f"{address} can't be listened on", error, "give another address") from None


def _bind(family: int, where: tuple[object, ...], *, listening: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        if listening:
            bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def _unusable(subject: str, error: OSError, remedy: str) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        remedy = f"stop the process that has it, or {remedy}"
    return ListenError(f"{subject}: {os.strerror(error.errno or 0)}; {remedy}")


def address_of(bound: socket.socket) -> SocketAddress:
    """Return where a socket is bound."""
    host, port = bound.getsockname()[:2]
    return SocketAddress(host, port)


def name_of(bound: socket.socket) -> str:
    """Return the `HOST:PORT` a socket is bound to."""
    return str(address_of(bound))
