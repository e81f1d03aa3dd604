"""Reading usage: the objects in which providers say what a request used, as our counts.

`_MEMBERS` is the whole rule: each row names a member of a usage object and the count that it says.
"""

import re

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.domain.usage import Confidence, TokenCounts

_MAX = 1 << 53
SIGN = b'"usage"'
"""The member that holds a usage object, or null."""
_OBJECT = re.compile(rb'"usage"\s*:\s*\{')

Counts = dict[str, int]
"""Counts of tokens by field of `TokenCounts`, and the two of a cache that the prompt does not include."""

_CACHE_READ, _CACHE_WRITTEN = "cache_read", "cache_written"
# The member, the member of that one if it is an object, the count, and how many of its units are one of the
# member's. Of the rows of a count, the first one that says a number decides.
_MEMBERS = (
    # OpenAI's chat, completions and embeddings, and most who speak like them
    ("prompt_tokens", "", "prompt", 1),
    ("completion_tokens", "", "completion", 1),
    ("prompt_tokens_details", "cached_tokens", "cached", 1),
    ("completion_tokens_details", "reasoning_tokens", "reasoning", 1),
    # OpenAI's responses, images, audio and transcription; Anthropic's messages
    ("input_tokens", "", "prompt", 1),
    ("output_tokens", "", "completion", 1),
    ("input_tokens_details", "cached_tokens", "cached", 1),
    ("output_tokens_details", "reasoning_tokens", "reasoning", 1),
    # OpenAI's transcription, where it is paid for by its length
    ("seconds", "", "audio_milliseconds", 1000),
    # Anthropic's messages, whose input excludes what went through its cache
    ("cache_read_input_tokens", "", _CACHE_READ, 1),
    ("cache_creation_input_tokens", "", _CACHE_WRITTEN, 1),
)


class Carrier(Struct):
    """The members of a response, a chunk or an event that matter here. A carrier may hold another."""

    usage: dict[str, object] | None = None
    response: "Carrier | str | None" = None
    message: "Carrier | str | None" = None
    choices: list[Raw] | None = None
    data: list[Raw] | None = None


_decode = msgspec.json.Decoder(Carrier).decode


def read_carrier(body: bytes) -> Carrier | None:
    """Return the carrier that a body or the data of an event is; None if it is no such JSON object."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def says_usage(piece: bytes) -> bool:
    """Return whether whole events may hold a usage object. `"usage": null`, as most say, is none."""
    return piece.find(SIGN) >= 0 and _OBJECT.search(piece) is not None


def read_usage(carrier: Carrier) -> Counts | None:
    """Return the counts of a carrier's own usage object; None if it has none, or a count is no number."""
    if carrier.usage is None:
        return None
    counts: Counts = {}
    get = carrier.usage.get
    for member, inner, count, units in _MEMBERS:
        value = get(member)
        if value is None:
            continue
        if inner:
            if type(value) is not dict:
                return None
            value = value.get(inner)
            if value is None:
                continue
        if type(value) is int and units == 1 and 0 <= value <= _MAX:
            number = value
        elif type(value) is int or type(value) is float:
            # A provider's nonsense must not make sums go down or overflow what stores can hold.
            number = round(min(max(value * units, 0), _MAX))
        else:
            return None
        if count not in counts:
            counts[count] = number
    return counts


def read_event(carrier: Carrier) -> Counts | None:
    """Return the counts of an event, wherever its usage object stands; None if it says none."""
    counts = read_usage(carrier)
    for inner in (carrier.response, carrier.message):
        more = read_usage(inner) if isinstance(inner, Carrier) else None
        if more is not None:
            counts = more if counts is None else counts | more
    return counts


def is_usage_chunk(carrier: Carrier) -> bool:
    """Return whether a chunk of a chat says nothing but usage: the one that `stream_options` asks for."""
    return carrier.choices == [] and read_usage(carrier) is not None


def to_tokens(counts: Counts, images: int) -> TokenCounts:
    """Return counts as usage events have them: the prompt includes what was cached."""
    if _CACHE_READ in counts or _CACHE_WRITTEN in counts:
        counts = counts.copy()
        counts["cached"] = counts.pop(_CACHE_READ, 0)
        whole = counts.get("prompt", 0) + counts["cached"] + counts.pop(_CACHE_WRITTEN, 0)
        counts["prompt"] = min(whole, _MAX)
    return TokenCounts(**counts, images=images, confidence=Confidence.EXACT)
