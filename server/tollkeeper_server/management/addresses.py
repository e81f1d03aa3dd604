"""Addresses that listeners listen on: `HOST:PORT`, in one spelling."""

import ipaddress
import re

from tollkeeper_server.errors import Reason, TollkeeperError

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_EVERY = ("0.0.0.0", "[::]")  # noqa: S104 - they are compared with, not listened on


def parse_address(address: str) -> str:
    """Returns an address in the spelling that all of its spellings have. Raises INVALID_ARGUMENT."""
    host, _, port = address.rpartition(":")
    if not 1 <= int(port) <= 65535:
        raise _refusal("the port must be from 1 to 65535")
    return f"{_host(host.lower())}:{int(port)}"


def _host(host: str) -> str:
    if not host:
        raise _refusal("has no host; expected HOST:PORT, such as 127.0.0.1:3001 or, for all, 0.0.0.0:3001")
    try:
        if host.startswith("[") and host.endswith("]"):
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        # A name whose last label is a number is read as an IP address by some, and so is none.
        if re.fullmatch(r"[0-9]+", host.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise _refusal(f"{host} is not an IP address") from None
    if ":" in host or "[" in host or "]" in host:
        raise _refusal("an IPv6 address stands in brackets, such as [::1]:3001")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise _refusal(f"{host[:64]} is neither an IP address nor a host's name")
    return host


def overlap(one: str, other: str) -> bool:
    """Tells whether two addresses, as `parse_address` spells them, can't both be listened on."""
    host, _, port = one.rpartition(":")
    other_host, _, other_port = other.rpartition(":")
    return port == other_port and (
        host == other_host or _covers(host, other_host) or _covers(other_host, host)
    )


def _covers(host: str, other: str) -> bool:
    """Tells whether `host` is every host of a kind that the other is of. The IPv6 one is of both kinds."""
    return host == _EVERY[1] or (host == _EVERY[0] and not (other.startswith("[") and other != _EVERY[1]))


def _refusal(why: str) -> TollkeeperError:
    return TollkeeperError(Reason.INVALID_ARGUMENT, f"address: {why}", field="address")
