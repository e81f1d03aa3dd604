"""A request that the gateway makes of an upstream by itself, and for no caller."""

from tollkeeper_server.dataplane.headers import operate
from tollkeeper_server.dataplane.transport import Outgoing
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.snapshot.model import Header, Target

_OWN: tuple[Header, ...] = ((b"user-agent", b"tollkeeper"), (b"accept-encoding", b"identity"))


def own_request(target: Target, url: str, credential: tuple[Header, ...], timeouts: Timeouts) -> Outgoing:
    """Return a GET of a URL of an upstream, called as callers' requests are."""
    headers: list[Header] = [*_OWN, *target.headers, *target.fallback_headers]
    return Outgoing(
        method="GET",
        url=url,
        headers=[*operate(headers, target.operations), *credential],
        body=b"",
        timeouts=timeouts,
        dial=target.dial,
    )
