"""How providers say what a request used, and what that is in our counts.

`_MEMBERS` is the whole of it: each row names a member of a usage object and the count it says.
"""

import re
from enum import StrEnum
from operator import attrgetter

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.domain.usage import Confidence, Tokens

_MAX = 1 << 53
_NULL = Raw(b"null")
_SIGN = b'"usage"'
_OBJECT = re.compile(rb'"usage"\s*:\s*\{')


class Count(StrEnum):
    """A number that usage objects say."""

    PROMPT = "prompt"
    COMPLETION = "completion"
    CACHED = "cached"
    """Of the prompt, what came from a cache."""
    REASONING = "reasoning"
    """Of the completion, what was reasoning."""
    CACHE_READ = "cache_read"
    """What came from a cache, beside the prompt."""
    CACHE_WRITTEN = "cache_written"
    """What went into a cache, beside the prompt."""
    AUDIO_MILLISECONDS = "audio_milliseconds"


Counts = dict[Count, int]
"""What usage objects said, between 0 and 2**53."""

# The member, the member of that one if it is an object, the count, and its units in one of the member's.
# Where an object has members for several rows of a count, the first row decides.
_MEMBERS = (
    # OpenAI's chat, completions and embeddings, and most who speak like them
    ("prompt_tokens", "", Count.PROMPT, 1),
    ("completion_tokens", "", Count.COMPLETION, 1),
    ("prompt_tokens_details", "cached_tokens", Count.CACHED, 1),
    ("completion_tokens_details", "reasoning_tokens", Count.REASONING, 1),
    # OpenAI's responses, images, audio and transcription; Anthropic's messages
    ("input_tokens", "", Count.PROMPT, 1),
    ("output_tokens", "", Count.COMPLETION, 1),
    ("input_tokens_details", "cached_tokens", Count.CACHED, 1),
    ("output_tokens_details", "reasoning_tokens", Count.REASONING, 1),
    # OpenAI's transcription, where it is paid for by its length
    ("seconds", "", Count.AUDIO_MILLISECONDS, 1000),
    # Anthropic's messages
    ("cache_read_input_tokens", "", Count.CACHE_READ, 1),
    ("cache_creation_input_tokens", "", Count.CACHE_WRITTEN, 1),
)
_NAMES = tuple(dict.fromkeys(member for member, *_ in _MEMBERS))
_ROWS = tuple((_NAMES.index(member), inner, count, units) for member, inner, count, units in _MEMBERS)
_values = attrgetter(*_NAMES)
# Members that no row names are skipped unread.
_decode_usage = msgspec.json.Decoder(
    msgspec.defstruct("_Usage", [(name, object, None) for name in _NAMES]) | None
).decode


class Carrier(Struct):
    """The members of a response, a chunk or an event that matter here. A carrier may hold another."""

    usage: Raw = _NULL
    response: "Carrier | str | None" = None
    message: "Carrier | str | None" = None
    choices: list[Raw] | None = None
    data: list[Raw] | None = None


decode_carrier = msgspec.json.Decoder(Carrier).decode
"""Decodes a carrier. Raises msgspec.DecodeError."""


def says_usage(piece: bytes) -> bool:
    """Return whether whole events may hold a usage object. `"usage": null`, as most say, is none."""
    return piece.find(_SIGN) >= 0 and _OBJECT.search(piece) is not None


def read_usage(usage: Raw) -> Counts | None:
    """Return the counts of a usage object; None if it is null, or one of its counts is not a number."""
    try:
        members = _decode_usage(usage)
    except (msgspec.DecodeError, RecursionError):
        return None
    if members is None:
        return None
    counts: Counts = {}
    values: tuple[object, ...] = _values(members)
    for at, inner, count, units in _ROWS:
        value = values[at]
        if inner and value is not None:
            if not isinstance(value, dict):
                return None
            value = value.get(inner)
        if value is None:
            continue
        if type(value) is int and units == 1 and 0 <= value <= _MAX:
            counts.setdefault(count, value)
        elif type(value) is int or type(value) is float:
            counts.setdefault(count, _in_bounds(value * units))
        else:
            return None
    return counts


def read_event(carrier: Carrier) -> Counts | None:
    """Return the counts that an event says, wherever its usage object stands; None if it says none."""
    counts: Counts | None = None
    for found in (carrier, carrier.response, carrier.message):
        if isinstance(found, Carrier):
            more = read_usage(found.usage)
            if more is not None:
                counts = more if counts is None else counts | more
    return counts


def is_usage_chunk(carrier: Carrier) -> bool:
    """Return whether a chunk of a chat says nothing but usage: the one that `stream_options` asks for."""
    return carrier.choices == [] and read_usage(carrier.usage) is not None


def to_tokens(counts: Counts, *, images: int = 0) -> Tokens:
    """Return counts as usage events have them: the prompt includes what was cached."""
    get = counts.get
    prompt, cached = get(Count.PROMPT, 0), get(Count.CACHED, 0)
    if Count.CACHE_READ in counts or Count.CACHE_WRITTEN in counts:
        cached = get(Count.CACHE_READ, 0)
        prompt += cached + get(Count.CACHE_WRITTEN, 0)
    return Tokens(
        prompt=min(prompt, _MAX),
        completion=get(Count.COMPLETION, 0),
        cached=cached,
        reasoning=get(Count.REASONING, 0),
        audio_milliseconds=get(Count.AUDIO_MILLISECONDS, 0),
        images=images,
        confidence=Confidence.EXACT,
    )


def _in_bounds(number: float) -> int:
    # A provider's nonsense must not make sums go down or overflow what stores can hold.
    return round(min(max(number, 0), _MAX))
