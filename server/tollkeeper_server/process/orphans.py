"""Orphans: the kernel gives processes whose parent has ended to process 1, or to a subreaper (prctl(2)).

In a container that is the server. What it does not collect would stay in the table of processes for ever.
"""

import asyncio
import ctypes
import os
import signal
from types import FrameType

_PR_GET_CHILD_SUBREAPER = 37


class Orphans:
    """Collects orphans when they end; children of our own are left to those who wait for them."""

    def __init__(self) -> None:
        """Collect them from now on, if this process is given any. Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._own: set[int] = set()
        self._watching = os.getpid() == 1 or _is_subreaper()
        if self._watching:
            signal.signal(signal.SIGCHLD, self._on_signal)
            self.collect()

    def spare(self, pid: int) -> None:
        """Leave a child to the one who waits for it."""
        self._own.add(pid)

    def collected(self, pid: int) -> None:
        """Record that a child that was spared has been waited for."""
        self._own.discard(pid)
        self.collect()

    def collect(self) -> None:
        """Collect the orphans that have ended."""
        while self._watching:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in self._own:  # then `collected` goes on
                return
            os.waitpid(ended.si_pid, os.WNOHANG)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # A child of our own that ends at once is collected no sooner than it can be spared.
        self._loop.call_soon_threadsafe(self.collect)


def _is_subreaper() -> bool:
    answer = ctypes.c_int(0)
    try:
        ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer))
    except AttributeError:  # not Linux
        return False
    return answer.value == 1
