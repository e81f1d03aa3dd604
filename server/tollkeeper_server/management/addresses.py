"""Addresses that listeners listen on: `IP:PORT`, in one spelling."""

import ipaddress

from tollkeeper_server.errors import invalid_argument

_EVERY, _EVERY_IPV6 = "0.0.0.0", "[::]"  # noqa: S104 - they are compared with, not listened on
_EXAMPLE = "expected HOST:PORT, such as 127.0.0.1:3001 or, for every interface, 0.0.0.0:3001"


def parse_address(address: str) -> str:
    """Returns `HOST:PORT` in the spelling that all of its spellings have. Raises INVALID_ARGUMENT.

    The host is an IP address, localhost, or empty for every interface: no name is looked up to open a port.
    """
    host, _, port = address.rpartition(":")
    if not 1 <= int(port) <= 65535:
        raise invalid_argument("address", "the port must be from 1 to 65535")
    return f"{_host(host.lower())}:{int(port)}"


def _host(host: str) -> str:
    named = {"": _EVERY, "localhost": "127.0.0.1"}.get(host)
    if named is not None:
        return named
    try:
        if host.startswith("[") and host.endswith("]"):
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        pass
    if ":" in host:
        raise invalid_argument("address", "an IPv6 address stands in brackets, such as [::1]:3001")
    raise invalid_argument("address", f"{host[:64]} is neither an IP address nor localhost; {_EXAMPLE}")


def overlap(one: str, other: str) -> bool:
    """Tells whether two addresses, as `parse_address` spells them, can't both be listened on."""
    host, _, port = one.rpartition(":")
    other_host, _, other_port = other.rpartition(":")
    return port == other_port and (
        host == other_host or _covers(host, other_host) or _covers(other_host, host)
    )


def _covers(host: str, other: str) -> bool:
    """Tells whether `host` is every host of a kind that the other is of. The IPv6 one is of both kinds."""
    return host == _EVERY_IPV6 or (host == _EVERY and not other.startswith("["))
