"""Batches: what they use is recorded when their end is first read, as of responses made in the background.

The request that makes a batch is charged all that the batch may use. Its usage event says `pending`, and
stands with the placement of the batch. Whichever request first reads an end that says what was used has the
counts recorded under that event's id, and the difference given back:

| what is read | says what was used |
|---|---|
| OpenAI's batch, once it has ended | by its `usage`; nothing, if no request was completed |
| its output file | by its lines, where the batch says no usage, or a sum that leaves something open |
| Anthropic's batch, once it has ended | nothing, if no request has succeeded |
| its results | by their lines |

A sum leaves open how long each prompt was, where the price depends on that, and how often responses searched.
"""

import contextlib
from functools import partial

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.background import Awaited, Background
from tollkeeper_server.dataplane.budget.batch import BATCHES
from tollkeeper_server.dataplane.budget.demand import costs_tokens
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.batch_usage import LineUsage, batch_tokens, counted_lines
from tollkeeper_server.dataplane.reply.decoding import decode_body, decode_stream
from tollkeeper_server.dataplane.reply.readahead import read_ahead
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.request.kept_path import is_below_kept, segments_of
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.prices.bill import cost_of, service_of
from tollkeeper_server.prices.price import Price
from tollkeeper_server.providers.usage import read_usage
from tollkeeper_server.snapshot.prices import model_there, price_of, price_of_served

_MAX_BYTES = 1024 * 1024
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_NOTHING = TokenCounts(confidence=Confidence.EXACT)
_RESPONSES = "/responses"
_BY_LINES = frozenset({"content", "results"})


class _Batch(Struct):
    """A batch as an upstream describes it: `status` is OpenAI's, `processing_status` Anthropic's."""

    id: str = ""
    status: object = None
    processing_status: object = None
    request_counts: object = None
    output_file_id: object = None
    model: object = None
    endpoint: object = None
    usage: Raw = Raw()


_decode = msgspec.json.Decoder(_Batch).decode
_FAILURES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def makes_batch(exchange: Exchange, matched: Matched) -> bool:
    """Return whether a request has a batch made."""
    endpoint = exchange.endpoint
    return endpoint.name in BATCHES and costs_tokens(exchange.method, endpoint) and not is_below_kept(matched)


class BatchEnds:
    """Records what batches have used."""

    def __init__(self, placements: Placements, background: Background) -> None:
        self._placements = placements
        self._background = background

    async def look(
        self, exchange: Exchange, awaited: Awaited, matched: Matched, incoming: Incoming
    ) -> Incoming:
        """Return an answer that may tell a batch's end, of which nothing is lost.

        A document is looked into before the caller gets it. Raises `TransportError` if it breaks off.
        """
        if incoming.status != 200:
            return incoming
        if segments_of(matched)[-1] in _BY_LINES:
            lines = decode_stream(incoming, asked_stream=True)
            usage = LineUsage(partial(_price, exchange, awaited), awaited.event.started_at)
            return counted_lines(lines, usage, partial(self._counted, exchange, awaited))
        if exchange.method == "DELETE":  # now nobody will read what it has used
            self._background.record(exchange, awaited, TokenCounts(confidence=Confidence.ESTIMATED), None)
            return incoming
        answer = await read_ahead(incoming, _MAX_BYTES, lambda _: False)
        if answer.ended:
            held = decode_body(answer.held, content_coding(answer.headers), _MAX_BYTES)
            with contextlib.suppress(*_FAILURES):
                batch = _decode(held)
                if batch.id == awaited.id:
                    await self._ended(exchange, awaited, batch)
        return answer

    async def _ended(self, exchange: Exchange, awaited: Awaited, batch: _Batch) -> None:
        """Record what a batch has used if it says so, or have its output file awaited."""
        counts = batch.request_counts if isinstance(batch.request_counts, dict) else {}
        if batch.processing_status == "ended":
            if counts.get("succeeded") == 0:
                self._background.record(exchange, awaited, _NOTHING, 0)
            return
        if batch.status not in _ENDED:
            return
        file = batch.output_file_id if isinstance(batch.output_file_id, str) else ""
        used = read_usage(batch.usage)
        by_lines = file and isinstance(batch.endpoint, str) and batch.endpoint.endswith(_RESPONSES)
        if used is not None and any(used.values()) and not by_lines:
            tokens, at = batch_tokens(used), awaited.event.started_at
            price = _price(exchange, awaited, batch.model if isinstance(batch.model, str) else "")
            if price is None and awaited.event.model_served:
                self._background.record(exchange, awaited, tokens, None)
                return
            if price is not None and price.adds_up(at.timestamp(), service_of(tokens.details)):
                self._background.record(exchange, awaited, tokens, cost_of(price, tokens, at))
                return
        if file:
            await self._await_file(awaited, file)
        elif counts.get("completed") == 0 or (batch.status == "failed" and not counts):
            self._background.record(exchange, awaited, _NOTHING, 0)

    async def _await_file(self, awaited: Awaited, file: str) -> None:
        event = awaited.event
        with contextlib.suppress(StoreUnavailableError):  # then both are awaited
            await self._placements.remember(file, event.upstream, event.project_id, event)
            self._placements.settle(awaited.id, lambda: None)

    def _counted(self, exchange: Exchange, awaited: Awaited, usage: LineUsage) -> None:
        self._background.record(exchange, awaited, usage.tokens, usage.cost)


def _price(exchange: Exchange, awaited: Awaited, named: str) -> Price | None:
    """Return the price of a batch's model; of several, that of the one that an answer names."""
    snapshot, event = exchange.snapshot, awaited.event
    if event.model_served:
        return price_of_served(snapshot, event.model_served, event.upstream, event.started_at)
    served = model_there(snapshot, event.upstream, named)
    return price_of(snapshot, served, event.upstream, named, event.started_at) if named else None
