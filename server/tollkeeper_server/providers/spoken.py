"""Counting the characters of a text that is spoken, by which some providers bill it.

A character is a code point of Unicode. The time is linear in the text, and no step goes through all of it.
"""

import msgspec

from tollkeeper_server.providers.escapes import STEP, iterate_escapes
from tollkeeper_server.providers.members import iterate_members, read_name

_INPUT = b'"input"'
# The bytes of a character in UTF-8 after its first one.
_FURTHER = bytes(range(0x80, 0xC0))


def spoken_characters(body: bytes) -> int:
    """Return how many characters `input` of a JSON body has; 0 if that is no text.

    Of several of that name the longest counts, as servers differ in which one they read.
    """
    return max(
        (
            _characters(body, start + 1, end - 1)
            for name, _, start, end in iterate_members(body)
            if _is_input(name) and body.startswith(b'"', start)
        ),
        default=0,
    )


def _is_input(name: bytes) -> bool:
    if name == _INPUT:
        return True
    if b"\\" not in name:
        return False
    try:
        return read_name(name) == "input"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _characters(body: bytes, at: int, end: int) -> int:
    """Return how many characters the inside of a JSON string has that stands between two places."""
    count = 0
    for start in range(at, end, STEP):
        count += len(body[start : min(start + STEP, end)].translate(None, _FURTHER))
    for escape, unit in iterate_escapes(body, at, end):
        is_second_half = unit is not None and 0xDC00 <= unit < 0xE000
        count -= len(escape.translate(None, _FURTHER)) - (not is_second_half)
    return count
