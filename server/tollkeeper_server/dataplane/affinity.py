"""Affinity: files, batches, responses and the like are reached again at the upstream that keeps them.

Which upstream has it is remembered by its id, before the caller learns the id. Where a snapshot has one
upstream alone, there is nothing to remember.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.aside import record_tokens
from tollkeeper_server.dataplane.background import Awaited
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding
from tollkeeper_server.dataplane.reply.beginning import read_beginning, record_begun
from tollkeeper_server.dataplane.reply.decoding import decode_body
from tollkeeper_server.dataplane.reply.events import begins_stream, event_data, single_events
from tollkeeper_server.dataplane.reply.meter import abandoned
from tollkeeper_server.dataplane.reply.readahead import ReadAhead
from tollkeeper_server.dataplane.request.endpoint import RESPONSES, Matched
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.domain.usage import TokenCounts
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.providers.usage import is_in_background, is_pending, read_carrier

_log = logging.getLogger("tollkeeper.dataplane")

_MAX_BYTES = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=~+-]{3,255}")
# Words of paths that are no ids.
_WORDS = frozenset(
    {
        "batches", "cancel", "checkpoints", "complete", "content", "events", "files", "input_items", "items",
        "jobs", "messages", "parts", "results", "runs", "search", "steps", "submit_tool_outputs",
    }
)  # fmt: skip
# The first id of a body, in case it is too large to be read whole, or one of an event stream.
_FIRST_ID = re.compile(rb'"id"\s*:\s*"([A-Za-z0-9][A-Za-z0-9_.:=~+-]{3,255})"')

# An event with data, which most streams of things that are kept begin with. A few may come before it.
_EVENT = re.compile(rb"data:[^\r\n]*(?:\r?\n\r?\n|\r\r)")
_MAX_EVENTS = 4


class _Made(Struct):
    id: str | None = None


class _References(Struct):
    """The members by which request bodies refer to what an upstream keeps."""

    previous_response_id: str | None = None
    conversation: Raw = Raw(b"null")
    input_file_id: str | None = None
    training_file: str | None = None
    validation_file: str | None = None
    file_id: str | None = None
    file_ids: list[str] = []
    assistant_id: str | None = None


class _Conversation(Struct):
    id: str


_decode_made = msgspec.json.Decoder(_Made).decode
_decode_references = msgspec.json.Decoder(_References).decode
_decode_conversation = msgspec.json.Decoder(str | _Conversation | None).decode


def referred(matched: Matched, body: bytes) -> Iterator[str]:
    """Yield the ids by which a request refers to what upstreams keep, the most telling first."""
    for found in _segments(matched)[1:]:
        if found not in _WORDS and _ID.fullmatch(found):
            yield found
            break
    if not body.startswith(b"{"):
        return
    try:
        references = _decode_references(body)
        conversation = _decode_conversation(references.conversation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(conversation, _Conversation):
        conversation = conversation.id
    for one in (
        references.previous_response_id,
        conversation,
        references.input_file_id,
        references.training_file,
        references.validation_file,
        references.file_id,
        references.assistant_id,
        *references.file_ids[:1],
    ):
        if one and _ID.fullmatch(one):
            yield one


def _segments(matched: Matched) -> list[str]:
    return [unquote(segment) for segment in matched.path.split("/") if segment]


class Affinity:
    """Remembers where things are kept."""

    def __init__(self, placements: Placements) -> None:
        self._placements = placements

    @property
    def placements(self) -> Placements:
        """Where it is remembered."""
        return self._placements

    async def find(self, matched: Matched, body: bytes) -> str | None:
        """Return the upstream that keeps the things a request refers to, None if none is known to.

        Raises STORE_UNAVAILABLE if the store can't be asked.
        """
        for one in referred(matched, body):
            upstream = await self._placements.find(one)
            if upstream is not None:
                return upstream
        return None

    async def awaited(self, method: str, matched: Matched) -> Awaited | None:
        """Return the response whose end a request may read, None if its usage does not wait for that.

        Raises as `find` does.
        """
        segments = _segments(matched)
        if len(segments) != (3 if method == "POST" else 2) or method not in {"GET", "DELETE", "POST"}:
            return None
        event = await self._placements.pending(segments[1]) if _ID.fullmatch(segments[1]) else None
        return Awaited(segments[1], event) if event is not None else None

    async def remember(
        self, exchange: Exchange, incoming: Incoming, body: bytes, *, only_pending: bool = False
    ) -> ReadAhead:
        """Remember what a POST with this body made, and return its good answer, of which nothing is lost.

        With `only_pending`, a response is remembered alone that is made in the background: its usage is known
        when its end is read.

        If it can't be stored, the caller gets the answer all the same, which was paid for. This process knows
        it at once, and the others as soon as it is stored; until then they can't tell, and answer 503.

        Raises `TransportError` if the answer breaks off. What was used by then is recorded, also if the
        task is cancelled.
        """
        answer = await read_beginning(exchange, incoming, body, _MAX_BYTES, _tells_id)
        held = decode_body(answer.held, content_coding(answer.headers), _MAX_BYTES)
        made = _made(held)
        if made is None:
            return answer
        pending = None
        if exchange.endpoint is RESPONSES and _goes_on(held):
            dialect = exchange.endpoint.dialect
            await record_tokens(exchange, len(body), lambda: abandoned(dialect, body))
            pending = msgspec.structs.replace(exchange.event(), status=answer.status)
            exchange.tokens = TokenCounts()
            exchange.made_in_background = made
        elif only_pending:
            return answer
        try:
            await self._placements.remember(made, exchange.upstream, exchange.project_id, pending)
        except StoreUnavailableError:
            _log.warning("request %s: where its answer is kept can't be stored yet", exchange.event_id)
        except asyncio.CancelledError:
            if pending is None:
                await record_begun(exchange, answer, body)
            raise
        return answer


def _goes_on(beginning: bytes) -> bool:
    """Return whether the response that an answer begins with is made in the background."""
    if begins_stream(beginning):
        events = map(event_data, single_events(beginning))
        return any(is_in_background(read_carrier(data)) for data in events)
    return is_pending(read_carrier(beginning))


def _tells_id(held: bytes) -> bool:
    """Return whether so much of a stream names the thing it is about, or goes on without naming it."""
    if not begins_stream(held):
        return False
    events = _EVENT.findall(held)
    return len(events) >= _MAX_EVENTS or any(_FIRST_ID.search(one) for one in events)


def _made(body: bytes) -> str | None:
    if body.startswith(b"{"):
        try:
            found = _decode_made(body).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        if found is not None:
            return found if _ID.fullmatch(found) else None
    first = _FIRST_ID.search(body)
    return first[1].decode() if first else None
