"""How providers say what a request used, and what it means in our terms (compat.md, the OpenAI surface).

OpenAI's chat family says `prompt_tokens`/`completion_tokens`; responses, images and transcription
say `input_tokens`/`output_tokens`; transcription by duration says `seconds`. Anthropic's input
excludes what went through its cache, so that the whole input is a sum of three.
"""

import msgspec
from msgspec import Struct

from tollkeeper_server.domain.usage import Confidence, Tokens

_MAX = 1 << 53


Count = int | float | None
"""Some providers write whole numbers with a fraction."""


class Details(Struct):
    """`…_tokens_details`."""

    cached_tokens: Count = None
    reasoning_tokens: Count = None


class Usage(Struct):
    """A usage object, whoever sent it."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    input_tokens: Count = None
    output_tokens: Count = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    seconds: float | None = None


class Carrier(Struct):
    """What may carry a usage object: a response, a chunk or an event."""

    type: str | None = None
    usage: Usage | None = None
    response: "Carrier | str | None" = None
    message: "Carrier | str | None" = None
    choices: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None


decode_carrier = msgspec.json.Decoder(Carrier).decode
"""Decodes a carrier. Raises msgspec.DecodeError."""


def to_tokens(usage: Usage, *, images: int = 0) -> Tokens:
    """Returns what a usage object says, in our terms."""
    prompt = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
    completion = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    details = usage.prompt_tokens_details or usage.input_tokens_details
    cached = details.cached_tokens if details is not None else None
    details = usage.completion_tokens_details or usage.output_tokens_details
    reasoning = details.reasoning_tokens if details is not None else None
    if usage.cache_read_input_tokens is not None or usage.cache_creation_input_tokens is not None:
        cached = usage.cache_read_input_tokens or 0
        prompt = (prompt or 0) + cached + (usage.cache_creation_input_tokens or 0)
    return Tokens(
        prompt=_count(prompt),
        completion=_count(completion),
        cached=_count(cached),
        reasoning=_count(reasoning),
        audio_milliseconds=_milliseconds(usage.seconds) if usage.seconds is not None else 0,
        images=images,
        confidence=Confidence.EXACT,
    )


def merge(older: Usage | None, newer: Usage) -> Usage:
    """Returns `older` with what `newer` says in its place: counts in a stream are cumulative."""
    if older is None:
        return newer
    said = {name: value for name, value in msgspec.structs.asdict(newer).items() if value is not None}
    return msgspec.structs.replace(older, **said)


def _milliseconds(seconds: float) -> int:
    return _count(round(min(max(seconds, 0.0), _MAX) * 1000))


def _count(number: Count) -> int:
    # A provider's nonsense must not make sums go down or overflow what stores can hold.
    if number is None:
        return 0
    if type(number) is int and 0 <= number <= _MAX:
        return number
    return int(min(max(number, 0), _MAX))
