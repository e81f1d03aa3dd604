"""The state of one simulator: configuration, random numbers, rate limit, recorded and stored objects."""

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


class RecentObjects(Generic[T]):
    """Objects by id, in the order of their creation. Beyond `limit` the oldest are dropped."""

    def __init__(self, limit: int = _KEPT_OBJECTS) -> None:
        self._objects: OrderedDict[str, T] = OrderedDict()
        self._limit = limit

    def put(self, key: str, value: T) -> None:
        """Store `value` under `key`, in place of a former one."""
        self._objects[key] = value
        if len(self._objects) > self._limit:
            self._objects.popitem(last=False)

    def get(self, key: str) -> T | None:
        """Return the object under `key`; None if there is none."""
        return self._objects.get(key)

    def remove(self, key: str) -> T | None:
        """Remove and return the object under `key`; None if there is none."""
        return self._objects.pop(key, None)

    def newest_first(self) -> list[tuple[str, T]]:
        """Return all ids and objects."""
        return list(reversed(self._objects.items()))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file: the object that describes it, and its content."""

    about: Json
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response that clients can retrieve, and its input items."""

    response: Json
    input_items: list[Json]
    background: bool


@dataclass(frozen=True, slots=True)
class StoredMessageBatch:
    """A batch of messages: the object that describes it, its requests, and how they ended, if they have."""

    about: Json
    requests: list[tuple[str, bytes]]
    results: bytes


class Allowance:
    """The rate limit: `limit` requests within any 60 seconds; 0 is unlimited."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._times: deque[float] = deque()

    def take(self) -> float:
        """Take one request from the allowance; return 0, or the seconds to wait if none is left."""
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
        """The number of requests that are left."""
        return max(0, self.limit - len(self._times))


class State:
    """The state that all requests share."""

    def __init__(self, config: SimulatorConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.clock = clock
        self.random = random.Random(config.seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self.recorder = Recorder(config.recorded_requests)
        self.allowance = Allowance(config.rate_limit_per_minute, clock)
        self.files: RecentObjects[StoredFile] = RecentObjects()
        self.batches: RecentObjects[Json] = RecentObjects()
        self.message_batches: RecentObjects[StoredMessageBatch] = RecentObjects()
        self.responses: RecentObjects[StoredResponse] = RecentObjects()
        self.vector_stores: RecentObjects[Json] = RecentObjects()

    def new_id(self, prefix: str, digits: int = 32) -> str:
        """Return a new random identifier; `seed` decides the sequence."""
        return f"{prefix}{self.random.getrandbits(4 * digits):0{digits}x}"


def now() -> int:
    """Return the time in providers' form: whole seconds of the Unix epoch."""
    return int(time.time())
