"""Metering on the side: what an answer that passes by used."""

from collections.abc import Callable

import msgspec

from tollkeeper_server.dataplane.reply.decoding import decoded_parts
from tollkeeper_server.dataplane.reply.events import begins_stream, event_data, single_events
from tollkeeper_server.dataplane.reply.outline import Outline
from tollkeeper_server.dataplane.request.room import COUNTED_BYTES
from tollkeeper_server.domain.usage import Confidence, TokenCounts, estimated_tokens
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.estimate import prompt_tokens, text_bytes
from tollkeeper_server.providers.heard import read_heard
from tollkeeper_server.providers.members import is_whole
from tollkeeper_server.providers.pages import read_pages
from tollkeeper_server.providers.searches import SEARCH_SIGN, count_done
from tollkeeper_server.providers.spoken import spoken_characters
from tollkeeper_server.providers.token_counts import to_tokens
from tollkeeper_server.providers.usage import (
    SIGN,
    Counts,
    is_pending,
    list_items,
    may_say_usage,
    merge,
    read_carrier,
    read_event,
    says_usage,
)
from tollkeeper_server.providers.usual import read_usual

# Larger answers are relayed all the same, but not kept to be looked into: usage then is estimated.
MAX_KEPT = 64 * 1024 * 1024
# Of what is longer, the outline is kept.
_MAX_WHOLE = 256 * 1024
# Of what is longer, it is known at once whether it ends a stream.
_MAX_LAST = 64 * 1024
# What may follow the last event of a dialect's streams, an end marker of another's, fits into so much.
LAST_BYTES = 4 * 1024
# Events are looked into together, once there are so many bytes: it takes half as long as one by one.
_TOGETHER_BYTES = 2 * 1024


def _nothing_held(_size: int) -> bool:
    return True


def may_be_usual(dialect: Dialect, coding: bytes) -> bool:
    """Return whether a document with this coding may say its counts as nearly all do."""
    return dialect.completes and dialect.image is None and coding == b"identity"


class BodyMeter:
    """Meters an answer that comes as one JSON document.

    Of a long one, the outline is kept.
    """

    def __init__(
        self,
        dialect: Dialect,
        content_encoding: bytes,
        max_kept: int = MAX_KEPT,
        hold: Callable[[int], bool] = _nothing_held,
    ) -> None:
        """`hold` is told how many bytes are kept, if they are many, and returns whether so many may be.

        Answers of which more than `max_kept` bytes would be kept, or more than may be, are not looked into:
        usage is estimated.
        """
        self._dialect = dialect
        self._encoding = content_encoding
        self._max_kept = max_kept
        self._hold = hold
        self._pieces: list[bytes] = []
        self._outline: Outline | None = None
        self._kept = 0

    @property
    def kept(self) -> int:
        """How many bytes are to be looked into."""
        if self._outline is not None:
            return len(self._outline.kept)
        return self._kept if self._pieces else 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        if self._kept == 0 and not (self._dialect.has_prompt or self._may_be_json(piece)):
            self._kept = self._max_kept
        outline = self._outline
        if outline is not None:
            outline.feed(piece)
            self._kept = len(outline.kept)
        else:
            self._kept = kept = self._kept + len(piece)
            if kept <= self._max_kept:
                self._pieces.append(piece)
                if kept <= COUNTED_BYTES:
                    return
                if kept > _MAX_WHOLE and self._encoding == b"identity":
                    self._outline = outline = Outline()
                    for one in self._pieces:
                        outline.feed(one)
                    self._pieces.clear()
                    self._kept = len(outline.kept)
        if self._kept > self._max_kept or not self._hold(self._kept):
            self._pieces.clear()
            self._outline = None
            self._kept = self._max_kept + 1

    def _may_be_json(self, first: bytes) -> bool:
        # Only so can it say usage. Sound, images and files need not be kept.
        return self._encoding != b"identity" or first.startswith((b"{", b" ", b"\n", b"\r", b"\t", b"\xef"))

    def document(self) -> bytes:
        """Return the answer without its coding, or its outline; empty if it was not kept."""
        if self._encoding != b"identity" and self._pieces:
            self._outline = self._decoded()
            self._pieces.clear()
        if self._outline is not None:
            return bytes(self._outline.kept)
        return b"".join(self._pieces)

    def _decoded(self) -> Outline:
        outline = Outline()
        try:
            for part in decoded_parts(b"".join(self._pieces), self._encoding, self._max_kept):
                outline.feed(part)
        except ValueError:
            return Outline()
        return outline

    def usual(self) -> TokenCounts | None:
        """Return what the document says if it does so as nearly all do; None if it does not."""
        return read_usual(self.document()) if may_be_usual(self._dialect, self._encoding) else None

    def tokens(self, request_body: bytes) -> TokenCounts:
        """Return what the document says, or an estimate."""
        body = self.document()
        dialect = self._dialect
        if dialect.pages:
            return read_pages(body, request_body)
        left_out = self._outline.text_bytes if self._outline is not None else 0
        if dialect.completes and dialect.image is None and (usual := read_usual(body)) is not None:
            return usual
        counts: Counts | None = None
        images = 0
        if dialect.image is not None or may_say_usage(body):
            carrier = read_carrier(body)
            counts = read_event(carrier)
            if counts is None and is_pending(carrier):
                return TokenCounts()
            images = len(list_items(carrier.data)) if dialect.image is not None else 0
        if dialect.hears and not counts:
            counts = read_heard(body)

        def estimate() -> TokenCounts:
            return _estimate(dialect, request_body, text_bytes(body) + left_out, images)

        return _tokens(dialect, counts, images, estimate)


