"""What the processes of a gateway tell each other of callers and upstreams, so that they act as one.

An address that one has admitted uses up its limit in all, within `_SECONDS`: until then each admits by what
it knows, and what was too much is made up for. A breaker that the calls of one have opened or closed does so
in all. So no request waits for another process.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.process.workers.messages import BreakerMoved, Connecting, Hint, Taken

_SECONDS = 0.05


class Hints:
    """The hints of this process and of the others. `send` tells a hint to all others."""

    def __init__(self, health: Health, ip_limits: IpLimits, send: Callable[[Hint], None]) -> None:
        self._health = health
        self._ip_limits = ip_limits
        self._send = send
        self._taken: dict[str, Counter[str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        health.on_moved = self._moved
        health.on_connected = self._connected
        ip_limits.admitted = self._admitted

    def hear(self, hint: Hint) -> None:
        """Take a hint of another process."""
        if isinstance(hint, BreakerMoved):
            self._health.move_breaker(hint.upstream, is_open=hint.is_open)
        elif isinstance(hint, Connecting):
            self._health.hear_of(hint.upstream, hint.failure)
        else:
            self._ip_limits.take(hint.listener, hint.counts)

    def close(self) -> None:
        """Tell what there is to tell, and stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._tell()

    def _moved(self, upstream: str, is_open: bool) -> None:
        self._send(BreakerMoved(upstream, is_open))

    def _connected(self, upstream: str, failure: ConnectFailure) -> None:
        self._send(Connecting(upstream, failure))

    def _admitted(self, listener: str, ip: str) -> None:
        counts = self._taken.get(listener)
        if counts is None:
            counts = self._taken[listener] = Counter()
        counts[ip] += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self._tell)

    def _tell(self) -> None:
        self._timer = None
        taken, self._taken = self._taken, {}
        for listener, counts in taken.items():
            self._send(Taken(listener, dict(counts)))
