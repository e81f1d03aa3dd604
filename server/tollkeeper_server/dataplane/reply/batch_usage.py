"""What the requests of a batch have used, by the lines in which upstreams say how each of them ended.

| lines | a request that has used something |
|---|---|
| OpenAI's output file | `response.body`, of a `response.status_code` below 300 |
| Anthropic's results | `result.message`, of a `result.type` that is `succeeded` |
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

import msgspec
from msgspec import Raw, Struct, structs

from tollkeeper_server.dataplane.aside import FEW, LARGE, aside
from tollkeeper_server.dataplane.reply.remade import Remade
from tollkeeper_server.dataplane.transport import Incoming
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails
from tollkeeper_server.prices.bill import BATCH_TIER, cost_of
from tollkeeper_server.prices.price import Price
from tollkeeper_server.providers.token_counts import to_tokens
from tollkeeper_server.providers.usage import Counts, read_carrier, read_event

MAX_LINE_BYTES = 64 << 20
"""The longest line that is looked into."""
_NO_TOKENS = TokenCounts()
_NO_DETAILS = TokenDetails()
_SUMMED = tuple(name for name, value in structs.asdict(_NO_TOKENS).items() if type(value) is int)
_SUMMED_DETAILS = tuple(name for name, value in structs.asdict(_NO_DETAILS).items() if type(value) is int)
_FAILURES = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Response(Struct):
    status_code: int = 0
    body: Raw = Raw()


class _Result(Struct):
    type: str = ""
    message: Raw = Raw()


class _Line(Struct):
    response: _Response | None = None
    result: _Result | None = None
    error: object = None


class _Named(Struct):
    model: str = ""


_decode = msgspec.json.Decoder(_Line).decode
_decode_model = msgspec.json.Decoder(_Named).decode


def batch_tokens(counts: Counts) -> TokenCounts:
    """Return counts that were said of a batch, or of a request of one, as those of a batch."""
    tokens = to_tokens(counts, 0, completes=False, estimate=lambda: _NO_TOKENS)
    details = structs.replace(tokens.details or _NO_DETAILS, service_tier=BATCH_TIER)
    return structs.replace(tokens, details=details)


class LineUsage:
    """Sums up what the requests of a batch have used, as their lines are read."""

    def __init__(self, price_of: Callable[[str], Price | None], at: datetime) -> None:
        """`price_of` finds the price of what an answer calls its model; `at` is when the batch was made."""
        self._price_of = price_of
        self._at = at
        self._counts = dict.fromkeys(_SUMMED, 0)
        self._details = dict.fromkeys(_SUMMED_DETAILS, 0)
        self.cost: int | None = 0
        """What they cost in nano-dollars, None if a price is not known."""
        self.is_whole = True
        """Whether each line says what was used."""

    @property
    def tokens(self) -> TokenCounts:
        """What was used."""
        details = structs.replace(_NO_DETAILS, service_tier=BATCH_TIER, **self._details)
        confidence = Confidence.EXACT if self.is_whole else Confidence.ESTIMATED
        return TokenCounts(**self._counts, confidence=confidence, details=details)

    def add(self, whole: bytes) -> None:
        """Add whole lines."""
        for line in whole.split(b"\n"):
            if line.strip():
                self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            answer = _answer(_decode(line))
        except _FAILURES:
            self.is_whole = False
            return
        if answer is None:
            return
        counts = read_event(read_carrier(answer))
        if counts is None:
            self.is_whole = False
            return
        tokens = batch_tokens(counts)
        self.is_whole = self.is_whole and tokens.confidence is Confidence.EXACT
        for name in _SUMMED:
            self._counts[name] += getattr(tokens, name)
        for name in _SUMMED_DETAILS:
            self._details[name] += getattr(tokens.details, name)
        if self.cost is not None:
            price = self._price_of(_model(answer))
            cost = None if price is None else cost_of(price, tokens, self._at)
            self.cost = None if cost is None else self.cost + cost


def counted_lines(incoming: Incoming, usage: LineUsage, counted: Callable[[LineUsage], None]) -> Incoming:
    """Return an answer whose lines are counted as they pass.

    `counted` is called once all have come, before the end is passed on.
    """
    return Remade(incoming, _count(incoming, usage, counted))


async def _count(
    incoming: Incoming, usage: LineUsage, counted: Callable[[LineUsage], None]
) -> AsyncIterator[bytes]:
    lines = _WholeLines()
    before = b""
    async for chunk in incoming.chunks():
        if before:  # what comes last waits: whoever has it may ask for nothing more
            yield before
        before = chunk
        whole = lines.take(chunk)
        if whole is None:
            usage.is_whole = False
        else:
            await _look(usage, whole)
    await _look(usage, bytes(lines.held))
    counted(usage)
    if before:
        yield before


class _WholeLines:
    """Puts pieces together to whole lines; `held` is the beginning of one."""

    def __init__(self) -> None:
        self.held = bytearray()

    def take(self, chunk: bytes) -> bytes | None:
        """Return the lines that are whole with a piece; None if one is too long, which is forgotten."""
        end = chunk.rfind(b"\n") + 1
        if end:
            whole = bytes(self.held) + chunk[:end]
            self.held[:] = chunk[end:]
            return whole
        if len(self.held) + len(chunk) > MAX_LINE_BYTES:
            self.held.clear()
            return None
        self.held += chunk
        return b""


async def _look(usage: LineUsage, whole: bytes) -> None:
    if whole:
        # Many short lines take long for their bytes.
        size = len(whole)
        await aside(max(size, LARGE + 1) if size > FEW else size, usage.add, whole)


def _answer(line: _Line) -> bytes | None:
    """Return the answer to a request that has used something, None if it has used nothing."""
    if line.result is not None:
        return bytes(line.result.message) if line.result.type == "succeeded" else None
    if line.response is not None:
        return bytes(line.response.body) if line.response.status_code < 300 else None
    if line.error is None:
        raise msgspec.ValidationError("the line tells no end")
    return None


def _model(answer: bytes) -> str:
    try:
        return _decode_model(answer).model
    except _FAILURES:
        return ""