class StreamMeter:
    """Meters an event stream. Pieces must be whole events.

    Whether the answer is whole shows in a reason that it ended for, wherever that stands, or in its last
    events, which are kept to be looked at.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._text_bytes = dialect.text_bytes
        self._image = dialect.image
        self._searches = dialect.searches
        self._done: Counts = {}
        self._unread: list[bytes] = []
        self._unread_size = 0
        self._counts: Counts = {}
        self._text = 0
        self._images = 0
        self._finished = False
        self._closed = False
        self._before = b""
        self._before_closes = False
        self._last: list[bytes] = []
        self._last_size = 0

    @property
    def closed(self) -> bool:
        """Whether the very last event of the dialect's streams has come, so that nothing is missing."""
        self._read()
        return self._closed or self._before_closes or self._dialect.closes(self._tail())

    @property
    def text(self) -> int:
        """How many bytes of generated text have passed."""
        self._read()
        return self._text

    @property
    def is_told(self) -> bool:
        """Whether the stream has said what it used."""
        self._read()
        return bool(self._counts)

    @property
    def ended(self) -> bool:
        """Whether the answer is whole, for all that it says; True if nothing is known of that."""
        self._read()
        return (
            self._dialect.end is None or self._finished or self.closed or self._dialect.finishes(self._tail())
        )

    def ended_by(self, events: bytes) -> bool:
        """Return whether the answer says why it ended, by what was fed or by the events that follow."""
        return self.ended or self._dialect.finishes(events)

    def feed(self, piece: bytes) -> None:
        """Take the next whole events. It must be cheap: it runs between two chunks of a stream."""
        self._unread.append(piece)
        self._unread_size += len(piece)
        if self._unread_size > _TOGETHER_BYTES:
            self._read()

    def _read(self) -> None:
        """Look into the events that were taken."""
        unread = self._unread
        if not unread:
            return
        piece = unread[0] if len(unread) == 1 else b"".join(unread)
        unread.clear()
        self._unread_size = 0
        if says_usage(piece):
            self._take(piece)
        if self._searches and SEARCH_SIGN in piece:
            self._count_searches(piece)
        if self._text_bytes is not None:
            size = self._text_bytes(piece)
            if size < 0:
                self._text += ~size
                return
            self._text += size
        elif self._image is not None:
            self._images += len(self._image.findall(piece))
        self._last.append(piece)
        self._last_size += len(piece)
        if self._last_size > LAST_BYTES:
            self._turn()

    def feed_document(self, document: bytes) -> None:
        """Take what came instead of events: one JSON document, as an answer that is no stream has."""
        self._read()
        counts = read_event(read_carrier(document))
        if counts is not None:
            self._counts = merge(self._counts, counts)
        self._text += text_bytes(document)
        self._closed = is_whole(document)

    def in_pieces(self, last: bytes) -> bool:
        """Return whether the end of a stream, without a blank line, is a part of an event."""
        if self._dialect.end is None or not last.strip() or last.startswith(b":"):
            return False
        data = event_data(last)
        if self._dialect.closes(last) and data.lstrip().startswith(b"{"):
            return not is_whole(data)
        return not self.closed and not is_whole(data)

    def _tail(self) -> bytes:
        return self._before + b"".join(self._last)

    def _turn(self) -> None:
        self._before = b"".join(self._last)
        self._last.clear()
        self._last_size = 0
        self._finished = self._finished or self._dialect.finishes(self._before)
        self._before_closes = False
        if len(self._before) > _MAX_LAST:
            self._before_closes = self._dialect.closes(self._before)
            self._before = b""

    def _take(self, piece: bytes) -> None:
        # What says the usage of an answer is its last event, or near to it.
        self._finished = self._finished or self._dialect.finishes(piece)
        self._closed = self._closed or self._dialect.closes(piece)
        for event in single_events(piece):
            if SIGN in event:
                counts = read_event(read_carrier(event_data(event)))
                if counts is not None:
                    self._counts = merge(self._counts, counts)

    def _count_searches(self, piece: bytes) -> None:
        """Count the searches that are done. The end of the stream tells of all, if it comes."""
        for event in single_events(piece):
            if SEARCH_SIGN in event:
                for count, number in count_done(event_data(event)).items():
                    self._done[count] = self._done.get(count, 0) + number

    def tokens(self, request_body: bytes) -> TokenCounts:
        """Return what the stream said, or an estimate.

        Anthropic says its input first and its output last: a stream cut in between is estimated as
        to the output only.
        """
        self._read()
        if not self._dialect.is_metered:
            return TokenCounts()

        def estimate() -> TokenCounts:
            return _estimate(self._dialect, request_body, self._text, self._images)

        counts = merge(self._counts, self._done) if self._done else self._counts
        tokens = _tokens(self._dialect, counts, self._images, estimate)
        if self._dialect.speaks:
            characters = spoken_characters(request_body)
            tokens = msgspec.structs.replace(tokens, characters=characters)
        if self.ended or not self._counts:
            return tokens
        completion = max(tokens.completion, estimated_tokens(self._text))
        return msgspec.structs.replace(tokens, completion=completion, confidence=Confidence.ESTIMATED)


