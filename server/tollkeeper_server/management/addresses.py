"""Addresses that listeners listen on: `IP:PORT`, in one spelling."""

from tollkeeper_server.domain import address as addresses
from tollkeeper_server.errors import invalid_argument


def parse_address(address: str) -> str:
    """Return `HOST:PORT` in the spelling that all of its spellings have (domain/address.py).

    Raises INVALID_ARGUMENT.
    """
    try:
        return str(addresses.parse_address(address))
    except ValueError as error:
        raise invalid_argument("address", str(error)) from None


def overlap(one: str, other: str) -> bool:
    """Return whether two addresses, as `parse_address` spells them, can't both be listened on."""
    return addresses.parse_address(one).overlaps(addresses.parse_address(other))
