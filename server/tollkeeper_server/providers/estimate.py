"""Counting the text of prompts and answers, for an estimate where the provider says no usage.

An estimate is crude, and every event that has one says `estimated`. It goes by bytes, so that one which is
not UTF-8 counts as any other; its time is linear in what it counts, and its memory is constant.
"""

import re
from collections.abc import Callable

import msgspec
from msgspec import Raw

from tollkeeper_server.domain.usage import estimated_tokens
from tollkeeper_server.providers.escapes import STEP, iterate_escapes
from tollkeeper_server.providers.members import CLOSING, NAME, OPENING, iterate_members, tokens

# Whatever the endpoint: OpenRouter, for one, takes `prompt` in a chat.
_PROMPT_MEMBERS = frozenset({b'"messages"', b'"input"', b'"prompt"', b'"system"', b'"instructions"'})
# Members of messages whose values are no text.
_NO_TEXT = frozenset(
    b'"%b"' % name
    for name in (b"role", b"type", b"image_url", b"input_audio", b"file", b"source", b"file_data")
)
# The inside of a JSON string, written so that each run of plain characters is one step.
_STRING = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
# What carries text in each kind of answer and event, as it stands in JSON.
_TEXT = re.compile(
    rb'"(?:content|text|delta|arguments|partial_json|thinking|reasoning_content|transcript)"'
    rb'\s*+:\s*+"(' + _STRING + rb')"',
    re.DOTALL,
)
_DELTA = re.compile(rb'"delta"\s*+:\s*+"(' + _STRING + rb')"', re.DOTALL)
# The choice of a chunk as nearly all are, or as those are that say nothing; it has not ended, and its event
# has nothing else.
_NOT_ENDED = rb'(?:,\s*+"logprobs":\s*+null)?,\s*+"finish_reason":\s*+null[^\n]*+\n\r?\n'
_PLAIN_DELTA = re.compile(rb'"delta":\s*+\{(?:"content":\s*+"([^"\\]*+)")?\}' + _NOT_ENDED)
_PLAIN_TEXT = re.compile(rb'"text":\s*+"([^"\\]*+)"(?:,\s*+"index":\s*+\d++)?' + _NOT_ENDED)
# Of what is larger, texts are not copied.
_LARGE = 64 * 1024
# Of what is longer, no step goes through all: it would hold up other threads.
_LONG = 1024 * 1024
_OBJECT = re.compile(rb"[ \t\r\n]*+\{")
MAX_MARKS = 1_000_000
"""A prompt with more brackets, quotes and escapes is no conversation: all but its punctuation counts."""
_MARKS = (b'"', b"\\", b"[", b"]", b"{", b"}")
_STRUCTURE = b'"\\[]{},: \t\r\n'
_check = msgspec.json.Decoder(Raw).decode


def text_bytes(answer: bytes, start: int = 0) -> int:
    """Return how many bytes of generated text stand in an answer or a piece of a stream, from `start` on."""
    if len(answer) > _LARGE:
        return sum(found.end(1) - found.start(1) for found in _TEXT.finditer(answer, start))
    return sum(map(len, _TEXT.findall(answer, start)))


def _counter_of_chunks(sign: bytes, plain: re.Pattern[bytes]) -> Callable[[bytes], int]:
    """Return a function that does what `text_bytes` does of a stream's chunks, and sooner.

    It returns the complement (`~size`) if the choices of all events say that they have not ended.
    """
    match = plain.match

    def count(piece: bytes) -> int:
        size = end = 0
        whole = len(piece)
        first = start = piece.find(sign)
        while start - end == first:  # the same stands before each chunk, and so there is none between
            found = match(piece, start)
            if found is None:
                break
            begin, stop = found.span(1)
            size += stop - begin  # of a group that took no part, 0
            end = found.end()
            if end == whole:
                return ~size
            start = piece.find(sign, end)
        return size + text_bytes(piece, end)

    return count


chat_text_bytes = _counter_of_chunks(b'"delta"', _PLAIN_DELTA)
completion_text_bytes = _counter_of_chunks(b'"text"', _PLAIN_TEXT)


def delta_bytes(piece: bytes) -> int:
    """Return how many bytes of generated text are new in a piece of a responses stream.

    Its later events repeat the text of its deltas.
    """
    return sum(map(len, _DELTA.findall(piece)))


def prompt_tokens(body: bytes) -> int:
    """Return the estimate for a JSON request's prompt; media do not count as text."""
    if len(body) > _LONG:  # what names its model was read as JSON before
        if _OBJECT.match(body) is None:
            return estimated_tokens(len(body))
    else:
        try:
            _check(body)
        except (msgspec.DecodeError, RecursionError):
            return estimated_tokens(len(body))
    if len(body) > _LARGE and _has_many_marks(body):
        steps = range(0, len(body), STEP)
        return estimated_tokens(sum(len(body[at : at + STEP].translate(None, _STRUCTURE)) for at in steps))
    sizes = {
        name: _written_size(body, start, end)
        for name, _, start, end in iterate_members(body)
        if name in _PROMPT_MEMBERS
    }
    return estimated_tokens(sum(sizes.values()))


def _has_many_marks(body: bytes) -> bool:
    marks = 0
    for at in range(0, len(body), STEP):
        marks += sum(body.count(mark, at, at + STEP) for mark in _MARKS)
        if marks > MAX_MARKS:
            return True
    return False


def _written_size(body: bytes, start: int, end: int) -> int:
    """Return how many bytes of text stand in the JSON value between two places."""
    size = depth = 0
    skipped = -1  # the depth at which a value that is no text began
    ignored = -1  # where a value that is no text begins
    for kind, at, stop, after in tokens(body, start, end):
        if kind == OPENING:
            if ignored >= 0 and skipped < 0 and not body[ignored:at].strip():
                skipped = depth
            depth += 1
        elif kind == CLOSING:
            depth -= 1
            if depth == skipped:
                skipped = -1
        elif skipped >= 0:
            continue
        elif kind == NAME:
            ignored = after if body[at:stop] in _NO_TEXT else -1
            continue
        elif ignored < 0 or body[ignored:at].strip():
            size += _string_size(body, at, stop)
        ignored = -1
    return size


def _string_size(body: bytes, at: int, end: int) -> int:
    """Return how many bytes of UTF-8 a string has that stands between two places, with its quotes."""
    size = end - at - 2
    for _, unit in iterate_escapes(body, at, end):
        if unit is None:
            size -= 1
        else:
            # Half of a character beyond the first 65,536, which has four bytes, or one of 1 to 3.
            size -= 6 - (2 if unit < 0x800 or 0xD800 <= unit < 0xE000 else 3) + (unit < 0x80)
    return size
