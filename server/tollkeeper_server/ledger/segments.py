"""The files of a journal's directory: numbered segments of lines, and how they are read.

A line is one byte that says what it is, the intent or event as JSON, and a line feed. Only a line with its
line feed is whole; a write that was cut leaves one without, which no reader takes for an event.
"""

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from tollkeeper_server.domain.usage import Intent, UsageEvent

_log = logging.getLogger("tollkeeper.ledger")
_encode = msgspec.json.Encoder().encode
_SUFFIX = ".jsonl"
_HEAD = re.compile(rb'([IS])\{"id":"([^"\\]+)"')
_HEAD_BYTES = 200
_LINES = 500
# A quotation mark within a text has a backslash before it.
_BUDGETS = (b'"holds":[[', b'"charges":[[')
PIECE_BYTES = 64 * 1024
"""Bytes read and decoded at a time: about a hundred lines, for whose time (0.1 ms) the GIL is held."""


class Kind(IntEnum):
    """The first byte of a line: a request that is about to be dispatched, or one that has ended."""

    INTENT = ord("I")
    SETTLED = ord("S")


_KINDS = {kind.value: kind for kind in Kind}
_DECODERS: dict[Kind, Callable[[bytes], Intent | UsageEvent]] = {
    Kind.INTENT: msgspec.json.Decoder(Intent).decode,
    Kind.SETTLED: msgspec.json.Decoder(UsageEvent).decode,
}


class Position(NamedTuple):
    """A place in a journal: a segment's number and an offset in bytes."""

    segment: int
    offset: int


class Cut(NamedTuple):
    """The beginning of a line, as a full disk or a loss of power leaves it: its kind, and of which event."""

    kind: Kind
    event_id: str


class Entry(NamedTuple):
    """One whole line: its kind, and the intent or event in it."""

    kind: Kind
    event: Intent | UsageEvent


def intent_line(intent: Intent) -> bytes:
    """Return the line that says a request is about to be dispatched."""
    return b"I%b\n" % _encode(intent)


def settled_line(event: UsageEvent) -> bytes:
    """Return the line that says how a request ended."""
    return b"S%b\n" % _encode(event)


def segment_path(directory: Path, number: int) -> Path:
    """Return the path of the segment of that number."""
    return directory / f"{number:010}{_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Return the numbers of the segments there are, in order."""
    with os.scandir(directory) as entries:
        stems = [entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX)]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def tell_of_budgets(directory: Path) -> bool:
    """Return whether any line in a directory says what a request holds or has used of budgets."""
    found = (segment_path(directory, number).read_bytes() for number in segment_numbers(directory))
    return any(mark in lines for lines in found for mark in _BUDGETS)


def bytes_between(directory: Path, start: Position, end: Position) -> int:
    """Return the size of what lies between two places. A segment that is gone has none."""
    size = end.offset - start.offset
    for number in range(max(start.segment, 1), end.segment):
        with contextlib.suppress(FileNotFoundError):
            size += segment_path(directory, number).stat().st_size
    return max(size, 0)


