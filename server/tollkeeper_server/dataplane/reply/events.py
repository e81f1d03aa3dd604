"""Event streams (WHATWG HTML, 9.2): whole events of what arrives, and single ones of those."""

import re
from collections.abc import Callable
from functools import partial

from tollkeeper_server.providers.members import without_member
from tollkeeper_server.providers.usage import SIGN, is_usage_chunk, read_carrier, says_usage

# An event larger than this is relayed in parts.
MAX_HELD = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"  # one before a stream is ignored
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_FIELD_BYTES = max(map(len, _FIELDS))
# `"usage": null` as OpenAI writes it: the last member, but for one that only fills events up.
_LAST_NULL = re.compile(
    rb',\s*+"usage"\s*+:\s*+null(?=(?:\s*+,\s*+"obfuscation"\s*+:\s*+"[^"\\]*+")?\s*+\}\Z)'
)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")


def tells_stream(beginning: bytes) -> bool:
    """Return whether so much of an answer tells whether it is an event stream."""
    return len(_begun(beginning)) >= _FIELD_BYTES


def begins_stream(beginning: bytes) -> bool:
    """Return whether an answer that begins so is an event stream."""
    return _begun(beginning).startswith(_FIELDS)


def _begun(beginning: bytes) -> bytes:
    return beginning.removeprefix(_BOM).lstrip(b"\r\n")


def take_whole(held: bytearray, chunk: bytes, most: int = MAX_HELD) -> bytes:
    """Add the next chunk to the held bytes; take all whole events from them and return these.

    An event with more than `most` bytes is returned in parts.
    """
    # A blank line begins two bytes before the chunk or later: else it would have been found.
    overlap = bytes(held[-2:])
    end = _whole(overlap + chunk if overlap else chunk) - len(overlap)
    if len(held) + len(chunk) - max(end, 0) > most:
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
    if piece.endswith((b"\n\n", b"\n\r\n", b"\r\r")):
        return len(piece)
    plain = piece.rfind(b"\n\n")
    crlf = piece.rfind(b"\n\r\n")
    cr = piece.rfind(b"\r\r")  # lines may end so, too
    return max(plain + 2 if plain >= 0 else 0, crlf + 3 if crlf >= 0 else 0, cr + 2 if cr >= 0 else 0)


def single_events(whole: bytes) -> list[bytes]:
    """Return whole events as single ones, without the blank lines after them."""
    return _BLANK_LINE.split(whole) if b"\r" in whole else whole.split(b"\n\n")


def event_data(event: bytes) -> bytes:
    """Return the data of an event."""
    if event.startswith(b"data:") and b"\n" not in event and b"\r" not in event:  # as most are
        return event[5:]
    lines = event.removeprefix(_BOM).splitlines()
    return b"\n".join([line[5:].strip() for line in lines if line.startswith(b"data:")])


def without_usage(whole: bytes, ended: Callable[[bytes], bool]) -> bytes:
    """Return whole events without the usage that was asked for, or the null in its place.

    A chunk that says nothing else goes, and of others that member alone. All other bytes stay. `ended` says
    whether the answer has ended once the events have come that it is given.
    """
    if b"\r" not in whole and not says_usage(whole):  # as nearly all are
        events = [_without_usage(event) for event in whole.split(b"\n\n")]
        return b"\n\n".join([event for event in events if event is not None])
    kept = bytearray()
    start = 0
    for blank in _BLANK_LINE.finditer(whole + b"\n\n"):
        event = _without_usage(whole[start : blank.start()], partial(ended, whole[:start]))
        if event is not None:
            kept += event
            kept += whole[blank.start() : blank.end()]
        start = blank.end()
    return bytes(kept)


def _without_usage(event: bytes, after_end: Callable[[], bool] = bool) -> bytes | None:
    if SIGN not in event:
        return event
    if (null := _LAST_NULL.search(event)) is not None and event.startswith(b"data:") and b"\n" not in event:
        return event[: null.start()] + event[null.end() :]
    data = event_data(event)
    carrier = read_carrier(data)
    if is_usage_chunk(carrier, after_end=after_end):
        return None
    if not bytes(carrier.usage):
        return event
    rest = without_member(data, "usage")
    if event.count(data) == 1:
        return event.replace(data, rest)
    others = [line for line in event.splitlines() if not line.startswith(b"data:")]
    line_break = b"\r\n" if b"\r\n" in event else b"\r" if b"\r" in event else b"\n"
    return line_break.join([*others, *(b"data: " + line for line in rest.splitlines())])
