"""Binding the listeners' ports before anything else starts, so that a clash is told plainly."""

import errno
import ipaddress
import os
import socket
from typing import NamedTuple

_BACKLOG = 2048


class ListenError(Exception):
    """A listener's address can't be used; the message says which, why and what to do."""


class Place(NamedTuple):
    """Where a socket listens: an IP address as it is written shortest, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def bind(address: str, listener: str, setting: str) -> socket.socket:
    """Returns a listening socket bound to `HOST:PORT`; port 0 is any free one.

    Raises `ListenError`. The port is not shared: a second process on it is told so.
    """
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise ListenError(
            f"the {listener} can't listen on {address}: {error.strerror}; set {setting}"
        ) from None
    family, kind, protocol, _, where = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        remedy = f"set {setting} to another address"
        if error.errno == errno.EADDRINUSE:
            remedy = f"stop the process that has it, or {remedy}"
        reason = os.strerror(error.errno or 0)
        raise ListenError(f"the {listener} can't listen on {address}: {reason}; {remedy}") from None
    bound.setblocking(False)
    return bound


def place(address: str) -> Place:
    """Returns the place that `HOST:PORT` names: an IP address, localhost, or no host for every interface.

    Raises `ListenError` for any other host: names are not looked up while requests are under way.
    """
    host, _, port = address.rpartition(":")
    host = {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104 - as asked for
    try:
        found = Place(str(ipaddress.ip_address(host)), int(port))
    except ValueError:
        found = None
    if found is None or not 0 <= found.port <= 65535:
        raise ListenError(
            f"{address} is not an address to listen on; give HOST:PORT with an IP address or localhost, "
            "and a port up to 65535"
        )
    return found


def bind_place(wanted: Place, *, listening: bool = True) -> socket.socket:
    """Returns a socket bound to a place, listening unless told otherwise. Raises `ListenError`."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    bound: socket.socket | None = None
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(wanted)
        if listening:
            bound.listen(_BACKLOG)
    except OSError as error:
        if bound is not None:
            bound.close()
        remedy = "give another address"
        if error.errno == errno.EADDRINUSE:
            remedy = f"stop the process that has it, or {remedy}"
        raise ListenError(
            f"{wanted} can't be listened on: {os.strerror(error.errno or 0)}; {remedy}"
        ) from None
    bound.setblocking(False)
    return bound


def place_of(bound: socket.socket) -> Place:
    """Returns where a socket is bound."""
    host, port = bound.getsockname()[:2]
    return Place(host, port)


def name_of(bound: socket.socket) -> str:
    """Returns the `HOST:PORT` a socket is bound to."""
    return str(place_of(bound))
