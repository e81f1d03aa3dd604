"""What a request's body says of how much it may use: the size of its prompt, and the most of its answer.

A tokenizer that works on bytes never makes more tokens than there are bytes, and the punctuation of JSON is
more than what a message costs beside its text. So a prompt of text has at most a token a byte. An image has
none of its bytes as tokens, and a bound of its own.
"""

import contextlib
import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.dataplane.aside import LARGE
from tollkeeper_server.dataplane.budget.media import (
    MAX_USES,
    MODALITIES,
    SEARCHES,
    SEEN,
    count_media,
    image_bytes,
    plain,
)
from tollkeeper_server.dataplane.signs import windows
from tollkeeper_server.domain.usage import BYTES_PER_TOKEN, estimated_tokens
from tollkeeper_server.providers.members import CLOSING, OPENING, iterate_members, tokens

MEDIA_TOKENS = 50_000
"""The most tokens of an image, sound or file in a prompt. OpenAI bills up to 48,169 for an image."""
USUAL_SEARCHES = 10
"""The searches that a request holds at least which says no maximum of all of them."""
_LONGEST = 64
_MOST = 10**15
_UNSAID = Raw()
# What decoders take for a whole number: some also as a string, or with an empty fraction.
_NUMBER = re.compile(rb'"?\s*+([0-9]{1,40}+(?:\.[0-9]{1,40}+)?(?:[eE]\+?[0-9]{1,2}+)?)\s*+"?')


MAXIMA: dict[str, tuple[str, ...]] = {
    "chat_completions": ("max_completion_tokens", "max_tokens"),
    "completions": ("max_tokens",),
    "messages": ("max_tokens",),
    "responses": ("max_output_tokens",),
}
"""The members that say the maximum of an answer, by endpoint. Others have none."""
_COUNTED = dict.fromkeys(
    ("images_generations", "images_edits", "images_variations"), "n, the number of images"
)


def lowered_by(endpoint: str) -> str:
    """Return what callers lower for a request to an endpoint to need less; empty if there is nothing."""
    if endpoint in MAXIMA:
        return f"{MAXIMA[endpoint][0]}, the answer's maximum"
    return _COUNTED.get(endpoint, "")


class Asked(Struct, frozen=True, gc=False):
    """What a body asks for. `prompt` is the most tokens that its prompt can have, `estimated` a guess.

    `output` is the most tokens that it allows for an answer, 0 if it does not say; `answers` how many it
    wants. `tier` is the kind of service, None if the provider is to choose. With `is_media` it has images,
    sound or files, or wants them; `searches` is how often it lets the model search, as far as anybody knows.
    `characters` are those of a text that is to be spoken, `pages` those of a document that is to be read.
    What is no JSON is all prompt.
    """

    prompt: int = 0
    estimated: int = 0
    output: int = 0
    answers: int = 1
    tier: str | None = None
    is_fast: bool = False
    is_media: bool = False
    searches: int = 0
    characters: int = 0
    pages: int = 0
    is_json: bool = True


class _Members(Struct):
    max_completion_tokens: Raw = _UNSAID
    max_tokens: Raw = _UNSAID
    max_output_tokens: Raw = _UNSAID
    max_tool_calls: Raw = _UNSAID
    n: Raw = _UNSAID
    best_of: Raw = _UNSAID
    service_tier: Raw = _UNSAID
    speed: Raw = _UNSAID
    prompt: Raw = _UNSAID
    messages: Raw = _UNSAID
    input: Raw = _UNSAID


_decode = msgspec.json.Decoder(_Members).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_NAMES = frozenset(_Members.__struct_fields__)
_TEXTS = frozenset({"prompt", "messages", "input"})
_ESCAPES = b"\\u00"
# Those that leave it to the provider; Anthropic's `standard_only` is its usual one.
_CHOSEN = {b"null", b'"auto"'}
_USUAL_SPEEDS = {b"null", b'"standard"'}
_USUAL_TIERS = {"default", "standard_only", "standard"}


