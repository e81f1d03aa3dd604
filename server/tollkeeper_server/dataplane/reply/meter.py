"""Metering on the side: what an answer that passes by used."""

import zlib

import msgspec

from tollkeeper_server.dataplane.reply.events import parse_event, single_events
from tollkeeper_server.domain.usage import Confidence, TokenCounts, estimated_tokens
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.estimate import prompt_tokens, text_bytes
from tollkeeper_server.providers.usage import (
    SIGN,
    Carrier,
    Counts,
    read_carrier,
    read_event,
    read_usage,
    says_usage,
    to_tokens,
)

# Larger answers are relayed all the same, but not kept to be looked into: usage then is estimated.
MAX_KEPT = 64 * 1024 * 1024
# What may follow the event that says why an answer ended: its usage, an end marker, what filters found.
LAST_BYTES = 4 * 1024
LAST_PIECES = 4
_NOTHING = Carrier()


class BodyMeter:
    """Meters an answer that comes as one JSON document."""

    def __init__(self, dialect: Dialect, content_encoding: bytes) -> None:
        self._dialect = dialect
        self._encoding = content_encoding
        self._pieces: list[bytes] = []
        self._kept = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._kept += len(piece)
        if self._kept <= MAX_KEPT:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def tokens(self, request_body: bytes) -> TokenCounts:
        """Return what the document says, or an estimate."""
        body = b"".join(self._pieces)
        if self._encoding != b"identity":
            body = _decoded(body, self._encoding)
        carrier = read_carrier(body) or _NOTHING
        images = len(carrier.data or ()) if self._dialect.image is not None else 0
        counts = read_usage(carrier)
        if counts is not None:
            return to_tokens(counts, images)
        return _estimate(self._dialect, request_body, text_bytes(body), images)


class StreamMeter:
    """Meters an event stream. Pieces must be whole events.

    Whether the answer is whole shows in its last events, so that only these are kept and looked at.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._text_bytes = dialect.text_bytes
        self._image = dialect.image
        self._counts: Counts | None = None
        self._text = 0
        self._images = 0
        self._last: list[bytes] = []
        self._last_size = 0

    @property
    def closed(self) -> bool:
        """Whether the very last event of the dialect's streams has come, so that nothing is missing."""
        return self._dialect.closes(b"".join(self._last))

    @property
    def ended(self) -> bool:
        """Whether the answer is whole, for all that it says; True if nothing is known of that."""
        return self._dialect.end is None or self.closed or self._dialect.finishes(b"".join(self._last))

    def feed(self, piece: bytes) -> bool:
        """Take the next whole events; return whether they say what was used.

        It must be cheap: it runs between two chunks of a stream.
        """
        last = self._last
        last.append(piece)
        self._last_size += len(piece)
        while self._last_size > LAST_BYTES and len(last) > LAST_PIECES:
            self._last_size -= len(last.pop(0))
        usage = says_usage(piece)
        if usage:
            for event in single_events(piece):
                if SIGN in event:
                    self._take(event)
        if self._text_bytes is not None:
            self._text += self._text_bytes(piece)
        elif self._image is not None:
            self._images += len(self._image.findall(piece))
        return usage

    def in_pieces(self, last: bytes) -> bool:
        """Return whether the end of a stream, without a blank line, is a part of an event."""
        if self._dialect.end is None or self.closed or not last.strip() or last.startswith(b":"):
            return False
        return parse_event(last) is None

    def _take(self, event: bytes) -> None:
        carrier = parse_event(event)
        counts = read_event(carrier) if carrier is not None else None
        if counts is not None:
            # Counts in a stream are cumulative.
            self._counts = counts if self._counts is None else self._counts | counts

    def tokens(self, request_body: bytes) -> TokenCounts:
        """Return what the stream said, or an estimate.

        Anthropic says its input first and its output last: a stream cut in between is estimated as
        to the output only.
        """
        if self._counts is None:
            return _estimate(self._dialect, request_body, self._text, self._images)
        tokens = to_tokens(self._counts, self._images)
        if self.ended:
            return tokens
        completion = max(tokens.completion, estimated_tokens(self._text))
        return msgspec.structs.replace(tokens, completion=completion, confidence=Confidence.ESTIMATED)


def abandoned(dialect: Dialect, request_body: bytes) -> TokenCounts:
    """Return the estimate for a request that was sent and whose answer never began."""
    return _estimate(dialect, request_body, 0, 0)


def _estimate(dialect: Dialect, request_body: bytes, text: int, images: int) -> TokenCounts:
    if not dialect.has_prompt:
        return TokenCounts(images=images)
    return TokenCounts(
        prompt=prompt_tokens(request_body),
        completion=estimated_tokens(text) if dialect.text_bytes is not None else 0,
        images=images,
        confidence=Confidence.ESTIMATED,
    )


def _decoded(body: bytes, encoding: bytes) -> bytes:
    # Identity was asked for; some upstreams compress all the same.
    if encoding not in {b"gzip", b"x-gzip", b"deflate"}:
        return body
    try:
        return zlib.decompressobj(wbits=47).decompress(body, MAX_KEPT)
    except zlib.error:
        return b""
