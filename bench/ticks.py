"""A timer finer than an event loop's, whose timers count in milliseconds: timerfd_create(2)."""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

_NANOSECONDS = 1_000_000_000


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Times(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = (("interval", _Time), ("first", _Time))


def tick(loop: asyncio.AbstractEventLoop, nanoseconds: int, call: Callable[[], None]) -> None:
    """Make the loop call `call` every `nanoseconds`; several missed ticks cause one call."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    every = _Time(*divmod(nanoseconds, _NANOSECONDS))
    if timer < 0 or libc.timerfd_settime(timer, 0, ctypes.byref(_Times(every, every)), None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

    def ticked() -> None:
        os.read(timer, 8)  # the number of ticks
        call()

    loop.add_reader(timer, ticked)
