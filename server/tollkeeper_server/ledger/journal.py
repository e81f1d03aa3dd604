"""The usage journal: each request is on file before anything of it can be lost.

A request that is about to be dispatched leaves an intent, one that ended its final event. An intent is
written to a file of this process at once, a final event with the next intent or at the end of the event
loop's turn, so that they outlive a `kill -9`; the disk has them within about a second (sync.py), so a loss of
power may cost the last second. The drain takes settled events to the store.
A process that starts, or that runs, adopts the directory of a process that died (orphan.py).

If the journal can't be written, intents and final events wait in memory, each up to a bound, until they are
stored or the journal can be written again. Whether a request suffers is not decided here.
"""

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from tollkeeper_server.domain.usage import Intent, UsageEvent, merge
from tollkeeper_server.ledger.directory import claim_orphans, claim_own
from tollkeeper_server.ledger.orphan import CostOf, Orphan
from tollkeeper_server.ledger.recent import Recent
from tollkeeper_server.ledger.segments import (
    Position,
    Reader,
    bytes_between,
    intent_line,
    segment_path,
    settled_line,
)
from tollkeeper_server.ledger.writer import SegmentWriter
from tollkeeper_server.telemetry.once_a_minute import OnceAMinute

_log = logging.getLogger("tollkeeper.ledger")
SEGMENT_BYTES = 8 * 1024 * 1024
WAITING_EVENTS = 10_000
RECENT_EVENTS = 4_000


