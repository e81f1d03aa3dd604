"""The signs of a JSON document: what opens and closes in it, and its strings, in linear time.

A decoder keeps one of the members that an object has twice. Here all of them are seen.
"""

import re
from collections.abc import Iterator

from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.providers.members import inside_end

MAX_SIGNS = 10_000_000
"""The most brackets and quotes that are walked through, which takes seconds."""
QUOTE, BRACKET = b'"['
OPENING = frozenset(b"[{")
COLON = re.compile(rb"[ \t\r\n]*+:")
"""Follows a string that is a member's name."""
_SIGNS = (b'"', b"[", b"]", b"{", b"}")
NOTHING = 0
"""Stands in place of a sign after some of a long string."""
_SIGN = re.compile(rb'["\[\]{}]')
_STEP = 256 * 1024
_OVERLAP = 63


def windows(body: bytes) -> Iterator[bytes]:
    """Yield a body in parts, each with the beginning of the next, so that no word of 64 bytes is cut."""
    if len(body) <= _STEP:
        yield body
        return
    for at in range(0, len(body), _STEP):
        yield body[at : at + _STEP + _OVERLAP]


def check_signs(number: int) -> None:
    """Raise INVALID_ARGUMENT if a request's body has too many signs to be walked through."""
    if number > MAX_SIGNS:
        raise invalid_argument("body", "has too many members and items to be looked through; send fewer")


def count_signs(body: bytes) -> int:
    """Return how many signs a body has, at least if they may be too many."""
    if len(body) <= MAX_SIGNS:
        return 0
    return sum(body.count(sign, at, at + _STEP) for at in range(0, len(body), _STEP) for sign in _SIGNS)


def signs(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield what opens and closes in valid JSON, and its strings: the first byte, where it begins and ends.

    No single step takes long, so that others go on: within a long string, `NOTHING` is yielded now and then.
    """
    at, size = 0, len(body)
    while at < size:
        found = _SIGN.search(body, at, at + _STEP)
        if found is None:
            at += _STEP
            continue
        start = found.start()
        sign = body[start]
        at = start + 1
        if sign == QUOTE:
            while at < size:
                at = inside_end(body, at, size)
                if at >= size:
                    break
                if body[at] == QUOTE:
                    at += 1
                    break
                if at == size - 1:  # a backslash that ends what is cut
                    at = size
                    break
                yield NOTHING, start, at
        yield sign, start, at
