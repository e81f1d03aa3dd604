"""Metering on the side: what an answer that passes by used."""

import re
import zlib
from collections.abc import Callable

import msgspec

from tollkeeper_server.dataplane.reply.estimate import (
    chat_text_bytes,
    delta_bytes,
    prompt_tokens,
    text_bytes,
    tokens_of,
)
from tollkeeper_server.dataplane.reply.usage_wire import Carrier, Usage, decode_carrier, merge, to_tokens
from tollkeeper_server.dataplane.request.endpoint import Meter
from tollkeeper_server.domain.usage import Confidence, Tokens

# Larger answers are relayed all the same, but not kept to be looked into: usage then is estimated.
MAX_KEPT = 64 * 1024 * 1024
# What may follow the event that says why an answer ended: its usage, an end marker, what filters found.
LAST_BYTES = 4 * 1024
LAST_PIECES = 4

_GENERATES_TEXT = {Meter.CHAT, Meter.COMPLETIONS, Meter.RESPONSES, Meter.MESSAGES}
_HAS_PROMPT = _GENERATES_TEXT | {Meter.EMBEDDINGS}
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_USAGE_SIGN = b'"usage"'
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_TEXT_OF: dict[Meter, Callable[[bytes], int]] = {
    Meter.CHAT: chat_text_bytes,
    Meter.COMPLETIONS: text_bytes,
    Meter.RESPONSES: delta_bytes,
    Meter.MESSAGES: text_bytes,
}
_FINISHED = re.compile(rb'"(?:finish_reason|stop_reason)"\s*:\s*"')
# At the front of a line, for a model may well write the words. What is searched begins with a line feed.
_DONE = re.compile(rb"\ndata:\s*\[DONE\]")
_ENDS = {
    Meter.CHAT: _DONE,
    Meter.COMPLETIONS: _DONE,
    Meter.RESPONSES: re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed)|error)"'),
    Meter.MESSAGES: re.compile(rb'"type"\s*:\s*"(?:message_stop|error)"'),
}
_ERROR = re.compile(rb'\ndata:\s*\{"error"')
_ERROR_SIGN = b'{"error"'
_IMAGE_DONE = re.compile(rb'"type"\s*:\s*"image_(?:generation|edit)\.completed"')


class BodyMeter:
    """Meters an answer that comes as one JSON document."""

    def __init__(self, kind: Meter, content_encoding: bytes) -> None:
        self._kind = kind
        self._encoding = content_encoding
        self._pieces: list[bytes] = []
        self._kept = 0

    def feed(self, piece: bytes) -> None:
        """Takes the next piece of the body."""
        self._kept += len(piece)
        if self._kept <= MAX_KEPT:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def tokens(self, request_body: bytes) -> Tokens:
        """Returns what the document says, or an estimate."""
        body = _decoded(b"".join(self._pieces), self._encoding)
        try:
            carrier = decode_carrier(body)
        except (msgspec.DecodeError, RecursionError):
            carrier = Carrier()
        images = len(carrier.data or ()) if self._kind is Meter.IMAGES else 0
        if carrier.usage is not None:
            return to_tokens(carrier.usage, images=images)
        return _estimated(self._kind, request_body, text_bytes(body), images)


class StreamMeter:
    """Meters an event stream. Pieces must be whole events.

    Whether the answer is whole shows in its last events, so that only these are kept and looked at.
    """

    def __init__(self, kind: Meter) -> None:
        self._kind = kind
        self._end = _ENDS.get(kind)
        self._text_of = _TEXT_OF.get(kind)
        self._usage: Usage | None = None
        self._text = 0
        self._images = 0
        self._last: list[bytes] = []
        self._last_size = 0

    @property
    def closed(self) -> bool:
        """Whether the very last event of the endpoint's streams has come, so that nothing is missing."""
        if self._end is None:
            return False
        last = b"\n" + b"".join(self._last)
        return self._end.search(last) is not None or (
            last.find(_ERROR_SIGN) >= 0 and _ERROR.search(last) is not None
        )

    @property
    def ended(self) -> bool:
        """Whether the answer is whole, for all that it says; True if nothing is known of that."""
        return self._end is None or self.closed or bool(_FINISHED.search(b"".join(self._last)))

    def feed(self, piece: bytes) -> bool:
        """Takes the next whole events; tells whether they say what was used.

        It must be cheap: it runs between two chunks of a stream.
        """
        last = self._last
        last.append(piece)
        self._last_size += len(piece)
        while self._last_size > LAST_BYTES and len(last) > LAST_PIECES:
            self._last_size -= len(last.pop(0))
        usage = says_usage(piece)
        if usage:
            for event in events(piece):
                if says_usage(event):
                    self._take(event)
        if self._text_of is not None:
            self._text += self._text_of(piece)
        elif self._kind is Meter.IMAGES:
            self._images += len(_IMAGE_DONE.findall(piece))
        return usage

    def in_pieces(self, last: bytes) -> bool:
        """Tells whether what the stream ended in, without a blank line, is a part of an event."""
        if self._end is None or self.closed or not last.strip() or last.startswith(b":"):
            return False
        return parse_event(last) is None

    def _take(self, event: bytes) -> None:
        carrier = parse_event(event)
        if carrier is None:
            return
        for found in (carrier, carrier.response, carrier.message):
            if isinstance(found, Carrier) and found.usage is not None:
                self._usage = merge(self._usage, found.usage)

    def tokens(self, request_body: bytes) -> Tokens:
        """Returns what the stream said, or an estimate.

        Anthropic says its input first and its output last: a stream cut in between is estimated as
        to the output only.
        """
        if self._usage is None:
            return _estimated(self._kind, request_body, self._text, self._images)
        tokens = to_tokens(self._usage, images=self._images)
        if self.ended:
            return tokens
        completion = max(tokens.completion, tokens_of(self._text))
        return msgspec.structs.replace(tokens, completion=completion, confidence=Confidence.ESTIMATED)


def says_usage(piece: bytes) -> bool:
    """Tells whether whole events may hold a usage object. `"usage": null`, as most say, is none."""
    return piece.find(_USAGE_SIGN) >= 0 and _USAGE.search(piece) is not None


def events(piece: bytes) -> list[bytes]:
    """Splits whole events of a stream (WHATWG HTML, 9.2) into single ones."""
    return _BLANK_LINE.split(piece) if b"\r" in piece else piece.split(b"\n\n")


def parse_event(event: bytes) -> Carrier | None:
    """Returns what an event carries, or None if its data are no JSON object."""
    data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
    try:
        return decode_carrier(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def abandoned(kind: Meter, request_body: bytes) -> Tokens:
    """Returns the estimate for a request that was sent and whose answer never began."""
    return _estimated(kind, request_body, 0, 0)


def _estimated(kind: Meter, request_body: bytes, text: int, images: int) -> Tokens:
    if kind not in _HAS_PROMPT:
        return Tokens(images=images)
    return Tokens(
        prompt=prompt_tokens(request_body),
        completion=tokens_of(text) if kind in _GENERATES_TEXT else 0,
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
