"""How much is read each time the event loop comes round, of messages that go on for long."""

import asyncio
from collections import deque
from collections.abc import Callable

BYTES_A_TURN = 128 * 1024
"""About a millisecond's, also where they are tiny chunks and events."""
_READ_BYTES = 2 * 1024  # what it takes to read anything is as much work as so many bytes
_FEW_BYTES = 12 * 1024


class ReadPace:
    """Counts what connections read, and has those wait that read on in a turn of which all is used up.

    Who reads little goes on before who reads much, so that many fast streams don't delay the events of
    others.
    """

    __slots__ = ("_has_begun", "_left", "_light", "_long")

    def __init__(self) -> None:
        # Whether the turn goes on in which the bytes were given. The loop's time says nothing of that: uvloop
        # moves it on with each timer.
        self._has_begun = False
        self._left = BYTES_A_TURN
        self._light: deque[tuple[int, Callable[[], None]]] = deque()
        self._long: deque[tuple[int, Callable[[], None]]] = deque()

    def is_over(self, size: int, loop: asyncio.AbstractEventLoop) -> bool:
        """Count so many bytes that were read; return whether their reader should wait for a turn."""
        self._left -= size + _READ_BYTES
        if self._left > 0:
            return False
        if self._light or self._long or self._has_begun:
            return True
        self._has_begun = True
        self._left = BYTES_A_TURN - size - _READ_BYTES
        loop.call_soon(self._end_turn)
        return self._left <= 0

    def _end_turn(self) -> None:
        self._has_begun = False

    def wait(self, size: int, read_on: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Have `read_on` called once in a later turn. Its reader has read `size` bytes the last time."""
        if not (self._light or self._long):
            loop.call_soon(self._go_round, loop)
        (self._light if size <= _FEW_BYTES else self._long).append((size, read_on))

    def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        left = self._left = BYTES_A_TURN
        for _ in range(len(self._light)):
            if left <= 0:
                break
            left -= self._let_read(self._light)
        for _ in range(len(self._long)):  # one of them in every turn
            left -= self._let_read(self._long)
            if not self._long or left < self._long[0][0]:
                break
        if self._light or self._long:
            loop.call_soon(self._go_round, loop)

    @staticmethod
    def _let_read(waiting: deque[tuple[int, Callable[[], None]]]) -> int:
        size, read_on = waiting.popleft()
        read_on()
        return size + _READ_BYTES
