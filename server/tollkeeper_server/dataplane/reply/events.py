"""Event streams (WHATWG HTML, 9.2): whole events of what arrives, and single ones of those."""

import re

from tollkeeper_server.providers.usage import Carrier, is_usage_chunk, read_carrier, says_usage

# An event larger than this is relayed in parts.
MAX_HELD = 16 * 1024 * 1024
_BLANK_LINE = re.compile(rb"(\r?\n\r?\n)")


def take_whole(held: bytearray, chunk: bytes) -> bytes:
    """Add the next chunk to what is held; take from there all whole events and return them."""
    # A blank line begins two bytes before the chunk or later: else it would have been found.
    overlap = bytes(held[-2:])
    end = _whole(overlap + chunk if overlap else chunk) - len(overlap)
    if len(held) + len(chunk) - max(end, 0) > MAX_HELD:
        end = len(chunk)
    if end <= 0:
        held += chunk
        return b""
    if not held:
        held += chunk[end:]
        return chunk[:end]
    held += chunk[:end]
    whole = bytes(held)
    held[:] = chunk[end:]
    return whole


def _whole(piece: bytes) -> int:
    # Where the last whole event ends.
    if piece.endswith((b"\n\n", b"\n\r\n")):
        return len(piece)
    plain = piece.rfind(b"\n\n")
    crlf = piece.rfind(b"\n\r\n")
    return max(plain + 2 if plain >= 0 else 0, crlf + 3 if crlf >= 0 else 0)


def single_events(whole: bytes) -> list[bytes]:
    """Return whole events as single ones, without the blank lines after them."""
    return _BLANK_LINE.split(whole)[::2] if b"\r" in whole else whole.split(b"\n\n")


def parse_event(event: bytes) -> Carrier | None:
    """Return what an event carries, or None if its data are no JSON object."""
    if event.startswith(b"data:") and b"\n" not in event and b"\r" not in event:  # as most are
        return read_carrier(event[5:])
    lines = event.splitlines()
    return read_carrier(b"\n".join([line[5:].strip() for line in lines if line.startswith(b"data:")]))


def without_usage_chunk(whole: bytes) -> bytes:
    """Return whole events without the chunk that says nothing but usage."""
    if b"\r" not in whole:  # as nearly all streams are
        return b"\n\n".join([event for event in whole.split(b"\n\n") if not _is_usage_chunk(event)])
    pieces = [*_BLANK_LINE.split(whole), b""]  # events and the blank lines after them, by turns
    return b"".join(
        event + blank
        for event, blank in zip(pieces[::2], pieces[1::2], strict=True)
        if not _is_usage_chunk(event)
    )


def _is_usage_chunk(event: bytes) -> bool:
    carrier = parse_event(event) if says_usage(event) else None
    return carrier is not None and is_usage_chunk(carrier)
