"""Answers of paths that the table of endpoints does not have, without what is known to be another project's.

Whatever form they have: a thing counts by what names it (`thing_ids.py`), in any array, or as a member that
is called by its id. What nobody is known to have made is everybody's there, as a list of voices is. What is
about another's thing is answered as if there were no such thing.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

import msgspec

from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.dataplane.affinity import NotOwnError
from tollkeeper_server.dataplane.aside import LARGE, LONG, aside
from tollkeeper_server.dataplane.codings import is_coding
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.headers import content_coding, lowered
from tollkeeper_server.dataplane.reply.beginning import read_beginning
from tollkeeper_server.dataplane.reply.decoding import decode_body
from tollkeeper_server.dataplane.reply.events import begins_stream
from tollkeeper_server.dataplane.reply.thing_ids import id_of
from tollkeeper_server.dataplane.request.kept_path import is_plain
from tollkeeper_server.dataplane.request.peek import media_type
from tollkeeper_server.dataplane.request.references import Reference
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.errors import Reason, TollkeeperError

T = TypeVar("T")

MAX_BYTES = 4 << 20
"""The largest answer with ids that is looked into; a larger one is refused."""
MAX_IDS = 10_000
"""The most ids that one answer may have."""
_IDENTITY = b"identity"
_PARTIAL = 206
# An id in what no decoder reads: lines of JSON, or a part of a document.
_WRITTEN_ID = re.compile(rb'"(?:id|name|[a-z]+_id)"\s*+:\s*+"([^"\\]{1,512}+)"')
_TOTALS = frozenset({"total", "total_count", "total_size", "totalSize", "count"})
# They are those of the whole answer.
_GONE = frozenset(
    {
        b"content-digest", b"content-encoding", b"content-length", b"content-md5", b"digest", b"etag",
        b"repr-digest", b"x-total-count",
    }
)  # fmt: skip
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode


def may_be_json(incoming: Incoming) -> bool:
    """Return whether an answer may be JSON, by its head."""
    media = media_type(dict(lowered(incoming.headers)).get(b"content-type", b""))
    return not media or b"json" in media or media.startswith(b"text/")


async def leave_out(exchange: Exchange, incoming: Incoming, body: bytes, placements: Placements) -> Incoming:
    """Return a good answer without what is known to be others'.

    Raises NOT_FOUND if it is about nothing else, UPSTREAM_INVALID if it can't be looked into,
    STORE_UNAVAILABLE, and `TransportError` if it breaks off.
    """
    media = media_type(dict(lowered(incoming.headers)).get(b"content-type", b""))
    if not may_be_json(incoming) or media == b"text/event-stream":
        return incoming
    if incoming.status == _PARTIAL and b"json" in media:
        raise _unread("it is a part of a document, since the request has a Range")
    answer = await read_beginning(exchange, incoming, body, LARGE, begins_stream)
    if not answer.ended and not begins_stream(answer.held):
        if not exchange.hold_kept(MAX_BYTES) and exchange.room is not None:
            exchange.room.check(exchange.token_id, MAX_BYTES)
        await answer.read_on(MAX_BYTES)
    coding = content_coding(answer.headers)
    if coding != _IDENTITY and not all(map(is_coding, coding.split(b","))):
        raise _unread("it has a content coding that the gateway does not know")
    plain = answer.held
    if coding != _IDENTITY:
        plain = await _apart(lambda held: decode_body(held, coding, MAX_BYTES), plain)
    if (not answer.ended or len(plain) >= MAX_BYTES) and not begins_stream(plain):
        if await _apart(_WRITTEN_ID.search, plain):
            raise _unread(f"it is larger than {MAX_BYTES:,} bytes")
        return answer
    about, found = await _apart(_read, plain)
    if len(found) > MAX_IDS:
        raise _unread(f"it has more than {MAX_IDS:,} ids")
    known = await placements.find_many(found) if found else {}
    others = {one for one, it in known.items() if it.project_id != exchange.project_id}
    if not others:
        return answer
    if about is None:
        raise _unread("it is no JSON document")
    if about in others:
        raise NotOwnError(Reference(about, "object", "path", must_be_own=False), known[about].project_id)
    answer.held = await _apart(lambda whole: msgspec.json.encode(_without(_decode(whole), others)), plain)
    answer.headers = [
        *(header for header in answer.headers if header[0].lower() not in _GONE),
        (b"content-length", str(len(answer.held)).encode()),
    ]
    return answer


async def without_size(exchange: Exchange, incoming: Incoming) -> Incoming:
    """Return a good answer to HEAD without what tells of the whole answer, which has others' things, too.

    Raises `TransportError` if it breaks off.
    """
    if not may_be_json(incoming):
        return incoming
    answer = await read_beginning(exchange, incoming, b"", LARGE, begins_stream)
    answer.headers = [header for header in answer.headers if header[0].lower() not in _GONE]
    return answer


async def _apart(look: Callable[[bytes], T], among: bytes) -> T:
    """Return what `look` finds: among much, one after the other, for a decoder makes much more of it."""
    return await aside(len(among) if len(among) <= LARGE else LONG + 1, look, among)


def _read(plain: bytes) -> tuple[str | None, set[str]]:
    """Return the id of what an answer is, and all that may be one in it.

    The first is empty if nothing names the answer, and None if it is no JSON document.
    """
    about: str | None = None
    try:
        value = _decode(plain)
        found = set(_walk(value))
        about = id_of(value) if isinstance(value, dict) else ""
    except _FAILURES:
        found = {one.decode("utf-8", "replace") for one in _WRITTEN_ID.findall(plain)}
    return about, {one for one in found if not is_plain(one)}


def _walk(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _walk(one)
    elif isinstance(value, dict):
        if one := id_of(value):
            yield one
        for name, member in value.items():
            if isinstance(member, dict):
                yield name
            if isinstance(member, dict | list):
                yield from _walk(member)


def _is_others(value: object, others: Collection[str]) -> bool:
    return isinstance(value, dict) and id_of(value) in others


def _without(value: object, others: Collection[str]) -> object:
    if isinstance(value, list):
        return [_without(one, others) for one in value if not _is_others(one, others)]
    if not isinstance(value, dict):
        return value
    kept: dict[str, object] = {}
    gone = 0
    for name, member in value.items():
        if isinstance(member, dict) and (name in others or _is_others(member, others)):
            gone += 1
            continue
        kept[name] = _without(member, others)
        if isinstance(member, list):
            gone += sum(_is_others(one, others) for one in member)
    for name in _TOTALS & kept.keys():
        total = kept[name]
        if gone and isinstance(total, int):
            kept[name] = max(total - gone, 0)
    return kept


def _unread(why: str) -> TollkeeperError:
    return TollkeeperError(
        Reason.UPSTREAM_INVALID,
        f"the gateway can't tell whose things the upstream's answer shows: {why}; ask for less of it, or for "
        "things by their ids",
    )
