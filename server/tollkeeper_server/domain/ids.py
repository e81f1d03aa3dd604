"""Identifiers: a prefix that says of what, then 26 characters that sort by creation time."""

import os
import re
import time
from enum import StrEnum

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_RANDOM = (_ALPHABET * 8).encode("ascii")  # five bits of each byte count
_PATTERN = re.compile(rf"[a-z]{{3}}_[{_ALPHABET}]{{26}}")


class Prefix(StrEnum):
    """What an identifier is of."""

    PROJECT = "prj"
    TOKEN = "tok"  # noqa: S105 - a prefix, not a password
    REQUEST = "req"


def new_id(prefix: Prefix) -> str:
    """Returns a new identifier: 48 bits of Unix milliseconds and 80 random bits, as ULIDs have."""
    ms = time.time_ns() // 1_000_000
    pairs = _PAIRS
    return (
        f"{prefix}_{pairs[ms >> 40]}{pairs[ms >> 30 & 1023]}{pairs[ms >> 20 & 1023]}"
        f"{pairs[ms >> 10 & 1023]}{pairs[ms & 1023]}{os.urandom(16).translate(_RANDOM).decode('ascii')}"
    )


def is_id(prefix: Prefix, text: str) -> bool:
    """Tells whether `text` is a well-formed identifier of that kind."""
    return _PATTERN.fullmatch(text) is not None and text.startswith(f"{prefix}_")
