"""Reading usage: the objects in which providers say what a request used, as our counts.

`_MEMBERS` says which member of a usage object is which count; `token_counts.py` says what counts mean
together. Each member is read by itself: one that makes no sense counts as one that is not there.
"""

import re
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.providers.members import read_object, scan_members
from tollkeeper_server.providers.searches import SEARCH_SIGN, count_searches

MAX_COUNT = 1 << 40
"""A larger number is no count. Stores can sum up millions of such."""
# A usage object that is larger is none.
_MAX_BYTES = 1 << 20
SIGN = b'"usage"'
"""The member that holds a usage object, or null."""
BILLED_SIGN = b'"billed_units"'
_OBJECT = re.compile(rb'"usage"\s*+:\s*+\{')
_NO_CHOICES = re.compile(rb"(?:\[\s*\]|null)?")
_OF_BEGINNINGS = frozenset({"role", "content", "text"})
_TEXT = "a text"

Counts = dict[str, int]
"""Counts by the names that `_MEMBERS` gives them."""

# The member, the member of that one if it is an object, the count, and how many of its units are one of the
# member's. Of the rows of a count, the first one that says more than 0 decides.
_MEMBERS = (
    # OpenAI's chat, completions and embeddings, and most who speak like them
    ("prompt_tokens", "", "prompt", 1),
    ("completion_tokens", "", "completion", 1),
    ("total_tokens", "", "total", 1),
    ("prompt_tokens_details", "cached_tokens", "cached", 1),
    ("completion_tokens_details", "reasoning_tokens", "reasoning", 1),
    # OpenAI's responses, images, audio and transcription; Anthropic's messages
    ("input_tokens", "", "input", 1),
    ("output_tokens", "", "completion", 1),
    ("input_tokens_details", "cached_tokens", "cached", 1),
    ("output_tokens_details", "reasoning_tokens", "reasoning", 1),
    ("input_token_details", "cached_tokens", "cached", 1),
    # OpenAI's transcription, where it is paid for by its length; Mistral's audio
    ("seconds", "", "audio", 1000),
    ("prompt_audio_seconds", "", "audio", 1000),
    # Anthropic's messages, whose input excludes what went through its cache
    ("cache_read_input_tokens", "", "read", 1),
    ("cache_creation_input_tokens", "", "written", 1),
    # OpenAI's prompts, of which a part was written to its cache, for OpenRouter and LiteLLM's proxy, too
    ("prompt_tokens_details", "cache_write_tokens", "wrote", 1),
    ("prompt_tokens_details", "cache_creation_tokens", "wrote", 1),
    ("input_tokens_details", "cache_write_tokens", "wrote", 1),
    # Parts of it that have prices of their own
    ("prompt_tokens_details", "audio_tokens", "audio_prompt", 1),
    ("completion_tokens_details", "audio_tokens", "audio_completion", 1),
    ("input_tokens_details", "audio_tokens", "audio_prompt", 1),
    ("input_token_details", "audio_tokens", "audio_prompt", 1),
    ("output_tokens_details", "audio_tokens", "audio_completion", 1),
    ("input_tokens_details", "image_tokens", "image_prompt", 1),
    ("server_tool_use", "web_search_requests", "searches", 1),
    # DeepSeek; Moonshot and Cohere; SGLang and Perplexity
    ("prompt_cache_hit_tokens", "", "cached", 1),
    ("cached_tokens", "", "cached", 1),
    ("reasoning_tokens", "", "reasoning", 1),
    # Cohere, which bills less than its models read
    ("billed_units", "input_tokens", "input", 1),
    ("billed_units", "output_tokens", "completion", 1),
    ("tokens", "input_tokens", "input", 1),
    ("tokens", "output_tokens", "completion", 1),
)
_ITERATIONS = "iterations"
_TIER, _SPEED = "service_tier", "speed"
SERVICE_TIERS = ("", "flex", "priority", "fast", "scale", "batch")
"""Kinds of service that may have prices of their own; the count `tier` is a place here."""
USUAL_TIERS = (None, "", "default", "standard", "auto", "on_demand")
SPEEDS = ("", "fast")
_TIERS = {f'"{name}"'.encode(): index for index, name in enumerate(SERVICE_TIERS) if name}
_CREATION = "cache_creation"
_CREATED = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_NAMES = frozenset(
    {name for member, inner, _, _ in _MEMBERS for name in (member, inner) if name}
    | {_ITERATIONS, _CREATION, *_CREATED, _TIER, _SPEED}
)

