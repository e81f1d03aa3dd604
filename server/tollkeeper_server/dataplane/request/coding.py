"""Undoing the content coding of a request's body, within bounds of size, memory and time."""

import asyncio
from contextlib import nullcontext

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.codings import (
    TAKEN,
    decode_parts,
    is_coding,
    list_codings,
    make_decoder,
)
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.body import hold, too_large
from tollkeeper_server.dataplane.request.room import COUNTED_BYTES
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument

# Nobody needs more than one; each costs as much again.
_MAX_CODINGS = 4
# Of what is coded in pieces, as members of gzip, each costs time, also if it stands for nothing. So many
# are decoded at all, and so many on the event loop.
_MAX_PARTS = 20_000
_FEW_PARTS = 100


async def decode_request(exchange: Exchange, body: bytes) -> bytes:
    """Return a request's body without its content codings: the same object if it has none.

    Large ones are decoded in a thread. Raises UNSUPPORTED_CONTENT_ENCODING for a coding that can't be undone,
    INVALID_ARGUMENT for a body that is not what its header says, BODY_TOO_LARGE, and what `BodyRoom` raises.
    """
    received = exchange.scope["headers"]
    codings = list_codings([value for name, value in received if name == b"content-encoding"])
    if len(codings) > _MAX_CODINGS or not all(map(is_coding, codings)):
        raise TollkeeperError(
            Reason.UNSUPPORTED_CONTENT_ENCODING,
            f"content-encoding: not one that is taken here; send the body as it is, or as {TAKEN.decode()}"
            + (f", {_MAX_CODINGS} of them at most" if len(codings) > _MAX_CODINGS else ""),
            field="content-encoding",
        )
    limit = exchange.limits.max_body
    for coding in reversed(codings):
        plain = _undo(body, coding, min(LARGE, limit), _FEW_PARTS) if len(body) <= LARGE else None
        if plain is None:
            plain = await _undo_aside(exchange, body, coding)
        elif len(plain) > COUNTED_BYTES:
            hold(exchange, len(plain))
        body = plain
    return body


async def _undo_aside(exchange: Exchange, body: bytes, coding: bytes) -> bytes:
    """Return a large body without a coding. Only few are undone at once, so that all can be counted."""
    limit = exchange.limits.max_body
    async with exchange.room.decoding if exchange.room is not None else nullcontext():
        plain = await asyncio.to_thread(_undo, body, coding, limit, _MAX_PARTS)
        if plain is None:
            raise too_large(limit, decoded=True)
        hold(exchange, len(plain))
    return plain


def _undo(body: bytes, coding: bytes, limit: int, most_parts: int) -> bytes | None:
    """Return a body without a coding; None if it is larger than `limit`, or in more parts."""
    decoder = make_decoder(coding)
    parts: list[bytes] = []
    size = 0
    try:
        for number, part in enumerate(decode_parts(body, decoder)):
            size += len(part)
            if number > _MAX_PARTS:
                raise _broken(coding, "is in too many pieces; code it as one")
            if size > limit or number > most_parts:
                return None
            if part:
                parts.append(part)
    except ValueError as error:
        raise _broken(coding, "is not that; send what the header says") from error
    if decoder.trails:
        raise _broken(coding, "goes on after the end of that; send nothing after it")
    if body and not decoder.ended():
        raise _broken(coding, "is cut; send all of it")
    return b"".join(parts)


def _broken(coding: bytes, why: str) -> TollkeeperError:
    return invalid_argument("body", f"content-encoding says {coding.decode()}, and the body {why}")
