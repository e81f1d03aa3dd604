"""The batches of a member: what has gathered becomes one, and its reply is told to who waits for it."""

from tollkeeper_server.ledger.port import Crossed
from tollkeeper_server.ledger.reservation import Cause, Refused
from tollkeeper_server.ledger.shared.known import Known
from tollkeeper_server.ledger.shared.messages import Message, Verb, Why
from tollkeeper_server.ledger.shared.queue import Keys, Look, Post, Renew, Reserve
from tollkeeper_server.ledger.shared.requests import Requests
from tollkeeper_server.ledger.shared.seeding import Seeding

_BATCH = 500
# A script in Redis takes some 4,000 keys, and one more operation has up to a few hundred.
_KEYS = 2000
_TRIES = 50


class Batches:
    """One batch at a time, each with a number in its epoch. `latest` is under way, or was last."""

    def __init__(
        self, name: str, requests: Requests, known: Known, seeding: Seeding, crossed: Crossed | None
    ) -> None:
        """Take the name of the member."""
        self.latest: Message = []
        self._name = name
        self._requests = requests
        self._known = known
        self._seeding = seeding
        self._crossed = crossed
        self._number = 0

    def begin_epoch(self) -> None:
        """Begin to number batches anew."""
        self._number = 0

    def gather(self, epoch: int, now: int, *, even_empty: bool) -> Message | None:
        """Return a batch of what has gathered; None if that is nothing, unless it may be empty."""
        requests, known, keys = self._requests, self._known, Keys()
        time = known.time(now)
        operations: list[Message] = []
        while requests.queue and len(operations) < _BATCH and len(keys.places) < _KEYS:
            entry = requests.queue.popleft()
            if isinstance(entry, Reserve) and not entry.done:
                continue
            operations.append(entry.operation(keys, lambda meter: known.period(meter, time)))
            requests.flight.append(entry)
        if not operations and not even_empty:
            return None
        self._number += 1
        self.latest = [Verb.BATCH, self._name, epoch, self._number, list(keys.places), operations]
        return self.latest

    def take(self, reply: Message, now: int) -> None:
        """Tell the reply to the batch that is under way."""
        self._known.heard(reply, now)
        flight, self._requests.flight = self._requests.flight, []
        for entry, result in zip(flight, reply[4:], strict=True):
            if isinstance(entry, Reserve):
                self._reserved(entry, result, now)
            elif result and isinstance(entry, (Post, Renew)):
                self._reached(entry, result)
            elif isinstance(entry, Look):
                entry.done(self._known.standings(entry, result, now))

    def _reached(self, entry: Reserve | Post | Renew, result: Message) -> None:
        for at in range(0, len(result), 2):
            meter, period = entry.at(result[at])
            is_new = self._requests.holdings.tell(meter.key, period, meter.amount, result[at + 1])
            if is_new and self._crossed is not None:
                self._crossed(meter, result[at + 1])

    def _reserved(self, entry: Reserve, result: Message, now: int) -> None:
        part = entry.part
        if result[0]:
            self._known.reserved(part, result[1:], now)
            part.at = self._known.held_since
            self._requests.make(entry)
            return
        place, why, number, wait = result[1:5]
        meter, period = entry.at(place)
        self._reached(entry, result[5:])
        if why <= Why.PACE:
            self._known.refused(meter, period, number)
            refused = Refused(meter, Cause(why), number, wait if why == Why.PACE else None)
            self._requests.end(entry, refused)
            return
        entry.tries += 1
        if entry.tries > _TRIES:
            self._requests.end(entry, Refused(meter, Cause.UNKNOWN))
        elif why == Why.ABSENT:
            self._seeding.wait(entry, meter.key, period)
        elif why == Why.STALE:
            self._known.goes_on_in(meter, number)
            self._requests.queue.append(entry)
        else:
            self._requests.parked.append(entry)
