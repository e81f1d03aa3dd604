"""What one simulator keeps: its configuration, its dice and what was uploaded to it."""

import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tollkeeper_server.simulator.config import SimulatorConfig
from tollkeeper_server.simulator.recorder import Recorder
from tollkeeper_server.simulator.reply import Json

_KEPT_OBJECTS = 1000
_WINDOW_SECONDS = 60.0

T = TypeVar("T")


class Shelf(Generic[T]):
    """Objects by id, in the order of their creation; the oldest make way for the newest."""

    def __init__(self, limit: int = _KEPT_OBJECTS) -> None:
        self._objects: OrderedDict[str, T] = OrderedDict()
        self._limit = limit

    def put(self, key: str, value: T) -> None:
        """Keeps `value` under `key`, in place of what was there."""
        self._objects[key] = value
        if len(self._objects) > self._limit:
            self._objects.popitem(last=False)

    def get(self, key: str) -> T | None:
        """Returns what is kept under `key`."""
        return self._objects.get(key)

    def remove(self, key: str) -> T | None:
        """Forgets and returns what is kept under `key`."""
        return self._objects.pop(key, None)

    def newest_first(self) -> list[tuple[str, T]]:
        """Returns everything kept."""
        return list(reversed(self._objects.items()))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file: what is said about it, and its content."""

    about: Json
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response that can be read again, and the items it answered."""

    response: Json
    input_items: list[Json]
    background: bool


class Allowance:
    """How many requests are left in the rolling minute. `limit` 0 is unlimited."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._times: deque[float] = deque()

    def take(self) -> float:
        """Takes one request; returns 0, or how many seconds to wait if none is left."""
        if not self.limit:
            return 0.0
        now = self._clock()
        while self._times and now - self._times[0] >= _WINDOW_SECONDS:
            self._times.popleft()
        if len(self._times) >= self.limit:
            return _WINDOW_SECONDS - (now - self._times[0])
        self._times.append(now)
        return 0.0

    @property
    def remaining(self) -> int:
        """How many requests are left."""
        return max(0, self.limit - len(self._times))


class State:
    """Everything that outlives a request."""

    def __init__(self, config: SimulatorConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.clock = clock
        self.dice = random.Random(config.seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self.recorder = Recorder(config.recorded_requests)
        self.allowance = Allowance(config.rate_limit_per_minute, clock)
        self.files: Shelf[StoredFile] = Shelf()
        self.batches: Shelf[Json] = Shelf()
        self.responses: Shelf[StoredResponse] = Shelf()
        self.vector_stores: Shelf[Json] = Shelf()

    def new_id(self, prefix: str, digits: int = 32) -> str:
        """Returns an identifier that this simulator has not given out before."""
        return f"{prefix}{self.dice.getrandbits(4 * digits):0{digits}x}"


def now() -> int:
    """Returns the time as providers state it: whole seconds of the Unix epoch."""
    return int(time.time())
