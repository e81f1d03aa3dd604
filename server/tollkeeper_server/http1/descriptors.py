"""Who may have this process's last file descriptors.

The system gives the lowest number that is free, so the number of a new one tells how many are in use. Callers
of the data plane can't have the last ones. Callers of the console have a few of them, so that operators can
see what goes on. Of the rest connections to upstreams have some, so that callers who are here can be served,
and the very last are for the journal, the store and look-ups of names.
"""

import resource

_MOST_KEPT = 64
_MOST_HANDSHAKES = 500


def is_for_callers(descriptor: int) -> bool:
    """Return whether a caller's connection may have this descriptor: an eighth is not for them."""
    limit = _limit()
    return descriptor < limit - limit // 8


def is_for_upstreams(descriptor: int) -> bool:
    """Return whether a connection to an upstream may have this descriptor."""
    limit = _limit()
    return descriptor < limit - min(limit // 16, _MOST_KEPT)


def is_for_console(descriptor: int) -> bool:
    """Return whether a connection to the console may have this descriptor: three of 32 are not for them."""
    limit = _limit()
    return descriptor < limit - limit * 3 // 32


def most_handshakes() -> int:
    """Return how many handshakes may be under way on a port: a 16th of the descriptors, at most 500."""
    return max(min(_limit() // 16, _MOST_HANDSHAKES), 1)


def _limit() -> int:
    # It may be changed from outside (prlimit) while the process runs.
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit if limit != resource.RLIM_INFINITY else 1 << 30
