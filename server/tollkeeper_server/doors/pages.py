"""The order in which the console answers: few requests at a time, of each address as many as of others."""

import asyncio
from collections import deque
from collections.abc import Callable

from tollkeeper_server.domain.networks import network_of

MANY_WAITING = 200
"""When so many wait, a connection should have but one that waits."""

# How many are begun at a time. They share one processor with the data plane.
_AT_A_TIME = 2
# How long one counts as begun. One that takes longer mostly waits for the store.
_MOMENT = 0.05
# How long they follow each other while others wait. Then all rest for as long: half of the time is others'.
# A rest after each would cost more than some of them do.
_BUSY_SECONDS = 0.005


class Page:
    """The turn of a request of the console."""

    __slots__ = ("_begin", "_pages", "_timer")

    def __init__(self, pages: "Pages", begin: Callable[[], None]) -> None:
        self._pages: Pages | None = pages
        self._begin: Callable[[], None] | None = begin
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun and still may."""
        return self._begin is not None and self._pages is not None

    def come(self) -> None:
        """Begin."""
        begin, self._begin = self._begin, None
        if begin is not None:
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self.done)
            begin()

    def done(self) -> None:
        """Let the next one begin, if this one has, or else give the turn up. Further calls do nothing."""
        pages, self._pages = self._pages, None
        if pages is None:
            return
        if self._timer is None:
            self._begin = None
            pages.waiting -= 1
        else:
            self._timer.cancel()
            pages.next()


class Pages:
    """Has the requests of the console begin one after the other."""

    def __init__(self) -> None:
        self._begun = 0
        self._busy_since = 0.0
        self._is_resting = False
        self._queues: dict[str, deque[Page]] = {}
        self.waiting = 0
        """How many wait."""

    def ask(self, address: str | None, begin: Callable[[], None]) -> Page:
        """Have `begin` called when a request of an address may begin, perhaps at once.

        What is returned is to be told when the request is done, or is given up.
        """
        page = Page(self, begin)
        if self._begun < _AT_A_TIME and not (self.waiting or self._is_resting):
            if not self._begun:
                self._busy_since = asyncio.get_running_loop().time()
            self._begun += 1
            page.come()
        else:
            self.waiting += 1
            self._queues.setdefault(network_of(address), deque()).append(page)
        return page

    def next(self) -> None:
        """Let another one begin in the place of one that has begun, perhaps after a rest."""
        self._begun -= 1
        if not self.waiting or self._is_resting:
            return
        loop = asyncio.get_running_loop()
        busy = min(loop.time() - self._busy_since, _MOMENT)
        if busy < _BUSY_SECONDS:
            loop.call_soon(self._go_on)
        else:
            self._is_resting = True
            loop.call_later(busy, self._rested)

    def _rested(self) -> None:
        self._is_resting = False
        self._busy_since = asyncio.get_running_loop().time()
        self._go_on()

    def _go_on(self) -> None:
        while self._queues and self._begun < _AT_A_TIME and not self._is_resting:
            network, queue = next(iter(self._queues.items()))
            del self._queues[network]
            page = queue.popleft()
            if queue:
                self._queues[network] = queue  # behind the others
            if page.is_waiting:
                self.waiting -= 1
                self._begun += 1
                page.come()
