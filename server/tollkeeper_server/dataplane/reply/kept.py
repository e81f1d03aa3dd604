"""Remembering what answers tell of: what was made, and what upstreams have made by themselves.

It is stored before the caller learns the id, so that no crash makes a thing unknown that somebody knows of.
"""

import asyncio
import logging
import re
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.aside import aside, record_tokens
from tollkeeper_server.dataplane.batches import makes_batch
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding, lowered
from tollkeeper_server.dataplane.plan import Plan
from tollkeeper_server.dataplane.reply.apart import leave_out, may_be_json, without_size
from tollkeeper_server.dataplane.reply.beginning import read_beginning, record_begun
from tollkeeper_server.dataplane.reply.decoding import decode_body, decode_stream
from tollkeeper_server.dataplane.reply.events import begins_stream, event_data, single_events, tells_stream
from tollkeeper_server.dataplane.reply.learning import Learning
from tollkeeper_server.dataplane.reply.meter import abandoned
from tollkeeper_server.dataplane.reply.readahead import ReadAhead
from tollkeeper_server.dataplane.reply.thing_ids import made_beside, told_names
from tollkeeper_server.dataplane.reply.told import BESIDE, KEPT, MAX_ID, OF_MESSAGES, Places, walk_told
from tollkeeper_server.dataplane.request.endpoint import CHAT, MESSAGES, RESPONSES
from tollkeeper_server.dataplane.request.kept_path import is_below_kept, segments_of, words_of
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.dataplane.turns import Turns
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.providers.usage import is_in_background, is_pending, read_carrier, read_event

_log = logging.getLogger("tollkeeper.dataplane")

_MAX_BYTES = 1024 * 1024
# An event that tells an id.
_FIRST_ID = re.compile(rb'"id"\s*+:\s*+"([^"\\\x00-\x1f]{1,%d})"' % MAX_ID)
# An event with data, which most streams of things that are kept begin with. A few may come before it.
_EVENT = re.compile(rb"data:[^\r\n]*(?:\r?\n\r?\n|\r\r)")
_MAX_EVENTS = 4
_OF_DOCUMENT = Places(["id"])
_OF_EVENT = Places(["id", "response.id"])


