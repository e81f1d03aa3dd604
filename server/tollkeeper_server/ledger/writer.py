"""Appends the lines of a journal to its segments."""

import os
from collections.abc import Callable
from pathlib import Path

from tollkeeper_server.ledger.segments import segment_path
from tollkeeper_server.ledger.sync import Syncer


class SegmentWriter:
    """Writes to one segment, and to the next one when that is full.

    A line that the disk did not take whole is taken back, or kept apart from the next by a line feed.
    """

    def __init__(self, directory: Path, segment_bytes: int, complain: Callable[[str], None]) -> None:
        """Begin a segment. `complain` is told why the disk took something not, or not whole.

        Raises OSError if the first segment can't be made.
        """
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._complain = complain
        self._syncer = Syncer(directory)
        self._cut = False
        self._file = -1
        self.number = 0
        """The number of the segment."""
        self.size = 0
        """The bytes in the segment."""
        self.end = (0, 0)
        """Where the last whole line ends: a segment, and how many of its bytes."""
        self._start_segment()

    def close(self) -> None:
        """Put everything on the disk. Waits for it."""
        self._file = -1
        self._syncer.close()

    def append(self, lines: bytes) -> bool:
        """Write whole lines at once; return whether all of them are written."""
        if self.size >= self._segment_bytes:
            self._start_segment()
        data = b"\n" + lines if self._cut else lines
        try:
            written = os.write(self._file, data)
        except OSError as error:
            self._complain(str(error))
            return False
        self._syncer.dirty = True
        if written != len(data):
            self._take_back(data, written)
            self._complain("the disk is full")
            return False
        self.size += written
        self._cut = False
        self.end = (self.number, self.size)
        return True

    def _take_back(self, data: bytes, written: int) -> None:
        """Remove the cut line from the end of a write: what it says waits in memory, and comes whole.

        Whole lines before it stay, as the reader may have passed them; their events come twice.
        """
        whole = data.rfind(b"\n", 0, written) + 1
        try:
            os.ftruncate(self._file, self.size + whole)
        except OSError:
            # It has no line feed: one more keeps the next line apart from it.
            self.size += written
            self._cut = True
        else:
            self.size += whole
            self._cut = False

    def _start_segment(self) -> None:
        path = segment_path(self._directory, self.number + 1)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if self._file < 0:
                raise
            # The open segment goes on: a long one is better than none.
            self._complain(str(error))
            return
        self._syncer.watch(file)
        self._file = file
        self.number += 1
        self.size = 0
        self._cut = False
