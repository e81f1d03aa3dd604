"""Work that waits for the event loop to come round, so that no amount of it keeps others waiting for long."""

import asyncio
from collections import deque
from collections.abc import Callable

from tollkeeper_server.domain.networks import network_of


class RoundRobin:
    """Calls what waits, a few each time the event loop comes round: of one address after the other.

    Between, the loop serves everybody else. Nobody waits while little is wanted. An address's own calls come
    in their order.
    """

    __slots__ = ("_at_once", "_is_scheduled", "_waiting")

    def __init__(self, at_once: int) -> None:
        """`at_once` is how many are called each time."""
        self._at_once = at_once
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._is_scheduled = False

    def join(self, address: str | None, call: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Have `call` called once, after those of the address that wait already."""
        network = network_of(address)
        calls = self._waiting.get(network)
        if calls is None:
            calls = self._waiting[network] = deque()
        calls.append(call)
        self._schedule(loop)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._go_round, loop)

    def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_scheduled = False
        waiting = self._waiting
        for _ in range(min(self._at_once, sum(map(len, waiting.values())))):
            network, calls = next(iter(waiting.items()))
            call = calls.popleft()
            del waiting[network]
            if calls:
                waiting[network] = calls  # behind the others
            call()
        if waiting:
            self._schedule(loop)
