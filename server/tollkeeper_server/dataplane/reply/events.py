"""Event streams (WHATWG HTML, 9.2): whole events of what arrives, and single ones of those."""

import re
from collections.abc import Callable

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
    """Return whether the beginning of an answer is enough to know if it is an event stream."""
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
    if _is_one_line(event):  # as most are
        return event[5:]
    lines = event.removeprefix(_BOM).splitlines()
    return b"\n".join([line[5:].strip() for line in lines if line.startswith(b"data:")])


def _is_one_line(event: bytes) -> bool:
    return event.startswith(b"data:") and b"\n" not in event and b"\r" not in event


def without_usage(whole: bytes, ended: Callable[[bytes], bool]) -> bytes:
    """Return whole events without the usage that was asked for, or the null in its place.

    A chunk that says nothing else goes, and of others that member alone. All other bytes stay. `ended` says
    whether the answer has ended once the events have come that it is given.
    """
    if b"\r" not in whole and not says_usage(whole):  # as nearly all are
        events = [_without_usage(event) for event in whole.split(b"\n\n")]
        return b"\n\n".join([event for event in events if event is not None])
    kept = bytearray()
    start = looked = 0
    is_over = False

    def ended_before() -> bool:
        nonlocal looked, is_over
        if not is_over:  # nothing is looked at twice
            is_over, looked = ended(whole[looked:start]), start
        return is_over

    for blank in _BLANK_LINE.finditer(whole + b"\n\n"):
        event = _without_usage(whole[start : blank.start()], ended_before)
        if event is not None:
            kept += event
            kept += whole[blank.start() : blank.end()]
        start = blank.end()
    return bytes(kept)


def _without_usage(event: bytes, after_end: Callable[[], bool] = bool) -> bytes | None:
    if SIGN not in event:
        return event
    if (null := _LAST_NULL.search(event)) is not None and _is_one_line(event):
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
    return _with_data(event, rest)


def _with_data(event: bytes, data: bytes) -> bytes:
    """Return an event with other data, of which each line is one; its other lines stay as they are.

    It is no longer than before if the data is not, however its lines began and ended.
    """
    kept: list[bytes] = []
    replaced: list[bytes] = []
    place = 0
    for line in event.splitlines(keepends=True):
        if line.startswith(b"data:"):
            place = place if replaced else len(kept)
            replaced.append(line)
        else:
            kept.append(line)
    ends = [line[len(line.rstrip(b"\r\n")) :] for line in replaced]
    line_end = min(filter(None, ends), key=len, default=b"\n")
    field = b"data: " if all(line.startswith(b"data: ") for line in replaced) else b"data:"
    kept.insert(place, line_end.join(field + it for it in data.splitlines()) + ends[-1])
    whole = b"".join(kept)
    return whole if event.endswith((b"\r", b"\n")) else whole.removesuffix(b"\n").removesuffix(b"\r")
