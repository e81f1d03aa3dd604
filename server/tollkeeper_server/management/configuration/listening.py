"""What listeners will newly do: listen on an address, speak TLS."""

from collections.abc import Iterable

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.management.addresses import overlap
from tollkeeper_server.management.configuration.kinds import OfKind


def opening(listeners: OfKind[Listener]) -> dict[str, str]:
    """Return the addresses newly listened on, but for those that a listener gives up at the same time."""
    before, after = _open(listeners.before.values()), _open(listeners.after.values())
    given_up = [address for name, address in before.items() if after.get(name) != address]
    return {
        f"{listeners.paths[name]}.address": address
        for name, address in after.items()
        if before.get(name) != address and not any(overlap(address, other) for other in given_up)
    }


def securing(listeners: OfKind[Listener]) -> list[str]:
    """Return the paths of `tls` of the listeners that will newly speak TLS."""
    before, after = listeners.before.values(), listeners.after.values()
    secured = {it.name for it in before if it.speaks_tls}
    return [f"{listeners.paths[it.name]}.tls" for it in after if it.speaks_tls and it.name not in secured]


def _open(listeners: Iterable[Listener]) -> dict[str, str]:
    return {it.name: it.address for it in listeners if it.is_active}
