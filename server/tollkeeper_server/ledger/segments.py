"""What a journal's directory holds: numbered segments of lines, and how they are read.

A line is one byte that says what it is, the event as JSON, and a line feed. Only a line with its
line feed is whole; a write that was cut leaves one without, which no reader takes for an event.
"""

import logging
import os
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from tollkeeper_server.domain.usage import UsageEvent

_log = logging.getLogger("tollkeeper.ledger")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(UsageEvent).decode
_SUFFIX = ".jsonl"
_CHUNK = 256 * 1024


class Kind(IntEnum):
    """The first byte of a line: a request that is about to be dispatched, or one that has ended."""

    INTENT = ord("I")
    SETTLED = ord("S")


class Position(NamedTuple):
    """A place in a journal: a segment's number and an offset in bytes."""

    segment: int
    offset: int


class Entry(NamedTuple):
    """One whole line and what it says."""

    kind: Kind
    event: UsageEvent


def intent_line(event: UsageEvent) -> bytes:
    """Returns the line that says a request is about to be dispatched."""
    return b"I%b\n" % _encode(event)


def settled_line(event: UsageEvent) -> bytes:
    """Returns the line that says how a request ended."""
    return b"S%b\n" % _encode(event)


def segment_path(directory: Path, number: int) -> Path:
    """Returns where the segment of that number is."""
    return directory / f"{number:010}{_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Returns the numbers of the segments there are, in order."""
    with os.scandir(directory) as entries:
        stems = [entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX)]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


class Reader:
    """Reads a directory's lines in order, from `position`, which only `commit` moves.

    What was read and not committed is read again. With `intents` it returns both kinds of lines,
    otherwise it passes over intents without decoding them.
    """

    def __init__(self, directory: Path, *, intents: bool, finished: bool) -> None:
        """Starts at the beginning. `finished`: nobody writes there any more."""
        self._directory = directory
        self._intents = intents
        self._finished = finished
        self.position = Position(0, 0)
        self.skipped = 0
        self._next = self.position
        self._unreadable = 0

    def read(self, limit: int) -> list[Entry]:
        """Returns the next entries, at least one and at most `limit`; none if there are none yet."""
        self._next = self.position
        self._unreadable = 0
        # Listed before reading: a segment that has a successor by now will not grow any more.
        numbers = [n for n in segment_numbers(self._directory) if n >= self.position.segment]
        entries: list[Entry] = []
        for number in numbers:
            if number != self._next.segment:
                self._next = Position(number, 0)
            closed = self._finished or number != numbers[-1]
            with segment_path(self._directory, number).open("rb", buffering=0) as file:
                self._read_segment(file.fileno(), entries, limit, closed=closed)
            if len(entries) == limit:
                break
        return entries

    def commit(self) -> None:
        """Moves `position` behind what was read last."""
        if self._unreadable:
            self.skipped += self._unreadable
            _log.error(
                "skipped %d unreadable lines of the usage journal before byte %d of %s",
                self._unreadable,
                self._next.offset,
                segment_path(self._directory, self._next.segment),
            )
        self.position = self._next
        self._unreadable = 0

    def _read_segment(self, segment: int, entries: list[Entry], limit: int, *, closed: bool) -> None:
        number, offset = self._next
        while len(entries) < limit and (lines := _whole_lines(segment, offset)):
            start = 0
            while start < len(lines) and len(entries) < limit:
                end = lines.index(b"\n", start) + 1
                self._take(lines[start : end - 1], entries)
                start = end
            offset += start
        if closed and len(entries) < limit and offset < (size := os.fstat(segment).st_size):
            self._unreadable += 1
            offset = size
        self._next = Position(number, offset)

    def _take(self, line: bytes, entries: list[Entry]) -> None:
        if not line or (line[0] == Kind.INTENT and not self._intents):
            return
        try:
            entries.append(Entry(Kind(line[0]), _decode(line[1:])))
        except (ValueError, msgspec.MsgspecError):
            self._unreadable += 1


def _whole_lines(segment: int, offset: int) -> bytes:
    """Returns some lines from `offset` on, with their line feeds; nothing if there is no whole one."""
    size = _CHUNK
    while True:
        data = os.pread(segment, size, offset)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return data[:end]
        size *= 2
