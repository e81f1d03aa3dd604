"""Puts a journal's segments on the disk.

A line that was written survives the death of the process at once, because the kernel has it. It survives
a loss of power only after it was synchronised, which happens here, every second and in a thread.
"""

import logging
import os
import threading
from collections import deque
from pathlib import Path

_log = logging.getLogger("tollkeeper.ledger")
_INTERVAL_SECONDS = 1.0


class Syncer:
    """Synchronises the segment it was given last, while `dirty`, and closes those given before."""

    def __init__(self, directory: Path) -> None:
        self.dirty = False
        self._directory = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        self._current = -1
        self._former: deque[int] = deque()
        self._changed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)

    def watch(self, segment: int) -> None:
        """Take over the descriptor of a new segment; the former one is synchronised and closed soon."""
        former, self._current = self._current, segment
        self._changed = True
        if former >= 0:
            self._former.append(former)
        else:
            self._thread.start()

    def close(self) -> None:
        """Synchronise and close everything. Waits for it."""
        self._stop.set()
        self._thread.join()
        self._synchronise()
        os.close(self._current)
        os.close(self._directory)

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self._synchronise()

    def _synchronise(self) -> None:
        while self._former:
            segment = self._former.popleft()
            _to_disk(segment)
            os.close(segment)
        if self.dirty:
            self.dirty = False
            _to_disk(self._current)
        if self._changed:
            self._changed = False
            _to_disk(self._directory)


def _to_disk(file: int) -> None:
    try:
        os.fdatasync(file)
    except OSError as error:
        _log.error("the usage journal could not be synchronised with the disk: %s", error.strerror)
