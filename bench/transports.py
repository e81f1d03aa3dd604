"""The names of the transports that can be measured."""

import importlib
from collections.abc import Callable

from tollkeeper_server.dataplane.transport import Transport

from bench.errors import BenchError

CHOSEN = "http1"
"""The gateway's own transport."""

_NAMED = {
    "http1": "tollkeeper_server.http1.client.transport:Http1Transport",
}


def load_transport(name: str) -> Callable[[], Transport]:
    """Return the factory of a transport, `http1` or `MODULE:CLASS`. Raises `BenchError`."""
    path = _NAMED.get(name, name)
    module, _, attribute = path.partition(":")
    try:
        made: Callable[[], Transport] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        known = ", ".join(_NAMED)
        raise BenchError(f"there is no transport {name!r} ({error}); name {known} or MODULE:CLASS") from None
    return made
