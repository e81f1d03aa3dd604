"""A loop whose clock is the test's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class Timer:
    """A call that is to come."""

    when: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        """Call it off."""
        self.cancelled = True


@dataclass
class FakeLoop:
    """Fires timers `early` seconds too early, as a real loop may; leaves tasks to the loop that runs."""

    early: float = 0.0
    now: float = 1000.0
    set: int = 0
    """How many timers were set."""
    _timers: list[Timer] = field(default_factory=list)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Itself, as those who get a loop take it."""
        return cast("asyncio.AbstractEventLoop", self)

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Set a timer."""
        timer = Timer(when, call)
        self.set += 1
        self._timers.append(timer)
        return timer

    def call_soon(self, call: Callable[..., None], *args: Any) -> Any:
        """Have the loop that runs make a call."""
        return asyncio.get_running_loop().call_soon(call, *args)

    def create_task(self, *args: Any, **options: Any) -> Any:
        """Make a task of the loop that runs."""
        return asyncio.get_running_loop().create_task(*args, **options)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of the loop that runs."""
        return asyncio.get_running_loop().create_future()

    def pending(self) -> list[Timer]:
        """Return the timers that will fire, the next one first."""
        self._timers = sorted((it for it in self._timers if not it.cancelled), key=lambda it: it.when)
        return self._timers

    def move_on(self, seconds: float) -> None:
        """Let time go by, and fire each timer at its time."""
        end = self.now + seconds
        while (pending := self.pending()) and pending[0].when - self.early <= end:
            timer = pending.pop(0)
            self.now = max(self.now, timer.when - self.early)
            timer.call()
        self.now = end