class Reader:
    """Reads a directory's lines in order, from `position`, which only `commit` moves.

    Entries that were read and not committed are read again. With `intents` it returns both kinds of lines,
    otherwise it passes over intents without decoding them.
    """

    def __init__(
        self,
        directory: Path,
        *,
        intents: bool,
        finished: bool,
        keeps_cut: bool = False,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        """Start at the beginning. `finished`: no process writes there any more.

        `commit` logs lines that can't be read. With `keeps_cut`, those that may be cut are put into `cut`
        instead, for `lost_of` to judge when all is read.
        """
        self._directory = directory
        self._intents = intents
        self._finished = finished
        self._keeps_cut = keeps_cut
        self._piece_bytes = piece_bytes
        self.position = Position(0, 0)
        self.skipped = 0
        self.cut: list[Cut] = []
        self._next = self.position
        self._unreadable: list[bytes] = []

    def read(self, limit: int) -> list[Entry]:
        """Return the next entries, at least one and at most `limit`; none if there are none yet."""
        self._next = self.position
        self._unreadable = []
        entries: list[Entry] = []
        # Listed before reading: a segment that has a successor by now will not grow any more.
        numbers = [n for n in segment_numbers(self._directory) if n >= self.position.segment]
        for number in numbers:
            if number != self._next.segment:
                self._next = Position(number, 0)
            closed = self._finished or number != numbers[-1]
            segment = os.open(segment_path(self._directory, number), os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._read_segment(segment, entries, limit, closed=closed)
            finally:
                os.close(segment)
            if len(entries) == limit:
                break
        return entries

    def pass_to(self, position: Position) -> None:
        """Take all entries before a later place as read."""
        self._next = position
        self._unreadable = []

    def commit(self) -> None:
        """Move `position` behind the entries that were read last."""
        cut = [found for line in self._unreadable if self._keeps_cut and (found := _cut(line))]
        self.cut += cut
        self.skip(len(self._unreadable) - len(cut))
        self.position = self._next
        self._unreadable = []

    def pass_over(self) -> None:
        """Move `position` behind the entries that were read last, whatever lay between them."""
        self.position = self._next

    def skip(self, lines: int) -> None:
        """Count and log lines that are lost."""
        if lines:
            self.skipped += lines
            _log.error(
                "skipped %d unreadable lines of the usage journal before byte %d of %s",
                lines,
                self._next.offset,
                segment_path(self._directory, self._next.segment),
            )

    def _read_segment(self, segment: int, entries: list[Entry], limit: int, *, closed: bool) -> None:
        number, offset = self._next
        while len(entries) < limit and (piece := _whole_lines(segment, offset, self._piece_bytes)):
            offset += self._take(piece, entries, limit)
        if closed and len(entries) < limit and offset < (size := os.fstat(segment).st_size):
            self._unreadable.append(os.pread(segment, _HEAD_BYTES, offset))
            offset = size
        self._next = Position(number, offset)

    def _take(self, piece: bytes, entries: list[Entry], limit: int) -> int:
        """Add the entries of a piece until there are `limit`; return the number of bytes taken for them."""
        passed = None if self._intents else Kind.INTENT.value
        size = len(piece)
        lines = piece.split(b"\n")
        wanted = [index for index, line in enumerate(lines) if line and line[0] != passed]
        if len(wanted) > limit - len(entries):
            del wanted[limit - len(entries) :]
            end = wanted[-1] + 1
            size = end + sum(map(len, lines[:end]))
        for index in wanted:
            line = lines[index]
            try:
                kind = _KINDS[line[0]]
                entries.append(Entry(kind, _DECODERS[kind](line[1:])))
            except (KeyError, ValueError, msgspec.MsgspecError):
                self._unreadable.append(line[:_HEAD_BYTES])
        return size


def lost_of(directory: Path, cut: Iterable[Cut]) -> int:
    """Return how many of the cut lines in a directory say what no whole line in it says.

    A final event also says all that its intent does.
    """
    cut, whole = list(cut), set[Cut]()
    wanted = {line.event_id for line in cut}
    reader = Reader(directory, intents=True, finished=True)
    while entries := reader.read(_LINES):
        whole.update(Cut(entry.kind, entry.event.id) for entry in entries if entry.event.id in wanted)
        reader.pass_over()
    return sum(line not in whole and Cut(Kind.SETTLED, line.event_id) not in whole for line in cut)


def _cut(line: bytes) -> Cut | None:
    head = _HEAD.match(line)
    return Cut(_KINDS[head[1][0]], head[2].decode("utf-8", "replace")) if head else None


def _whole_lines(segment: int, offset: int, size: int) -> bytes:
    """Return whole lines from `offset` on, about `size` bytes or one line; nothing if none is whole."""
    while True:
        data = os.pread(segment, size, offset)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return data[:end]
        size *= 2
