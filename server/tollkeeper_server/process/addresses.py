"""Addresses as the system gives them: those of an IP address or a name, and their rotation."""

import socket
from typing import cast

ABSENT = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
"""What `getaddrinfo` says of a name that does not exist, or has no address."""

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, SocketAddress]
"""Family, kind, protocol, canonical name, and the address of a socket, as `socket.getaddrinfo` has them."""


def system(
    host: str | None,
    port: str | int | None,
    family: int,
    type: int,  # noqa: A002 - the word of `getaddrinfo`
    proto: int,
    flags: int,
) -> list[AddressInfo]:
    """Return what the system's look-up says. Raises OSError."""
    return cast("list[AddressInfo]", socket.getaddrinfo(host, port, family, type, proto, flags))


def literal(
    host: str | None,
    port: str | int | None,
    family: int,
    type: int,  # noqa: A002 - the word of `getaddrinfo`
    proto: int,
    flags: int,
) -> list[AddressInfo] | None:
    """Return the answer for what is no name; None for a name."""
    try:
        return system(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        if error.errno in ABSENT:
            return None
        raise


def turned(addresses: list[AddressInfo], turn: int, port: int | None) -> list[AddressInfo]:
    """Return addresses, those of each family turned by some places, with a port unless they have theirs.

    Servers turn their answers, so that connections spread over the addresses; so does one that is kept.
    """
    places: dict[int, list[AddressInfo]] = {}
    for info in addresses:
        places.setdefault(info[0], []).append(info)
    following = {family: iter(_starting_with(turn, same)) for family, same in places.items()}
    infos = [next(following[info[0]]) for info in addresses]
    if port is None:
        return infos
    return [(*info[:4], (info[4][0], port, *info[4][2:])) for info in infos]


def _starting_with(turn: int, infos: list[AddressInfo]) -> list[AddressInfo]:
    first = turn % len(infos)
    return infos[first:] + infos[:first]
