"""Responses that are made in the background: what they use is recorded when their end is first read.

The request that has one made is answered at once. Its usage event says `pending`, and stands with the
placement of the response, so that every process knows it. Whichever request first reads the end (by polling,
by streaming it, by cancelling it) has the counts recorded under that event's id. However many do, and in
whatever process, the store keeps one event of an id, with the surest counts.
"""

from functools import partial
from typing import Protocol

import msgspec
from msgspec import Struct

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.budget.batch import BATCHES
from tollkeeper_server.dataplane.budget.later import charged_later
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.decoding import decode_body, decode_stream
from tollkeeper_server.dataplane.reply.events import begins_stream, tells_stream
from tollkeeper_server.dataplane.reply.readahead import read_ahead
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent, estimated_tokens
from tollkeeper_server.prices.bill import cost_of
from tollkeeper_server.providers.estimate import text_bytes
from tollkeeper_server.providers.token_counts import to_tokens
from tollkeeper_server.providers.usage import has_ended, is_pending, read_carrier, read_event
from tollkeeper_server.snapshot.model import Snapshot
from tollkeeper_server.snapshot.prices import price_of_served
from tollkeeper_server.telemetry.metrics import Metrics

# The end of a larger response is recorded once the caller has it.
_MAX_BYTES = 1024 * 1024


class Awaited(Struct, frozen=True):
    """A response or a batch whose end a request may read, and the usage event that waits for it."""

    id: str
    event: UsageEvent

    @property
    def is_batch(self) -> bool:
        """Whether it is a batch, or its output file."""
        return self.event.endpoint in BATCHES


class Journal(Protocol):
    """Where usage goes (ledger/journal.py)."""

    def settle(self, event: UsageEvent) -> None:
        """Record the outcome of a request."""

    def write_settled(self) -> None:
        """Write at once what was recorded."""


class Background:
    """Records what responses used that are made in the background."""

    def __init__(self, placements: Placements, journal: Journal, metrics: Metrics) -> None:
        self._placements = placements
        self._journal = journal
        self._metrics = metrics

    def made(self, exchange: Exchange) -> None:
        """Record how far the usage is known when the request ends that has a response made."""
        if exchange.tokens.confidence is Confidence.EXACT:  # it has streamed all of it
            self._placements.settle(exchange.made_in_background, lambda: None)
        else:
            exchange.tokens = msgspec.structs.replace(exchange.tokens, confidence=Confidence.PENDING)

    async def look(
        self, exchange: Exchange, awaited: Awaited, incoming: Incoming, *, asked_stream: bool
    ) -> tuple[Incoming, bool]:
        """Return an answer that may tell the end, of which nothing is lost, and whether that was recorded.

        A document is looked into before the caller gets it. Raises `TransportError` if it breaks off.
        """
        if incoming.status >= 300:
            return incoming, False
        if exchange.method == "DELETE":  # now nobody will read it
            self._record(exchange, awaited, _estimate(awaited, 0))
            return incoming, True
        answer = await read_ahead(
            decode_stream(incoming, asked_stream=asked_stream),
            _MAX_BYTES,
            lambda held: tells_stream(held) and begins_stream(held),
        )
        if not answer.ended or begins_stream(answer.held):
            return answer, False
        tokens = _used(decode_body(answer.held, content_coding(answer.headers), _MAX_BYTES), awaited)
        if tokens is not None:
            self._record(exchange, awaited, tokens)
        return answer, True

    def passed(self, exchange: Exchange, awaited: Awaited, *, recorded: bool) -> None:
        """Record the end if the answer that was passed on told it. The request itself used nothing."""
        tokens, exchange.tokens = exchange.tokens, TokenCounts()
        if recorded or not exchange.finished or exchange.error_code:
            return
        if tokens.confidence is Confidence.ESTIMATED:
            guessed = _estimate(awaited, 0)
            tokens = msgspec.structs.replace(tokens, prompt=max(tokens.prompt, guessed.prompt))
        if tokens.confidence is not Confidence.NONE:
            self._record(exchange, awaited, tokens)

    def _record(self, exchange: Exchange, awaited: Awaited, tokens: TokenCounts) -> None:
        event = awaited.event
        price = price_of_served(exchange.snapshot, event.model_served, event.upstream, event.started_at)
        self.record(
            exchange, awaited, tokens, None if price is None else cost_of(price, tokens, event.started_at)
        )

    def record(self, exchange: Exchange, awaited: Awaited, tokens: TokenCounts, cost: int | None) -> None:
        """Record what was used until an end that was read, and that it cost so many nano-dollars.

        A batch of which that is not exact stays charged as it was made.
        """
        event, charges = awaited.event, awaited.event.charges
        if not awaited.is_batch or tokens.confidence is Confidence.EXACT:
            charges = charged_later(charges, tokens, cost)
        self._journal.settle(
            msgspec.structs.replace(
                event, tokens=tokens, cost_nano_dollars=cost, charges=charges, amends=True
            )
        )
        self._journal.write_settled()
        if exchange.method == "POST" and tokens.confidence is not Confidence.EXACT:
            return  # it was cancelled, and may say later what it used
        model = _model(exchange.snapshot, event.model_served)
        self._placements.settle(
            awaited.id, partial(self._metrics.used, model, event.upstream, tokens, cost or 0)
        )


def _used(document: bytes, awaited: Awaited) -> TokenCounts | None:
    """Return what a response used, None if it has not ended."""
    carrier = read_carrier(document)
    if is_pending(carrier):
        return None
    counts = read_event(carrier)
    if counts is None:
        return _estimate(awaited, text_bytes(document)) if has_ended(carrier) else None
    return to_tokens(counts, 0, completes=True, estimate=lambda: _estimate(awaited, text_bytes(document)))


def _estimate(awaited: Awaited, size: int) -> TokenCounts:
    prompt = awaited.event.tokens.prompt
    return TokenCounts(prompt=prompt, completion=estimated_tokens(size), confidence=Confidence.ESTIMATED)


def _model(snapshot: Snapshot, served: str) -> str:
    route = snapshot.resolve(served) if served else None
    return route.name if route is not None else ""
