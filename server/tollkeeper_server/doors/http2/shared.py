"""What the connections of one listener share: the order of their work, and bounds for all together."""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from tollkeeper_server.domain.networks import network_of
from tollkeeper_server.doors.fair_scheduler import FairScheduler, Flow
from tollkeeper_server.doors.pace import Pace
from tollkeeper_server.doors.pages import Pages
from tollkeeper_server.doors.refusals import Refusals
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit

MAX_HEADS_BYTES = 16 * 1024 * 1024
"""What the heads may take of all requests whose applications run, before further requests wait."""
MAX_PARTS_BYTES = 16 * 1024 * 1024
"""What may be held of heads that have not all come. The connection that goes beyond it ends."""
MAX_ANSWERS_BYTES = 32 * 1024 * 1024
"""What may be held of answers that nobody takes. Beyond it, those that have waited longest are given up."""

# Smaller pieces are bounded by what a stream may hold of them.
_COUNTED_BYTES = 16 * 1024


class HeldAnswers:
    """Counts the bytes of pieces of answers that wait to be sent: those of one sent to many callers once."""

    __slots__ = ("_times", "total")

    def __init__(self) -> None:
        self._times: dict[int, int] = {}
        self.total = 0
        """How many bytes are held."""

    @property
    def are_too_many(self) -> bool:
        """Whether some are to be given up."""
        return self.total > MAX_ANSWERS_BYTES

    def hold(self, piece: bytes) -> bool:
        """Count a piece that stays as it is until it is let go of. Return whether there are too many."""
        if len(piece) < _COUNTED_BYTES:
            return False
        key = id(piece)
        times = self._times.get(key, 0)
        self._times[key] = times + 1
        if not times:
            self.total += len(piece)
        return self.total > MAX_ANSWERS_BYTES

    def let_go(self, piece: bytes) -> None:
        """Take a piece back that was held."""
        if len(piece) < _COUNTED_BYTES:
            return
        key = id(piece)
        times = self._times.pop(key)
        if times > 1:
            self._times[key] = times - 1
        else:
            self.total -= len(piece)


class Heads:
    """Counts what requests' heads take, and tells those who wait when there is room again."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._held = 0
        self._waiting: set[Callable[[], None]] = set()

    @property
    def is_empty(self) -> bool:
        """Whether no head is held."""
        return not self._held

    @property
    def are_full(self) -> bool:
        """Whether further requests are to wait."""
        return self._held > MAX_HEADS_BYTES

    def take(self, size: int) -> None:
        """Count a head."""
        self._held += size

    def give_back(self, size: int) -> None:
        """Take a head back, and call those who wait if there is room."""
        self._held -= size
        if self._waiting and not self.are_full:
            waiting, self._waiting = self._waiting, set()
            for call in waiting:
                call()

    def wait(self, call: Callable[[], None]) -> None:
        """Have `call` called once there is room."""
        self._waiting.add(call)

    def forget(self, call: Callable[[], None]) -> None:
        """Call off what waits."""
        self._waiting.discard(call)


class Shared:
    """What the connections share. `requests` counts those under way by their callers' addresses."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, refusals: Refusals, requests: ConnectionLimit
    ) -> None:
        self.scheduler = FairScheduler(loop)
        self._flows: WeakValueDictionary[str, Flow] = WeakValueDictionary()
        self.refusals = refusals
        self.requests = requests
        self.pages = Pages()
        self.pace = Pace(loop.time)
        self.answers = HeldAnswers()
        self.heads = Heads()
        self.parts = 0
        """How many bytes are held of heads that have not all come."""

    def flow(self, address: str | None) -> Flow:
        """Return the flow of an address: all its connections have one, or many would get many turns."""
        network = network_of(address)
        flow = self._flows.get(network)
        if flow is None:
            flow = self._flows[network] = Flow()
        return flow
