"""How messages of HTTP/1.1 are written, on both sides."""

FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""The headers that say where a body ends (RFC 9112, 6)."""
LAST_CHUNK = b"0\r\n\r\n"
JOINED_BYTES = 16 * 1024
"""Below this size, copying a body behind its head costs less than handing over two pieces."""
HELD_BYTES = 256 * 1024
"""How much of a body is held for a slow reader before its sender is made to wait."""

_BREAK = b"\r\n"
_BREAKING = b"\r\n\0"


def join_head(lines: list[bytes]) -> bytes:
    """Return the first line and the headers of a message, with the blank line after them.

    Raises ValueError if a line would be read as more than one, or holds a NUL.
    """
    head = _BREAK.join(lines) + b"\r\n\r\n"
    if len(head.translate(None, _BREAKING)) != len(head) - len(_BREAK) * (len(lines) + 1):
        raise ValueError("a header has a line break or NUL")
    return head