_UNSAID = Raw(b"")


class Carrier(Struct):
    """The members of a response, a chunk or an event that matter here, as they are written.

    `response` and `message` are what the events of responses and messages are about. Others are Groq's
    `x_groq`, Cohere's `delta` and `meta`, and the choices, where Moonshot's streams have their usage. The
    items of a response are its `output`.
    """

    usage: Raw = Raw(b"")
    response: Raw = Raw(b"")
    message: Raw = Raw(b"")
    delta: Raw = Raw(b"")
    x_groq: Raw = Raw(b"")
    meta: Raw = Raw(b"")
    choices: Raw = Raw(b"")
    data: Raw = Raw(b"")
    status: Raw = Raw(b"")
    output: Raw = _UNSAID
    service_tier: Raw = Raw(b"")


_CARRIED = frozenset(Carrier.__struct_fields__)
_PENDING = frozenset({b'"queued"', b'"in_progress"'})
_ENDED = frozenset({b'"completed"', b'"failed"', b'"incomplete"', b'"cancelled"'})
_BACKGROUND = frozenset({"background"})
_decode = msgspec.json.Decoder(Carrier).decode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_carrier(document: bytes | Raw) -> Carrier:
    """Return the carrier that a body or the data of an event is, empty if it is no JSON object."""
    try:
        return _decode(document)
    except _FAILURES:
        found = scan_members(bytes(document), _CARRIED)
        return Carrier(**{name: Raw(written) for name, written in found.items()})


def says_usage(piece: bytes) -> bool:
    """Return whether whole events may hold a usage object. `"usage": null`, as most say, is none."""
    start = piece.find(SIGN)
    if start < 0:
        return False
    if _OBJECT.match(piece, start) is not None:
        return True
    start = piece.find(SIGN, start + 1)
    return start >= 0 and _OBJECT.search(piece, start) is not None


def may_say_usage(body: bytes) -> bool:
    """Return whether a whole answer may say usage."""
    return body.find(SIGN) >= 0 or body.find(BILLED_SIGN) >= 0


def list_items(written: Raw) -> list[Raw]:
    """Return the items of a list as they are written; none if it is no list that can be read."""
    if not bytes(written).lstrip().startswith(b"["):
        return []
    try:
        return _decode_list(written)
    except _FAILURES:
        return []


def read_usage(written: Raw) -> Counts | None:
    """Return the counts of a usage object; None if it says none."""
    document = bytes(written)
    if not document.startswith(b"{") or len(document) > _MAX_BYTES:
        return None
    usage = read_object(document, _NAMES)
    counts = _counts(usage)
    iterations = usage.get(_ITERATIONS)
    if isinstance(iterations, list):
        # Anthropic's own sums leave out the iterations that compact the context.
        sums: Counts = {}
        for iteration in iterations:
            if type(iteration) is dict:
                for count, number in _counts(iteration).items():
                    sums[count] = min(sums.get(count, 0) + number, MAX_COUNT)
        counts = merge(counts, sums)
    if any(counts.values()):
        for member, count, names in ((_TIER, "tier", SERVICE_TIERS), (_SPEED, "speed", SPEEDS)):
            if (name := usage.get(member)) in names and name:
                counts[count] = names.index(name)
    return counts or None


def _counts(usage: dict[str, object]) -> Counts:
    counts: Counts = {}
    get = usage.get
    for member, inner, count, units in _MEMBERS:
        value = get(member)
        if value is None:
            continue
        if inner:
            value = value.get(inner) if type(value) is dict else None
        number = _number(value, units)
        if number is not None and not counts.get(count):
            counts[count] = number
    created = get(_CREATION)
    if type(created) is dict and not counts.get("written"):
        parts = [number for name in _CREATED if (number := _number(created.get(name), 1)) is not None]
        if parts:
            counts["written"] = min(sum(parts), MAX_COUNT)
    if type(created) is dict and (hour := _number(created.get(_CREATED[1]), 1)):
        counts["written_hour"] = hour
    return counts


