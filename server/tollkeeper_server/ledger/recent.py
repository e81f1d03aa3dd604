"""The events that were settled last, kept so that nobody has to read them from the files again."""

from collections import deque
from itertools import islice
from typing import NamedTuple

from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.ledger.segments import Position


class _Kept(NamedTuple):
    end: Position
    event: UsageEvent


class Recent:
    """Keeps up to `most` events with the places where their lines end; beyond that it forgets the oldest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[_Kept] = deque()
        # Everything settled behind this is kept.
        self._since = Position(0, 0)

    def add(self, end: Position, event: UsageEvent) -> None:
        """Keeps an event whose line ends at `end`, which is behind all others."""
        self._kept.append(_Kept(end, event))
        if len(self._kept) > self._most:
            self._since = self._kept.popleft().end

    def after(
        self, position: Position, limit: int, end: Position
    ) -> tuple[list[UsageEvent], Position] | None:
        """Returns the events between `position` and `end`, at most `limit`, and how far they reach.

        None if not all of them are kept. What is before `position` is forgotten.
        """
        kept = self._kept
        while kept and kept[0].end <= position:
            self._since = kept.popleft().end
        if position < self._since:
            return None
        reach = kept[limit - 1].end if len(kept) > limit else end
        return [event for _, event in islice(kept, limit)], reach