def read_asked(
    body: bytes,
    maxima: Sequence[str],
    *,
    is_large: bool = False,
    each_prompt: bool = False,
    bounds_calls: bool = False,
) -> Asked:
    """Return what a JSON body asks for. Where it is no JSON, all of it is prompt.

    `maxima` are the members that say the maximum of its answer, of `MAXIMA`. `is_large`: it is looked through
    in steps, as none may go through all of it. `each_prompt`: of several prompts each has answers.
    `bounds_calls`: it searches no more often than `max_tool_calls` says.
    """
    size = len(body)
    if is_large or _ESCAPES in body:
        body = plain(body)
    members = _large(body) if is_large else _small(body)
    answers, output, tier = 1, 0, None
    if members.n is not _UNSAID or members.best_of is not _UNSAID:
        answers = max(read_maximum(bytes(members.n)), read_maximum(bytes(members.best_of)), 1)
    if each_prompt and members.prompt is not _UNSAID:
        answers *= _prompts(members.prompt)
    for name in maxima:
        said = getattr(members, name)
        if said is not _UNSAID and (written := bytes(said)) != b"null":
            number = read_maximum(written)
            if not number:  # this may be what the upstream goes by
                output = 0
                break
            output = max(output, number)
    if members.service_tier is not _UNSAID:
        tier = _tier(bytes(members.service_tier))
    parts = list(windows(body)) if is_large else [body]
    if members.speed is _UNSAID and not any(SEEN.search(part) is not None for part in parts):
        return Asked(size, -(-size // BYTES_PER_TOKEN), output, answers, tier)
    media = count_media(parts)
    if media:
        size -= sum(image_bytes(bytes(it)) for it in (members.messages, members.input) if it is not _UNSAID)
    searches = 0
    if any(SEARCHES.search(part) is not None for part in parts):
        uses = sum(read_maximum(found[1]) for part in parts for found in MAX_USES.finditer(part))
        most = read_maximum(bytes(members.max_tool_calls)) if bounds_calls else 0
        searches = most or max(USUAL_SEARCHES, uses)
    return Asked(
        size + media * MEDIA_TOKENS,
        estimated_tokens(size),
        output,
        answers,
        tier,
        is_fast=members.speed is not _UNSAID and bytes(members.speed) not in _USUAL_SPEEDS,
        is_media=bool(media) or any(MODALITIES in part for part in parts),
        searches=searches,
    )


def _small(body: bytes) -> _Members:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _large(body)  # upstreams may read what is no JSON, such as NaN


def _large(body: bytes) -> _Members:
    found = _Members()
    for written, _, start, end in iterate_members(body):
        name = written[1:-1].decode("utf-8", "replace")
        if name in _NAMES:
            longest = end if name in _TEXTS else min(end, start + _LONGEST)
            setattr(found, name, Raw(body[start:longest].strip()))
    return found


def _prompts(written: Raw) -> int:
    """Return how many prompts a completion has: one, unless they are a list, of texts or lists of tokens."""
    text = bytes(written)
    prompts = depth = 0
    if not text.startswith(b"["):
        return 1
    if len(text) <= LARGE:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return max(sum(bytes(it)[:1] in {b'"', b"["} for it in _decode_list(text)), 1)
    for kind, _, _, _ in tokens(text, 0, len(text)):
        if kind == CLOSING:
            depth -= 1
            continue
        prompts += depth == 1
        depth += kind == OPENING
    return max(prompts, 1)


def _tier(written: bytes) -> str | None:
    if written in _CHOSEN:
        return None
    name = written.strip(b'"').decode("utf-8", "replace")
    return "" if name in _USUAL_TIERS else name


def read_maximum(text: bytes) -> int:
    """Return a whole number that a member has; 0 for anything else, which the upstream may judge."""
    if text.isdigit():
        number = int(text) if len(text) <= _LONGEST else _MOST
    elif (found := _NUMBER.fullmatch(text)) is not None:
        exact = Decimal(found[1].decode())
        number = int(exact) if exact == exact.to_integral_value() else 0
    else:
        return 0
    return number if number < _MOST else 0