def begun(dialect: Dialect, request_body: bytes, beginning: bytes, coding: bytes) -> TokenCounts:
    """Return what an answer used of which no more than its beginning came: what that says, or an estimate."""
    if begins_stream(beginning):
        stream = StreamMeter(dialect)
        stream.feed(beginning)
        return stream.tokens(request_body)
    if not dialect.whole_is_json:
        return abandoned(dialect, request_body)
    meter = BodyMeter(dialect, coding)
    meter.feed(beginning)
    return meter.tokens(request_body)


def abandoned(dialect: Dialect, request_body: bytes) -> TokenCounts:
    """Return the estimate for a request that was sent and whose answer never began, or says no usage."""
    if dialect.speaks:
        return TokenCounts(characters=spoken_characters(request_body))
    return _estimate(dialect, request_body, 0, 0)


def _tokens(
    dialect: Dialect, counts: Counts | None, images: int, estimate: Callable[[], TokenCounts]
) -> TokenCounts:
    # Nothing is done with no token at all: LiteLLM's proxy says zeros where it has not counted.
    if not counts or not any(counts.values()):
        return estimate()
    return to_tokens(counts, images, completes=dialect.completes, estimate=estimate)


def _estimate(dialect: Dialect, request_body: bytes, text: int, images: int) -> TokenCounts:
    if not dialect.has_prompt and dialect.text_bytes is None:
        return TokenCounts(images=images)
    return TokenCounts(
        prompt=prompt_tokens(request_body) if dialect.has_prompt else 0,
        completion=estimated_tokens(text) if dialect.text_bytes is not None else 0,
        images=images,
        confidence=Confidence.ESTIMATED,
    )
