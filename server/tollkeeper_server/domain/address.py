"""Addresses that sockets listen on: HOST:PORT, with an IPv6 address in brackets."""

import ipaddress
from typing import NamedTuple

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - the meaning of an empty host
_EVERY_IPV6 = "::"
_MAX_PORT = 65535
_MAX_SHOWN = 64


class SocketAddress(NamedTuple):
    """The address of a socket: an IP address in its shortest spelling, and a port; port 0 is any free one."""

    host: str
    port: int

    def covers(self, other: "SocketAddress") -> bool:
        """Return whether this is every interface at the port of `other`, so that both can't be bound.

        Every interface of IPv6 includes those of IPv4.
        """
        every = self.host == _EVERY_IPV6 or (self.host == EVERY_INTERFACE and ":" not in other.host)
        return every and self.port == other.port and self != other

    def overlaps(self, other: "SocketAddress") -> bool:
        """Return whether the two can't both be listened on."""
        return self == other or self.covers(other) or other.covers(self)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def split_address(address: str) -> tuple[str, int]:
    """Return the host and the port of `HOST:PORT`. The host is returned as written, and may be empty.

    Raises ValueError, whose message says what is expected.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _MAX_PORT:
        raise ValueError(f"expected HOST:PORT with a port up to {_MAX_PORT}, such as 127.0.0.1:3000")
    return host, int(port)


def parse_address(address: str) -> SocketAddress:
    """Return what `HOST:PORT` names: an IP address, localhost, or every interface if the host is empty.

    No name is looked up, and no port is chosen. Raises ValueError, whose message says what is expected.
    """
    host, port = split_address(address)
    if port == 0:
        raise ValueError(f"the port must be from 1 to {_MAX_PORT}")
    return SocketAddress(_parse_host(host.lower()), port)


def _parse_host(host: str) -> str:
    named = {"": EVERY_INTERFACE, "localhost": "127.0.0.1"}.get(host)
    if named is not None:
        return named
    try:
        if host.startswith("[") and host.endswith("]"):
            return str(ipaddress.IPv6Address(host[1:-1]))
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        pass
    if ":" in host:
        raise ValueError("an IPv6 address stands in brackets, such as [::1]:3001")
    raise ValueError(
        f"{host[:_MAX_SHOWN]} is neither an IP address nor localhost; "
        f"expected HOST:PORT, such as 127.0.0.1:3001 or, for every interface, {EVERY_INTERFACE}:3001"
    )
