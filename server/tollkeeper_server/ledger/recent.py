"""The events that were settled last, kept so that the drain need not read them from the files."""

from collections import deque
from itertools import islice

from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.ledger.segments import Position


class Recent:
    """Keeps up to `most` events with the places where their lines end; beyond that it forgets the oldest."""

    def __init__(self, most: int) -> None:
        self._most = most
        # Where the line of each ends, in two numbers: a `Position` for each takes longer than all the rest.
        self._kept: deque[tuple[int, int, UsageEvent]] = deque()
        # Everything settled behind this is kept.
        self._since = (0, 0)

    def add(self, segment: int, end: int, event: UsageEvent) -> None:
        """Keep an event whose line ends at `end` in a segment, which is behind all others."""
        self._kept.append((segment, end, event))
        if len(self._kept) > self._most:
            self._since = self._kept.popleft()[:2]

    def after(
        self, position: Position, limit: int, end: Position
    ) -> tuple[list[UsageEvent], Position] | None:
        """Return the events between `position` and `end`, at most `limit`, and how far they reach.

        None if not all of them are kept. Events before `position` are forgotten.
        """
        kept = self._kept
        while kept and kept[0][:2] <= position:
            self._since = kept.popleft()[:2]
        if position < self._since:
            return None
        reach = Position(*kept[limit - 1][:2]) if len(kept) > limit else end
        return [event for _, _, event in islice(kept, limit)], reach