def _number(value: object, units: int) -> int | None:
    # Neither booleans nor what is below 0 is a count; NaN is not within the bounds.
    if type(value) is int or type(value) is float:
        return round(value * units) if 0 <= value * units <= MAX_COUNT else None
    return None


def merge(counts: Counts, more: Counts) -> Counts:
    """Return the larger of each count: those of a stream add up, and never shrink."""
    if not counts:
        return more
    merged = counts.copy()
    for count, number in more.items():
        if number > merged.get(count, -1):
            merged[count] = number
    return merged


def read_event(carrier: Carrier) -> Counts | None:
    """Return the counts of an answer or an event, wherever its usage object stands; None if it says none."""
    counts = _of_response(carrier)
    for written in (carrier.response, carrier.delta, carrier.x_groq):
        if SIGN in bytes(written):
            counts = merge(counts, _of_response(read_carrier(written)))
    if SIGN in bytes(carrier.message):
        counts = merge(counts, _begun(read_usage(read_carrier(carrier.message).usage) or {}))
    if BILLED_SIGN in bytes(carrier.meta):
        counts = merge(counts, read_usage(carrier.meta) or {})
    if not counts and SIGN in bytes(carrier.choices):
        for choice in list_items(carrier.choices)[:1]:
            counts = read_usage(read_carrier(choice).usage) or {}
    return counts or None


def _of_response(carrier: Carrier) -> Counts:
    counts = _with_tier(carrier, read_usage(carrier.usage) or {})
    # What is still made will say so again.
    output = carrier.output
    if output is not _UNSAID and SEARCH_SIGN in bytes(output) and (counts or has_ended(carrier)):
        counts = merge(counts, count_searches(bytes(output)))
    return counts


def _with_tier(carrier: Carrier, counts: Counts) -> Counts:
    tier = _TIERS.get(bytes(carrier.service_tier), 0)
    return counts | {"tier": tier} if tier and any(counts.values()) else counts


def _begun(counts: Counts) -> Counts:
    """Return the counts of a message that begins: its completion is the least that there will be."""
    if "completion" not in counts:
        return counts
    begun = counts.copy()
    begun["begun"] = begun.pop("completion")
    return begun


def is_pending(carrier: Carrier) -> bool:
    """Return whether a response is made in the background, and has used nothing yet."""
    return bytes(carrier.status) in _PENDING


def has_ended(carrier: Carrier) -> bool:
    """Return whether a response says that nothing more of it follows."""
    return bytes(carrier.status) in _ENDED


def is_in_background(carrier: Carrier) -> bool:
    """Return whether an event tells of a response that goes on without its stream."""
    return read_object(bytes(carrier.response), _BACKGROUND).get("background") is True


def is_usage_chunk(carrier: Carrier, *, after_end: Callable[[], bool]) -> bool:
    """Return whether a chunk of a chat says nothing but usage: no choice of it says anything.

    `after_end` says whether the answer has ended before it.
    """
    if not bytes(carrier.usage).startswith(b"{"):
        return False
    if _NO_CHOICES.fullmatch(carrier.choices) is not None:
        return True
    said = {name for choice in list_items(carrier.choices) or [carrier.choices] for name in _said(choice)}
    # OpenRouter's last chunk has a role and an empty text, as the first one of others does.
    return not said or (said <= _OF_BEGINNINGS and after_end())


def _said(choice: Raw) -> Iterator[str]:
    """Yield the members by which a choice says something; `_TEXT` for one that says more than a beginning."""
    # LiteLLM's proxy sends such a choice beside the usage; a direct call without usage gets no such chunk.
    try:
        said = _decode_object(choice)
    except _FAILURES:
        yield _TEXT
        return
    delta = said.pop("delta", None)
    members = [*said.items(), *(delta.items() if isinstance(delta, dict) else [("delta", delta)])]
    for name, value in members:
        if name != "index" and value not in (None, [], {}):
            yield name if name == "role" or value == "" else _TEXT
