"""The journal of a process that died."""

import logging
from collections.abc import Callable
from itertools import islice

import msgspec

from tollkeeper_server.domain.usage import Confidence, Intent, TokenCounts, UsageEvent, estimated_tokens
from tollkeeper_server.ledger.directory import Claim
from tollkeeper_server.ledger.segments import Reader, lost_of, tell_of_budgets

_log = logging.getLogger("tollkeeper.ledger")
INTERRUPTED = "gateway_interrupted"
CostOf = Callable[[UsageEvent], int | None]
"""Finds what the counts of an event cost in nano-dollars, None if that is not known."""


def _unknown_cost(_event: UsageEvent) -> None:
    return None


def interrupted(intent: Intent) -> UsageEvent:
    """Return the event of a request whose process died before it ended.

    If it had been given to an upstream, it has probably used its prompt, which is estimated if it has one;
    what that costs is not known here. Else it has cost nothing. What it held of budgets it is charged, as
    nobody knows how much of that it has used: an estimate, too.
    """
    prompt = estimated_tokens(intent.request_bytes) if intent.upstream and intent.has_prompt else 0
    guessed = bool(intent.holds) or (bool(intent.upstream) and intent.has_prompt)
    tokens = TokenCounts(prompt=prompt, confidence=Confidence.ESTIMATED) if guessed else TokenCounts()
    known = msgspec.structs.asdict(intent)
    del known["has_prompt"]
    charges = known.pop("holds")
    return UsageEvent(
        **known,
        status=500,
        error_code=INTERRUPTED,
        tokens=tokens,
        cost_nano_dollars=None if intent.upstream else 0,
        charges=charges,
    )


class Orphan:
    """A claimed directory as a source of events: those settled, then those interrupted.

    Its files stay until all of it is stored; a process that dies before that leaves it to the next.
    """

    def __init__(self, claim: Claim, cost_of: CostOf = _unknown_cost) -> None:
        """`cost_of` finds what the interrupted ones cost, in the thread that reads."""
        self._cost_of = cost_of
        self.path = claim.path
        self._claim = claim
        self._reader = Reader(claim.path, intents=True, finished=True, keeps_cut=True)
        self._open: dict[str, Intent] = {}
        self._replaying: list[UsageEvent] = []
        self._settled_all = False
        self.done = False

    def read(self, limit: int) -> list[UsageEvent]:
        """Return the next events, at most `limit`; none if there are no more."""
        while not self._settled_all:
            entries = self._reader.read(limit)
            settled: list[UsageEvent] = []
            for _, event in entries:
                if isinstance(event, Intent):
                    self._open[event.id] = event
                else:
                    self._open.pop(event.id, None)
                    settled.append(event)
            if settled:
                return settled
            self._reader.commit()
            self._settled_all = not entries
        self._replaying = [self._priced(interrupted(it)) for it in islice(self._open.values(), limit)]
        return self._replaying

    def _priced(self, event: UsageEvent) -> UsageEvent:
        if event.cost_nano_dollars is not None:
            return event
        return msgspec.structs.replace(event, cost_nano_dollars=self._cost_of(event))

    def commit(self) -> None:
        """Record that the events read last are stored; remove the directory when all of it is."""
        self._reader.commit()
        for event in self._replaying:
            del self._open[event.id]
        self._replaying = []
        if self._settled_all and not self._open:
            if cut := self._reader.cut:
                lost = lost_of(self.path, cut)
                self._reader.skip(lost)
                if lost < len(cut):
                    _log.info(
                        "%d cut lines of the usage journal %s cost nothing: whole ones say the same",
                        len(cut) - lost,
                        self.path,
                    )
            self.done = True
            self._claim.remove()

    def tells_of_budgets(self) -> bool:
        """Return whether any of its lines says what a request holds or has used of budgets.

        Reads its files. Raises OSError if they can't be read.
        """
        return tell_of_budgets(self.path)

    @property
    def has_untold(self) -> bool:
        """Whether the shared ledger lacks what its process knew: all must tell it anew."""
        return self._claim.has_untold

    def release(self) -> None:
        """Leave the events that are not stored yet to another process."""
        self._claim.release()
