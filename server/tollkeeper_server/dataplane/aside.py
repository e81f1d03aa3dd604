"""Looking at large bodies in threads: other requests go on meanwhile."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.usage import TokenCounts

A = TypeVar("A")
T = TypeVar("T")

LARGE = 256 * 1024
"""The most bytes that the event loop looks through."""
FEW = 4 * 1024
"""The most bytes whose tokens the event loop counts where they are estimated: many calls may end at once."""
LONG = 4 * 1024 * 1024
"""The most bytes that are looked through at the same time as other bodies. Larger ones take turns."""

# One: counting holds the interpreter for long at a time, so that several would keep the event loop waiting.
_COUNTING = ThreadPoolExecutor(1, "counting")


class Rests:
    """Looks at one thing after another, with a rest after each that is as long as the look was.

    A decoder of JSON holds the interpreter from the first byte to the last, also in a thread. Without rests,
    each turn of the event loop would wait for a look.
    """

    __slots__ = ("_clock", "_sleep", "_until")

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0

    def look(self, look: Callable[[A], T], among: A) -> T:
        """Return what `look` finds, after the rest of the look before. Only one thread may call this."""
        began = self._clock()
        if began < self._until:
            self._sleep(self._until - began)
            began = self._clock()
        try:
            return look(among)
        finally:
            ended = self._clock()
            self._until = ended + (ended - began)


_LOOKING = ThreadPoolExecutor(1, "looking")
_rests = Rests()


async def aside(size: int, look: Callable[[A], T], among: A) -> T:
    """Return what `look` finds among something that has `size` bytes."""
    if size <= LARGE:
        return look(among)
    if size <= LONG:
        return await asyncio.to_thread(look, among)
    return await asyncio.get_running_loop().run_in_executor(_LOOKING, _rests.look, look, among)


async def record_tokens(exchange: Exchange, size: int, count: Callable[[], TokenCounts]) -> None:
    """Record the tokens that `count` finds in `size` bytes, also if the task is cancelled meanwhile."""
    if size <= FEW:
        exchange.tokens = count()
        return
    counting = asyncio.get_running_loop().run_in_executor(_COUNTING, count)
    cancelled: asyncio.CancelledError | None = None
    while not counting.done():
        try:
            await asyncio.shield(counting)
        except asyncio.CancelledError as error:
            cancelled = error
    exchange.tokens = counting.result()
    if cancelled is not None:
        raise cancelled