class KeptAnswers:
    """Remembers what answers tell of, for the project that gets them."""

    def __init__(self, placements: Placements) -> None:
        self._placements = placements
        self._turns = Turns()

    async def remember(
        self, exchange: Exchange, plan: Plan, incoming: Incoming, *, asked_stream: bool
    ) -> Incoming:
        """Return a good answer, of which nothing is lost, once what it tells first is remembered.

        If that can't be stored, the caller gets the answer all the same, which was paid for. This process
        knows it at once, and the others as soon as it is stored; until then they can't tell, and answer 503.

        Raises `TransportError` if the answer breaks off. What was used by then is recorded, also if the
        task is cancelled.
        """
        if exchange.method == "POST":
            if exchange.endpoint.name == "realtime":
                await self._remember_call(exchange, plan, incoming)
                return incoming
            incoming = decode_stream(incoming, asked_stream=asked_stream)
            if exchange.endpoint is MESSAGES:
                return await self._learn(exchange, plan, incoming, OF_MESSAGES)
            if exchange.endpoint.keeps or exchange.endpoint is CHAT or segments_of(plan.matched):
                return await self._remember_made(exchange, plan, incoming)
            return await self._remember_beside(exchange, plan, incoming)
        segments = segments_of(plan.matched)
        if not segments and exchange.method == "GET":
            return await leave_out(exchange, incoming, plan.body, self._placements)
        if not segments and exchange.method == "HEAD":
            return await without_size(exchange, incoming)
        if exchange.method != "GET" or not is_below_kept(plan.matched) or _shows_content(exchange, plan):
            return incoming
        if any(words[-1:] == ["results"] for words in words_of(plan.matched)):
            lines = decode_stream(incoming, asked_stream=True)
            return self._learning(exchange, lines, OF_MESSAGES, lines=True)
        if not may_be_json(incoming) and not asked_stream:
            return incoming
        return await self._learn(exchange, plan, decode_stream(incoming, asked_stream=asked_stream), KEPT)

    async def _remember_made(self, exchange: Exchange, plan: Plan, incoming: Incoming) -> Incoming:
        body = plan.body
        is_batch = makes_batch(exchange, plan.matched)
        if is_batch:
            exchange.tokens = TokenCounts(confidence=Confidence.PENDING)
            named = plan.peek.named
            if exchange.endpoint.is_anthropics and named is not None and len(named.deciding) > 1:
                exchange.model_served = ""  # several serve it
        answer = await read_beginning(exchange, incoming, body, _MAX_BYTES, _tells_id)
        held = decode_body(answer.held, content_coding(answer.headers), _MAX_BYTES)
        made = await self._made(held)
        stays = plan.peek.store is not False if exchange.endpoint is not CHAT else plan.peek.store is True
        pending = None
        if made and (is_batch or (exchange.endpoint is RESPONSES and _goes_on(held))):
            if not is_batch:
                dialect = exchange.endpoint.dialect
                await record_tokens(exchange, len(body), lambda: abandoned(dialect, body))
            holds = exchange.holding.holds() if exchange.holding is not None else ()
            pending = msgspec.structs.replace(exchange.event(), status=answer.status, charges=holds)
            if not is_batch:
                exchange.tokens = TokenCounts()
                exchange.made_in_background = made
            stays = True
        places = KEPT if stays else BESIDE
        streams = begins_stream(held)
        others = [] if streams else [one for one in await self._told(held, places) if one != made]
        others = _unasked(exchange, others)
        upstream, project_id = exchange.upstream, exchange.project_id
        try:
            if made and stays and not is_below_kept(plan.matched):
                await self._placements.remember(made, upstream, project_id, pending, others)
            elif told := [*_unasked(exchange, [made]), *others] if made and stays else others:
                await self._placements.learn(told, upstream, project_id)
        except StoreUnavailableError:
            _say_unstored(exchange)
        except asyncio.CancelledError:
            if pending is None:
                await record_begun(exchange, answer, body)
            raise
        if streams:
            return self._learning(exchange, answer, places)
        return self._rest(exchange, answer, places, len(held))

    async def _learn(self, exchange: Exchange, plan: Plan, incoming: Incoming, places: Places) -> Incoming:
        answer = await read_beginning(
            exchange, incoming, plan.body, _MAX_BYTES, lambda held: tells_stream(held) and begins_stream(held)
        )
        if begins_stream(answer.held):
            return self._learning(exchange, answer, places)
        held = decode_body(answer.held, content_coding(answer.headers), _MAX_BYTES)
        try:
            await self._store(exchange, await self._told(held, places))
        except asyncio.CancelledError:
            await record_begun(exchange, answer, plan.body)
            raise
        return self._rest(exchange, answer, places, len(held))

    async def _made(self, held: bytes) -> str:
        """Return the id of what an answer is about, empty if it does not tell. It may be cut."""
        if not begins_stream(held):
            return next(
                reversed(await self._told(held, _OF_DOCUMENT)), ""
            )  # as decoders do if it comes twice
        for event in single_events(held):
            if found := await self._told(event_data(event), _OF_EVENT):
                return found[0]
        return ""

    async def _told(self, document: bytes, places: Places) -> list[str]:
        found: dict[str, None] = {}
        await self._turns.through(walk_told(document, places, found), len(document))
        if places is KEPT:
            found |= dict.fromkeys(await aside(len(document), told_names, document))
        return [*found]

    async def _remember_beside(self, exchange: Exchange, plan: Plan, incoming: Incoming) -> Incoming:
        """Remember what is made at a path that the table of endpoints does not have, by the answer alone."""
        if not may_be_json(incoming):
            return incoming
        answer = await read_beginning(exchange, incoming, plan.body, _MAX_BYTES, begins_stream)
        if answer.ended and not begins_stream(answer.held):
            held = decode_body(answer.held, content_coding(answer.headers), _MAX_BYTES)
            if read_event(read_carrier(held)):  # as models say what they used, and make nothing that is kept
                return answer
            asked = f"{plan.matched.path}?{exchange.scope['query_string'].decode('latin-1')}".encode()
            made = await aside(
                len(held) + len(plan.body), lambda document: made_beside(document, plan.body, asked), held
            )
            try:
                await self._store(exchange, made)
                return await leave_out(exchange, answer, plan.body, self._placements)
            except asyncio.CancelledError:
                await record_begun(exchange, answer, plan.body)
                raise
        return answer

    def _learning(
        self,
        exchange: Exchange,
        answer: Incoming,
        places: Places,
        *,
        lines: bool = False,
        whole: bool = False,
    ) -> Incoming:
        async def learn(ids: list[str]) -> None:
            await self._store(exchange, ids)

        return Learning(answer, places, learn, self._turns, lines=lines, whole=whole)

    def _rest(self, exchange: Exchange, answer: ReadAhead, places: Places, looked_into: int) -> Incoming:
        """Return an answer that is looked into as it passes if only its beginning has been before."""
        if (answer.ended and looked_into < _MAX_BYTES) or not may_be_json(answer):
            return answer
        plain = decode_stream(answer, asked_stream=True)
        return self._learning(exchange, plain, places, whole=True)

    async def _store(self, exchange: Exchange, ids: list[str]) -> None:
        ids = _unasked(exchange, ids)
        try:
            if ids:
                await self._placements.learn(ids, exchange.upstream, exchange.project_id)
        except StoreUnavailableError:
            _say_unstored(exchange)

    async def _remember_call(self, exchange: Exchange, plan: Plan, incoming: Incoming) -> None:
        """Remember a realtime call, whose id is the end of its `location` (OpenAI's POST /realtime/calls)."""
        location = dict(lowered(incoming.headers)).get(b"location", b"").decode("latin-1")
        segments = [it.lower() for it in segments_of(plan.matched)]
        call = urlsplit(location).path.rstrip("/").rpartition("/")[2] if segments[1:] == ["calls"] else ""
        await self._store(exchange, [call] if call else [])


def _shows_content(exchange: Exchange, plan: Plan) -> bool:
    """Return whether a GET may be answered with what a caller wrote, as Google's with `alt=media` are."""
    if b"alt=" in unquote_to_bytes(exchange.scope["query_string"]).lower():
        return True
    return any(words and (words[-1] == "content" or ":" in words[-1]) for words in words_of(plan.matched))


def _unasked(exchange: Exchange, ids: list[str]) -> list[str]:
    """Return the ids that the request does not name: an upstream may repeat whatever it was sent."""
    return [one for one in ids if one not in exchange.unknown_ids] if exchange.unknown_ids else ids


def _say_unstored(exchange: Exchange) -> None:
    _log.warning("request %s: where its answer is kept can't be stored yet", exchange.event_id)


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
