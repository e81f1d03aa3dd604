"""Long walks through JSON, some milliseconds at a time: the event loop goes on in between.

Threads would have the loop wait for the interpreter's lock, five milliseconds for each of them.
"""

import asyncio
from collections.abc import Iterator

SIGNS = 2_000
"""The most signs (`signs.py`) between two steps of a walk: a millisecond or two."""
# So many bytes are walked through at once.
_SMALL = 4 * 1024


class Turns:
    """Lets walks take turns, one step after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def through(self, steps: Iterator[None], size: int) -> None:
        """Go through all the steps of a walk through `size` bytes. Raises what they raise."""
        if size <= _SMALL:
            for _ in steps:
                pass
            return
        while True:
            async with self._turn:
                if next(steps, self) is self:
                    return
                await asyncio.sleep(0)  # one step, of whichever walk, in each turn of the loop