class Journal:
    """The journal of one process below a root that several may share.

    `begin`, `settle` and everything else here belong to one thread, the event loop's; only `read`
    may run in another, between two commits.
    """

    def __init__(
        self,
        root: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        waiting_events: int = WAITING_EVENTS,
        recent_events: int = RECENT_EVENTS,
        soon: Callable[[Callable[[], None]], object] = lambda call: call(),
        cost_of: CostOf = lambda _: None,
        adopts: bool = True,
    ) -> None:
        """Open a journal and adopt those of dead processes, unless another process does (`adopts`).

        Raises OSError if that is impossible.

        `segment_bytes` is the size at which a new file is begun, `waiting_events` how many final
        events, and how many intents, are kept in memory while the journal can't be written, `recent_events`
        how many of the events on file, for the drain. `soon` calls a function at the end of the event
        loop's turn, or at once. `cost_of` finds what requests of dead processes cost, in any thread.
        """
        self.root = root
        self._cost_of = cost_of
        self._adopts = adopts
        self._claim, orphans = claim_own(root, orphans=adopts)
        self.orphans = [Orphan(claim, cost_of) for claim in orphans]
        self._reader = Reader(self._claim.path, intents=False, finished=False)
        self._segment_bytes = segment_bytes
        self._waiting_events = waiting_events
        self._kept: list[int] = []
        # Intents whose final event is not on file, with the segment each is in.
        self._open: dict[str, tuple[int, bytes]] = {}
        self._recent = Recent(recent_events)
        self._soon = soon
        self._unwritten: list[UsageEvent] = []
        self._waiting: dict[str, UsageEvent] = {}
        self._waiting_intents: dict[str, bytes] = {}
        # How many final events are on file and not stored, and how many of these were read last.
        self._filed = self._taken = 0
        self._dropped = 0
        self._telling = OnceAMinute()
        self._writer = SegmentWriter(self._claim.path, segment_bytes, self._complain)

    @property
    def name(self) -> str:
        """The name of its directory, which no other process ever has."""
        return self._claim.path.name

    @property
    def end(self) -> Position:
        """The place of the next line: events settled before this turn stand before it, or are in memory."""
        return Position(*self._writer.end)

    @property
    def stored(self) -> Position:
        """The place before which every settled event is stored."""
        return self._reader.position

    @property
    def waiting(self) -> int:
        """The number of final events, and of requests under way, that are in memory alone."""
        return len(self._waiting) + len(self._waiting_intents)

    @property
    def unstored(self) -> int:
        """The number of final events that are not stored, on file or in memory."""
        return self._filed + len(self._waiting) + len(self._unwritten)

    def unstored_bytes(self) -> int:
        """Return the size of what is on file and not stored, intents included. Waits for the disk."""
        return bytes_between(self._claim.path, self.stored, self.end)

    @property
    def skipped(self) -> int:
        """The number of lines that could not be read."""
        return self._reader.skipped

    def begin(self, intent: Intent, *, may_wait: bool = True) -> bool:
        """Record that a request is about to be dispatched, or holds more; return whether that is on file.

        What a failing disk does not take waits in memory, if it may.
        """
        line = intent_line(intent)
        if self._write(line):
            self._open[intent.id] = (self._writer.number, line)
            return True
        if may_wait and len(self._waiting_intents) < self._waiting_events:
            self._waiting_intents[intent.id] = line
        return False

    def settle(self, event: UsageEvent) -> None:
        """Record the final event of a request, begun or not. A failing disk does not fail the request."""
        self._unwritten.append(event)
        if len(self._unwritten) == 1:
            self._soon(self.write_settled)

    def write_settled(self) -> None:
        """Write the events that were settled in this turn of the event loop, and are not written yet."""
        if self._unwritten:
            self._write(b"")

    def write_waiting(self) -> None:
        """Write what is in memory alone, as far as the journal can be written."""
        for event_id, event in list(self._waiting.items()):
            if not self._append_settled((event,)):
                return
            del self._waiting[event_id]
        for event_id, line in list(self._waiting_intents.items()):
            if not self._writer.append(line):
                return
            del self._waiting_intents[event_id]
            self._open[event_id] = (self._writer.number, line)

    def first_waiting(self, limit: int) -> list[UsageEvent]:
        """Return up to `limit` of the final events that are in memory alone, oldest first."""
        return list(islice(self._waiting.values(), limit))

    def forget_waiting(self, events: list[UsageEvent]) -> None:
        """Record that these events are stored."""
        for event in events:
            if self._waiting.get(event.id) is event:  # one that amends it may have come in its place
                del self._waiting[event.id]
            self._open.pop(event.id, None)

    def recall(self, limit: int) -> list[UsageEvent] | None:
        """Return the events that `read` would, from memory; None if not all of them are there."""
        found = self._recent.after(self._reader.position, limit, self.end)
        if found is None:
            return None
        events, reach = found
        self._reader.pass_to(reach)
        self._taken = len(events)
        return events

    def read(self, limit: int) -> list[UsageEvent]:
        """Return the next settled events on file, at most `limit`. Reads files: not for the event loop."""
        events = [event for _, event in self._reader.read(limit) if isinstance(event, UsageEvent)]
        self._taken = len(events)
        return events

    def commit(self) -> None:
        """Record that the events read or recalled last are stored; delete segments no longer needed."""
        before = self._reader.position.segment
        self._reader.commit()
        # Lines that can't be read are never taken: at the end of the file none is left of them either.
        self._filed = 0 if self._reader.position >= self._writer.end else self._filed - self._taken
        self._taken = 0
        self._kept += range(max(before, 1), self._reader.position.segment)
        self._kept = [number for number in self._kept if not self._retire(number)]

    def mark_untold(self, is_there: bool) -> None:
        """Have whoever adopts this journal know whether the shared ledger lacks what this process knows."""
        try:
            self._claim.mark_untold(is_there=is_there)
        except OSError as error:
            self._complain(str(error))

    def adopt(self) -> list[Orphan]:
        """Adopt the journals of processes that died since, and return them. Waits for the disk.

        Raises OSError if that is impossible.
        """
        found = claim_orphans(self.root) if self._adopts else []
        adopted = [Orphan(claim, self._cost_of) for claim in found]
        self.orphans = [orphan for orphan in self.orphans if not orphan.done] + adopted
        return adopted

    def close(self) -> None:
        """Put everything on the disk and release the directory; delete it if all events are stored and told.

        Otherwise another process adopts it. Waits for the disk.
        """
        self.write_settled()
        self.write_waiting()
        self._writer.close()
        for orphan in self.orphans:
            orphan.release()
        is_stored = self._reader.position >= self._writer.end and not self._open and not self.waiting
        if is_stored and not self._claim.has_untold:
            self._claim.remove()
        self._claim.release()

    def _write(self, line: bytes) -> bool:
        """Append the settled events not written yet, and then a line; return whether it is written."""
        events, self._unwritten = self._unwritten, []
        written = self._append_settled(events, line) if events else self._writer.append(line)
        if not written:
            for event in events:
                self._let_wait(event)
        elif self._waiting or self._waiting_intents:
            self.write_waiting()
        return written

    def _append_settled(self, events: Sequence[UsageEvent], line: bytes = b"") -> bool:
        lines = [settled_line(event) for event in events]
        if not self._writer.append(b"".join((*lines, line))):
            return False
        self._filed += len(lines)
        end = self._writer.size - sum(map(len, lines)) - len(line)
        for event, settled in zip(events, lines, strict=True):
            end += len(settled)
            self._open.pop(event.id, None)
            if self._waiting_intents:
                self._waiting_intents.pop(event.id, None)
            self._recent.add(self._writer.number, end, event)
        return True

    def _let_wait(self, event: UsageEvent) -> None:
        self._waiting_intents.pop(event.id, None)
        waiting = self._waiting.get(event.id)
        self._waiting[event.id] = event if waiting is None else merge(waiting, event)
        if len(self._waiting) > self._waiting_events:
            del self._waiting[next(iter(self._waiting))]
            self._dropped += 1

    def _retire(self, number: int) -> bool:
        """Delete a segment whose settled events are stored, if no intent keeps it; return whether it is gone.

        A few intents (long streams) are written again to the current segment. Many stay where they
        are: writing them over and over would cost more than the room they take.
        """
        kept = [(event_id, line) for event_id, (there, line) in self._open.items() if there == number]
        if sum(len(line) for _, line in kept) > self._segment_bytes // 4:
            return False
        for event_id, line in kept:
            if not self._writer.append(line):
                return False
            self._open[event_id] = (self._writer.number, line)
        try:
            segment_path(self._claim.path, number).unlink()
        except OSError as error:
            self._complain(str(error))
            return False
        return True

    def _complain(self, why: str) -> None:
        if not self._telling.is_due():
            return
        _log.error(
            "the usage journal in %s can't be written (%s): %d usage events and requests under way wait in "
            "memory, %d are lost; make room on the disk",
            self._claim.path,
            why,
            self.waiting,
            self._dropped,
        )
