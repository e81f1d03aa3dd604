"""The header lines of a head (RFC 9112, 5): most clients send nearly the same each time on a connection."""

from typing import cast

from tollkeeper_server.http1.framing import TOKEN_BYTES
from tollkeeper_server.snapshot.model import Header

BLANKS = b" \t"
"""What may stand around a value."""
WRONG = 0
"""What a byte becomes that may not be there."""
_CONTROLS = bytes([*range(9), *range(10, 32), 127])
VALUES = bytes(WRONG if byte in _CONTROLS else byte for byte in range(256))
"""What each byte of a value becomes (RFC 9110, 5.5)."""

_BREAK = b"\r\n"
# Stands between names, in none of which it may be.
_BETWEEN = b"\n"
# What each byte of names becomes (RFC 9110, 5.1).
_NAMES = bytes(byte if byte in TOKEN_BYTES + _BETWEEN else WRONG for byte in range(256)).lower()
# A connection keeps so many lines, of so many bytes in all, each of which takes some memory.
_MOST_LINES = 64
_MOST_BYTES = 4 * 1024


class HeaderLines:
    """Reads the header lines of one connection. Those that are kept need not be read again."""

    __slots__ = ("_kept", "_kept_bytes", "_new", "_read")

    def __init__(self) -> None:
        self._kept: dict[bytes, Header] = {}
        self._kept_bytes = 0
        # Those of the last head that are not kept, and what they say.
        self._new: list[bytes] = []
        self._read: list[Header] = []

    def read(self, lines: bytes) -> list[Header] | None:
        """Return the headers in lines that CRLF joins, or None if one of them is none.

        Names are in lower case. Blanks behind values are left there.
        """
        split = lines.split(_BREAK) if lines else []
        kept = [*map(self._kept.get, split)]
        self._new = new = []
        if all(kept):
            return cast("list[Header]", kept)  # None is nowhere
        new += split if not self._kept else [line for line in split if line not in self._kept]
        read = _headers_of(new)
        if read is None:
            return None
        self._read = read
        following = iter(read)
        return [header or next(following) for header in kept]

    def keep(self) -> None:
        """Keep the lines that were read last, and forget others if there are too many."""
        if not self._new:
            return
        new = dict(zip(self._new, self._read, strict=True))
        size = sum(map(len, new))
        if len(self._kept) + len(new) > _MOST_LINES or self._kept_bytes + size > _MOST_BYTES:
            self._kept.clear()
            self._kept_bytes = 0
            if len(new) > _MOST_LINES or size > _MOST_BYTES:
                return
        self._kept.update(new)
        self._kept_bytes += size
        self._new, self._read = [], []


def _headers_of(lines: list[bytes]) -> list[Header] | None:
    """Return the headers in lines, at least one, or None if one of them is none.

    All names are looked at together, and all values: most of the time, a head is read only once.
    """
    parts = [line.partition(b":") for line in lines]
    names = [name for name, colon, _ in parts if name and colon]
    if len(names) < len(lines):
        return None
    joined = _BETWEEN.join(names).translate(_NAMES)
    names = joined.split(_BETWEEN)
    values = [value for _, _, value in parts]
    if len(names) > len(lines) or WRONG in joined or WRONG in b"".join(values).translate(VALUES):
        return None
    return [(name, value.lstrip(BLANKS)) for name, value in zip(names, values, strict=True)]
