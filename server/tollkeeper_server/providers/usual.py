"""The usage object of nearly every whole answer, read in one step.

`usage.py` reads every other form, and this one with the same result, in ten times the time.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.usage import BILLED_SIGN, MAX_COUNT, SIGN, USUAL_TIERS

_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class _PromptDetails(Struct, forbid_unknown_fields=True):
    cached_tokens: _Count = 0
    audio_tokens: _Count = 0


class _CompletionDetails(Struct, forbid_unknown_fields=True):
    reasoning_tokens: _Count = 0
    audio_tokens: _Count = 0
    accepted_prediction_tokens: _Count = 0
    rejected_prediction_tokens: _Count = 0


class _Usage(Struct, forbid_unknown_fields=True):
    """OpenAI's usage of chats and completions, which other providers have adopted."""

    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Answer(Struct):
    usage: _Usage
    service_tier: object = None


_decode = msgspec.json.Decoder(_Answer).decode
_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()


def read_usual(body: bytes) -> TokenCounts | None:
    """Return the counts of an answer with the usual usage object and no other; None for any other answer."""
    if body.count(SIGN) != 1 or BILLED_SIGN in body:
        return None
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if answer.service_tier not in USUAL_TIERS:
        return None
    usage = answer.usage
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if usage.total_tokens != prompt + completion or prompt == 0 or completion == 0:
        return None
    of_prompt = usage.prompt_tokens_details or _NO_PROMPT_DETAILS
    of_completion = usage.completion_tokens_details or _NO_COMPLETION_DETAILS
    if of_prompt.audio_tokens or of_completion.audio_tokens:
        return None
    return TokenCounts(
        prompt=prompt,
        completion=completion,
        cached=min(of_prompt.cached_tokens, prompt),
        reasoning=min(of_completion.reasoning_tokens, completion),
        confidence=Confidence.EXACT,
    )
