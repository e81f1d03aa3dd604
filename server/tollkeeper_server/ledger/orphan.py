"""The journal of a process that died."""

import logging
from itertools import islice

import msgspec

from tollkeeper_server.domain.usage import Confidence, Intent, TokenCounts, UsageEvent, estimated_tokens
from tollkeeper_server.ledger.directory import Claim
from tollkeeper_server.ledger.segments import Reader, lost_of

_log = logging.getLogger("tollkeeper.ledger")
INTERRUPTED = "gateway_interrupted"


def interrupted(intent: Intent) -> UsageEvent:
    """Return the event of a request whose process died before it ended.

    If it had been given to an upstream, it has probably cost its prompt, which is estimated if it has one.
    """
    tokens = TokenCounts()
    if intent.upstream and intent.has_prompt:
        prompt = estimated_tokens(intent.request_bytes)
        tokens = TokenCounts(prompt=prompt, confidence=Confidence.ESTIMATED)
    known = msgspec.structs.asdict(intent)
    del known["has_prompt"]
    return UsageEvent(**known, status=500, error_code=INTERRUPTED, tokens=tokens)


class Orphan:
    """A claimed directory as a source of events: those settled, then those interrupted.

    Its files stay until all of it is stored; a process that dies before that leaves it to the next.
    """

    def __init__(self, claim: Claim) -> None:
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
        self._replaying = [interrupted(intent) for intent in islice(self._open.values(), limit)]
        return self._replaying

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

    def release(self) -> None:
        """Leave the events that are not stored yet to another process."""
        self._claim.release()
