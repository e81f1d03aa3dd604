"""Binding the listeners' ports before anything else starts, so that a clash is told plainly."""

import errno
import os
import socket


class ListenError(Exception):
    """A listener's address can't be used; the message says which, why and what to do."""


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
        bound.listen(2048)
    except OSError as error:
        bound.close()
        remedy = f"set {setting} to another address"
        if error.errno == errno.EADDRINUSE:
            remedy = f"stop the process that has it, or {remedy}"
        reason = os.strerror(error.errno or 0)
        raise ListenError(f"the {listener} can't listen on {address}: {reason}; {remedy}") from None
    bound.setblocking(False)
    return bound


def name_of(bound: socket.socket) -> str:
    """Returns the `HOST:PORT` a socket is bound to."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
