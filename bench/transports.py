"""The transports that can be measured, by name."""

import importlib
from collections.abc import Callable

from tollkeeper_server.dataplane.transport import Transport

from bench.errors import BenchError

CHOSEN = "http1"
"""The one that the gateway is built with."""

_NAMED = {
    "http1": "tollkeeper_server.http1.client.transport:Http1Transport",
}


def load_transport(name: str) -> Callable[[], Transport]:
    """Returns what makes a transport: one of the names above, or `MODULE:CLASS`. Raises `BenchError`."""
    place = _NAMED.get(name, name)
    module, _, attribute = place.partition(":")
    try:
        made: Callable[[], Transport] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        known = ", ".join(_NAMED)
        raise BenchError(f"there is no transport {name!r} ({error}); name {known} or MODULE:CLASS") from None
    return made
