"""Look-ups that are made once, however many callers ask at the same time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tollkeeper_server.coordination.deadline import LOOK_UP_SECONDS, in_time
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")

T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    """One look-up under way, and the change of its key that was recorded last."""

    task: asyncio.Task[T]
    change: T | None = None


class Flights(Generic[T]):
    """The look-ups under way, at most one for each key.

    `look_up` finds the answer for a key. `known` returns the answer that memory has by now, or None: it is
    asked when a look-up has ended, and wins over the answer, as the key may have changed meanwhile.
    A failure is not remembered, and a look-up that takes longer than `seconds` is one: it is given up.
    `subject` is the word in the log for the things that are looked up.
    """

    def __init__(
        self,
        subject: str,
        look_up: Callable[[str], Coroutine[Any, Any, T]],
        known: Callable[[str], T | None],
        *,
        seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._subject = subject
        self._look_up = look_up
        self._known = known
        self._seconds = seconds
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        """Return the number of look-ups under way."""
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        """Return whether the key is being looked up."""
        return key in self._flights

    def start(self, key: str) -> asyncio.Task[T]:
        """Return the look-up of the key that is under way, or start one."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(
                asyncio.create_task(in_time(self._look_up(key), self._seconds))
            )
            flight.task.add_done_callback(lambda task: self._end(key, task))
        return flight.task

    async def find(self, key: str) -> T:
        """Return the answer for the key. A caller that is cancelled leaves the look-up to the others.

        Raises `StoreUnavailableError` if the look-up did, took too long, or was ended by `close`.
        """
        task = self.start(key)
        try:
            await asyncio.shield(task)
        except StoreUnavailableError:
            pass
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling() or not task.cancelled():
                raise
        known = self._known(key)
        if known is not None:
            return known
        if task.cancelled() or task.exception() is not None:
            # A new error for each caller: every one would add to the traceback of a common one.
            raise StoreUnavailableError("the store")
        return task.result()

    def record(self, key: str, change: T) -> None:
        """Record that the key has changed during its look-up; do nothing if none is under way."""
        flight = self._flights.get(key)
        if flight is not None:
            flight.change = change

    def change_of(self, key: str) -> T | None:
        """Return the change that was recorded last during the look-up of the key, or None."""
        flight = self._flights.get(key)
        return flight.change if flight is not None else None

    async def close(self) -> None:
        """End the look-ups under way; callers that wait get `StoreUnavailableError`."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: str, task: asyncio.Task[T]) -> None:
        del self._flights[key]
        log_defect(task, f"looking up a {self._subject} failed")


def log_defect(task: asyncio.Task[Any], message: str) -> None:
    """Log the error that ended a task, unless it is that the store is away."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, StoreUnavailableError):
        logger.error(message, exc_info=error)
