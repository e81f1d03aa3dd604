"""Work of the console's callers in slices, so that none of them holds up the event loop or the others."""

import asyncio
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter

SLICE_SECONDS = 0.001
"""How long the work of one turn of the event loop may take."""

# What a piece of work is taken to cost until it is done.
_EXPECTED_SECONDS = 0.0005
# What the application does at once for a request that it is given. It is done after the slice.
_START_SECONDS = 0.001
# Heavy work, which can't be sliced, takes one part in five of the time at most.
_HEAVY_PAUSE = 4


class Flow:
    """One caller's place among the others, whatever number of connections it has.

    Its position grows with the time that was spent on it (start-time fair queueing): who asks for little is
    served before who asks for much, and nobody saves up time.
    """

    __slots__ = ("__weakref__", "position")

    def __init__(self) -> None:
        self.position = 0.0


class FairScheduler:
    """Does the work of many flows, a slice in every turn of the event loop, fairly among them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._order = count()
        self._waiting: list[tuple[float, int, Flow, Callable[[], bool]]] = []
        self._heavy: deque[Callable[[], None]] = deque()
        self._position = 0.0
        self._is_scheduled = False
        self._heavy_at = 0.0
        self._charged = 0.0
        self._has_started = False

    def add(self, flow: Flow, work: Callable[[], bool]) -> None:
        """Have `work` called in its turn, and again as long as it returns True."""
        self._push(flow, work)
        self._schedule()

    def _push(self, flow: Flow, work: Callable[[], bool]) -> None:
        at = max(flow.position, self._position)
        flow.position = at + _EXPECTED_SECONDS  # what the flow adds next comes behind
        heappush(self._waiting, (at, next(self._order), flow, work))

    def add_heavy(self, work: Callable[[], None]) -> None:
        """Have work done that may take longer than a slice, one at a time, with pauses in between."""
        self._heavy.append(work)
        if len(self._heavy) == 1:
            self._loop.call_at(max(self._heavy_at, self._loop.time()), self._do_heavy)

    async def start(self, flow: Flow) -> None:
        """Return when the application may begin with a request of the flow: at once if nobody waits."""
        if not (self._waiting or self._has_started):
            self._has_started = True
            self._loop.call_soon(self._next_turn)
            return
        turn = self._loop.create_future()

        def come() -> bool:
            if not turn.done():
                turn.set_result(None)
                self.charge_start()
            return False

        self.add(flow, come)
        await turn

    def charge_start(self) -> None:
        """Record that the work that is done just now begins a request, which is done after the slice."""
        self._charged += _START_SECONDS

    def _next_turn(self) -> None:
        self._has_started = False

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._do_slice)

    def _do_slice(self) -> None:
        self._is_scheduled = False
        waiting = self._waiting
        now = perf_counter()
        end = now + SLICE_SECONDS
        while waiting and now < end:
            self._position, _, flow, work = heappop(waiting)
            self._charged = 0.0
            goes_on = work()
            later = perf_counter()
            flow.position += later - now + self._charged - _EXPECTED_SECONDS
            now = later
            end -= self._charged
            if goes_on:
                self._push(flow, work)
        if waiting:
            self._schedule()

    def _do_heavy(self) -> None:
        began = perf_counter()
        self._heavy[0]()
        self._heavy.popleft()
        self._heavy_at = self._loop.time() + _HEAVY_PAUSE * (perf_counter() - began)
        if self._heavy:
            self._loop.call_at(self._heavy_at, self._do_heavy)
