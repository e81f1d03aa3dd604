"""The networks that callers come from, as limits count them."""

from ipaddress import IPv6Address


def network_of(address: str | None) -> str:
    """Return what an address counts as: itself, its /64 if it is of IPv6, `local` if there is none.

    A /64 is the least that a network gives to one customer (RFC 6177).
    """
    if not address:
        return "local"
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
