"""Counting the text of prompts and answers, for an estimate where the provider says no usage.

An estimate is crude, and every event that has one says `estimated`.
"""

import re

import msgspec

from tollkeeper_server.domain.usage import estimated_tokens

# Whatever the endpoint: OpenRouter, for one, takes `prompt` in a chat.
_PROMPT_MEMBERS = ("messages", "input", "prompt", "system", "instructions")
# The inside of a JSON string, written so that each run of plain characters is one step.
_STRING = rb'[^"\\]*(?:\\.[^"\\]*)*'
# What carries text in each kind of answer and event, as it stands in JSON.
_TEXT = re.compile(
    rb'"(?:content|text|delta|arguments|partial_json|thinking|reasoning_content|transcript)"'
    rb'\s*:\s*"(' + _STRING + rb')"'
)
_DELTA = re.compile(rb'"delta"\s*:\s*"(' + _STRING + rb')"')
# A chat's chunk as nearly all are, or as those are that say nothing.
_PLAIN_DELTA = re.compile(rb'"delta":\s*\{(?:"content":\s*"([^"\\]*)")?\}')
_MEDIA = ("image_url", "input_audio", "file", "source", "file_data")
_MAX_DEPTH = 64


def text_bytes(answer: bytes, start: int = 0) -> int:
    """Return how many bytes of generated text stand in an answer or a piece of a stream, from `start` on."""
    return sum(map(len, _TEXT.findall(answer, start)))


def chat_text_bytes(piece: bytes) -> int:
    """Return what `text_bytes` does of a piece of a chat's stream, and sooner."""
    start = piece.find(b'"delta"')
    if start < 0:
        return text_bytes(piece)
    size = 0
    while start >= 0:
        plain = _PLAIN_DELTA.match(piece, start)
        if plain is None:
            return size + text_bytes(piece, start)
        begin, end = plain.span(1)
        size += end - begin  # of a group that took no part, 0
        start = piece.find(b'"delta"', plain.end())
    return size


def delta_bytes(piece: bytes) -> int:
    """Return how many bytes of generated text are new in a piece of a responses stream.

    Its later events repeat the text of its deltas.
    """
    return sum(map(len, _DELTA.findall(piece)))


def prompt_tokens(body: bytes) -> int:
    """Return the estimate for a JSON request's prompt; media do not count as text."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return estimated_tokens(len(body))
    if not isinstance(request, dict):
        return 0
    return estimated_tokens(sum(_size(request[name], 0) for name in _PROMPT_MEMBERS if name in request))


def _size(value: object, depth: int) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if depth > _MAX_DEPTH:
        return 0
    if isinstance(value, list):
        return sum(_size(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return sum(
            _size(item, depth + 1)
            for name, item in value.items()
            if name not in _MEDIA and name not in {"role", "type"}
        )
    return 0
