"""The limit on this process's file descriptors, of which each connection takes one."""

import logging
import resource
from dataclasses import dataclass

from tollkeeper_server.settings import Settings

_log = logging.getLogger("tollkeeper.app")
_ENOUGH = 1 << 20
# How many in 32 of the descriptors each port may have. http1/descriptors.py keeps some for others besides.
_DATA, _CONSOLE, _GRPC = 28, 8, 1
_WHOLE = 32
_MOST_GRPC = 500


@dataclass(frozen=True, slots=True)
class Share:
    """The most connections that callers may have open, in all and of one address."""

    in_all: int
    per_address: int


@dataclass(frozen=True, slots=True)
class Shares:
    """The most connections to the data plane, to the console and over gRPC."""

    data: Share
    console: Share
    grpc: Share


def shares(settings: Settings) -> Shares:
    """Return how many connections callers may have: what the settings say, or as many as descriptors allow.

    It is logged if that is less.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 30
    found = Shares(
        data=_share(settings, _part(limit, _DATA)),
        console=_share(settings, _part(limit, _CONSOLE)),
        grpc=_share(settings, min(_part(limit, _GRPC), _MOST_GRPC)),
    )
    wanted = settings.max_connections
    if found.console.in_all < wanted or found.grpc.in_all < min(wanted, _MOST_GRPC):
        _log.warning(
            "%s descriptors (ulimit -n) allow %s callers to the data plane, %s to the console, %s to gRPC",
            f"{limit:,}",
            f"{found.data.in_all:,}",
            f"{found.console.in_all:,}",
            f"{found.grpc.in_all:,}",
        )
    return found


def _share(settings: Settings, most: int) -> Share:
    in_all = min(settings.max_connections, most)
    per_address = settings.max_connections_per_address
    if per_address >= settings.max_connections:  # all of them may come from one, such as a proxy
        return Share(in_all, in_all)
    # One address does not take all that there are.
    half = per_address if in_all == settings.max_connections else max(in_all // 2, 1)
    return Share(in_all, min(per_address, half))


def _part(limit: int, part: int) -> int:
    return max(limit * part // _WHOLE, 1)


def raise_limit() -> None:
    """Raise the soft limit to the hard one, at most about a million, and log it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # macOS has a lower limit that it does not tell
            _log.warning("the limit on open files stays %d (%s)", soft, error)
            return
        soft = wanted
    _log.info("up to %s files and connections can be open", "any number of" if soft < 0 else f"{soft:,}")
