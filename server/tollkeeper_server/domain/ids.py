"""Identifiers: a prefix that names the kind, then 26 characters that sort by creation time."""

import os
import re
import sys
import time
from enum import StrEnum
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_RANDOM = (_ALPHABET * 8).encode(
    "ascii"
)  # a table that maps each byte to a character, by its lower five bits
_RANDOM_LENGTH = 16
# Asking the system for random bytes takes longer than all the rest, so one call serves many ids.
_MADE_AHEAD = 256
_made: list[str] = []
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_made.clear)


_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Prefix(StrEnum):
    """The kinds of identifiers."""

    PROJECT = "prj"
    TOKEN = "tok"  # noqa: S105 - a prefix, not a password
    REQUEST = "req"
    SESSION = "ses"
    REPRICING = "rep"
    NOTICE = "ntc"


# To add to a member of an enum takes ten times as long.
_BEGINNINGS = {prefix: f"{prefix}_" for prefix in Prefix}


def new_id(prefix: Prefix) -> str:
    """Return a new identifier: 48 bits of Unix milliseconds and 80 random bits, as ULIDs have."""
    try:
        random = _made.pop()
    except IndexError:
        random = _make_ahead()
    return _BEGINNINGS[prefix] + _time_part(time.time_ns() // 1_000_000) + random


@lru_cache(maxsize=4)
def _time_part(ms: int) -> str:
    pairs = _PAIRS
    return (
        f"{pairs[ms >> 40]}{pairs[ms >> 30 & 1023]}{pairs[ms >> 20 & 1023]}"
        f"{pairs[ms >> 10 & 1023]}{pairs[ms & 1023]}"
    )


def _make_ahead() -> str:
    """Return a random part, and keep more of them for the next ids."""
    text = os.urandom(_RANDOM_LENGTH * _MADE_AHEAD).translate(_RANDOM).decode("ascii")
    parts = [text[at : at + _RANDOM_LENGTH] for at in range(0, len(text), _RANDOM_LENGTH)]
    part = parts.pop()
    _made.extend(parts)
    return part


def is_request_id(offered: str) -> bool:
    """Return whether a caller's own id of a request can be used: in headers, logs and messages."""
    return _REQUEST_ID.fullmatch(offered) is not None
