"""Finding the escapes in a JSON string, in steps of which none goes through all of a long one."""

import re
from collections.abc import Iterator

STEP = 64 * 1024
"""How many bytes one step goes through: a longer one would hold up other threads."""
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_ESCAPE_BYTES = 6


def iterate_escapes(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, int | None]]:
    """Yield each escape inside a string that stands between two places, and the code unit that it names.

    That is None for an escape of one sign, such as a line's end.
    """
    while at < end:
        stop = min(at + STEP, end)
        if body.find(b"\\", at, stop) < 0:
            at = stop
            continue
        for escape in _ESCAPE.finditer(body, at, min(stop + _ESCAPE_BYTES, end)):
            if escape.start() >= stop:
                break
            at = escape.end()
            digits = escape[1]
            yield escape[0], None if digits is None else int(digits, 16)
        at = max(at, stop)
