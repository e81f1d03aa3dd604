"""Members of a JSON object, each by itself, so that none can hide another.

A decoder refuses a whole document for one `NaN`, as servers in Python write it, or for a stray byte. The scan
here goes by strings and brackets alone. Its time is linear in the document, and its memory constant.
"""

import re
from collections.abc import Collection, Iterator

import msgspec

_BOM = b"\xef\xbb\xbf"
# Possessive, so that nothing is looked at twice. What lies between tokens is one step of a match: a search
# for the next one would go through it slowly. No match takes long, so that other threads go on. Of longer
# runs within a string the end is found in a tenth of the time (`_run_end`).
_INSIDE = rb'[^"\\]{0,255}+(?:\\.[^"\\]{0,255}+){0,255}+'
_TOKEN = re.compile(
    rb'[^"{}\[\]]{0,65535}+(?:("' + _INSIDE + rb'(")?)(?:\s*+(:)\s*+)?|([{\[])|([}\]])|\Z)?', re.DOTALL
)
_END_QUOTE = 2
STRING, NAME, OPENING, CLOSING = 1, 3, 4, 5
"""What a token is. A name is a string that a colon follows. A string may lack its end."""
_MORE = re.compile(_INSIDE, re.DOTALL)
_COLON = re.compile(rb"\s*+:\s*+")
_QUOTE, _BACKSLASH = b'"\\'
_ENDS = frozenset({_QUOTE, _BACKSLASH})
_RUN_STEP = 64 * 1024
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_MAX_DEPTH = 4
_FEW = 4096
MAX_BRACKETS = 4_000_000
_BRACKETS = (b"[", b"]", b"{", b"}")

_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_decode_string = msgspec.json.Decoder(str).decode
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def tokens(document: bytes, at: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the tokens between two places: the kind, where one begins and ends, and where the next may be."""
    match = _TOKEN.match
    while at < size:
        found = match(document, at, size)
        assert found is not None
        at = found.end()
        kind = found.lastindex
        if kind is None:
            continue
        start, end = found.span(STRING if kind == NAME else kind)
        if kind == STRING and found.start(_END_QUOTE) < 0 and end < size:
            end = at = string_end(document, end, size)
            if (colon := _COLON.match(document, at, size)) is not None:
                kind, at = NAME, colon.end()
        yield kind, start, end, at


def string_end(document: bytes, at: int, size: int) -> int:
    """Return where the string ends that a place is in; `size` if it does not end before that."""
    while at < size:
        end = inside_end(document, at, size)
        if end < size and document[end] == _QUOTE:
            return end + 1
        at = max(end, at + 1)
    return size


def inside_end(document: bytes, at: int, size: int) -> int:
    """Return how far one step goes within a string: to its end, or to a place before that; `size` at most."""
    found = _MORE.match(document, at, size)
    end = found.end() if found is not None else at
    return _run_end(document, end, size) if end < size and document[end] not in _ENDS else end


def _run_end(document: bytes, at: int, size: int) -> int:
    """Return where the next quote or backslash is, or a place before it, 64 KiB away; `size` at most."""
    end = min(at + _RUN_STEP, size)
    quote = document.find(b'"', at, end)
    if quote >= 0:
        end = quote
    escape = document.find(b"\\", at, end)
    return escape if escape >= 0 else end


def iterate_members(document: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield each member of an object: its name with quotes, where it begins, where its value begins and ends.

    What is no object has no members; neither has the part of one that is not whole.
    """
    depth = begin = value = 0
    name = b""
    start = _start(document)
    if start < 0:
        return
    for kind, at, end, after in tokens(document, start, len(document)):
        if kind == STRING:
            continue
        if kind == NAME:
            if depth == 1:
                if name:
                    yield name, begin, value, _end(document, value, at)
                name, begin, value = document[at:end], at, after
        elif kind == OPENING:
            depth += 1
        elif kind == CLOSING:
            depth -= 1
            if depth == 0:
                if name:
                    yield name, begin, value, _end(document, value, at)
                return


def iterate_inner(document: bytes) -> Iterator[bytes]:
    """Yield the objects and lists that stand right in a list or an object, as they are written."""
    depth = begin = 0
    for kind, start, end, _ in tokens(document, 0, len(document)):
        if kind == OPENING:
            depth += 1
            if depth == 2:
                begin = start
        elif kind == CLOSING:
            depth -= 1
            if depth == 1:
                yield document[begin:end]


def scan_members(document: bytes, names: Collection[str]) -> dict[str, bytes]:
    """Return the values of some members of an object as they are written; of one given twice the last.

    There are none in what has more than some millions of brackets, which would take seconds.
    """
    if len(document) > MAX_BRACKETS and sum(map(document.count, _BRACKETS)) > MAX_BRACKETS:
        return {}
    wanted = {b'"%b"' % name.encode(): name for name in names}
    return {
        wanted[name]: document[start:end]
        for name, _, start, end in iterate_members(document)
        if name in wanted
    }


def read_object(document: bytes, names: Collection[str], depth: int = 0) -> dict[str, object]:
    """Return the members of an object that could be read; those of that name, if it had to be scanned."""
    try:
        return _decode_object(document)
    except _FAILURES:
        pass
    if depth > _MAX_DEPTH:
        return {}
    found: dict[str, object] = {}
    for name, written in scan_members(document, names).items():
        try:
            found[name] = msgspec.json.decode(written)
        except _FAILURES:
            found[name] = read_object(written, names, depth + 1)
    return found


def without_member(document: bytes, name: str) -> bytes:
    """Return an object without a member; all others keep their bytes."""
    wanted = b'"%b"' % name.encode()
    kept: list[bytes] = []
    start = 0  # of what is kept
    before = -1  # where the member before ends
    gone = False  # whether the first member goes, so that the comma after it does
    for found, begin, _, end in iterate_members(document):
        if gone:
            start, gone = begin, False
        if found == wanted:
            kept.append(document[start : begin if before < 0 else before])
            start, gone = end, before < 0
        else:
            before = end
    kept.append(document[start:])
    return b"".join(kept)


def read_name(name: bytes) -> str:
    """Return the name of a member that is written so. Raises `msgspec.DecodeError`, `UnicodeDecodeError`."""
    return _decode_string(name)


def is_whole(document: bytes) -> bool:
    """Return whether a document is an object that has its end, and nothing after it."""
    depth = 0
    start = _start(document)
    if start < 0:
        return False
    for kind, _, _, after in tokens(document, start, len(document)):
        if kind == OPENING:
            depth += 1
        elif kind == CLOSING:
            depth -= 1
            if depth == 0:
                return _BLANKS.fullmatch(document, after) is not None
    return False


def _start(document: bytes) -> int:
    blanks = _BLANKS.match(document, len(_BOM) if document.startswith(_BOM) else 0)
    start = blanks.end() if blanks is not None else 0
    return start if document[start : start + 1] == b"{" else -1


def _end(document: bytes, start: int, end: int) -> int:
    # Before the comma and the blanks that stand before what comes next.
    while end > start:
        few = max(start, end - _FEW)
        left = len(document[few:end].rstrip(b", \t\r\n"))
        end = few + left
        if left:
            break
    return end
