"""Members of a JSON object, each by itself, so that none can hide another.

A decoder refuses a whole document for one `NaN`, as servers in Python write it, or for a stray byte. The scan
here goes by strings and brackets alone. Its time is linear in the document, and its memory constant.
"""

import re
from collections.abc import Collection, Iterator

import msgspec

_BOM = b"\xef\xbb\xbf"
# Possessive, so that nothing is looked at twice. What lies between tokens is one step of a match: a search
# for the next one would go through it slowly.
TOKEN = re.compile(
    rb'[^"{}\[\]]*+(?:("[^"\\]*+(?:\\.[^"\\]*+)*+"?)(?:\s*+(:)\s*+)?|([{\[])|([}\]])|\Z)', re.DOTALL
)
STRING, NAME, OPENING, CLOSING = 1, 2, 3, 4
"""What a match of `TOKEN` is, by its `lastindex`; None for the end of what is searched.

The token is the group of that number, but for a name: that is the string, which a colon follows. A string may
lack its end.
"""
_BLANK = b" \t\r\n"
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_MAX_DEPTH = 4
MAX_BRACKETS = 4_000_000
_BRACKETS = (b"[", b"]", b"{", b"}")

_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_decode_string = msgspec.json.Decoder(str).decode
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def iterate_members(document: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield each member of an object: its name with quotes, where it begins, where its value begins and ends.

    What is no object has no members; neither has the part of one that is not whole.
    """
    depth = begin = value = 0
    name = b""
    start = _start(document)
    if start < 0:
        return
    for token in TOKEN.finditer(document, start):
        kind = token.lastindex
        if kind == STRING:
            continue
        if kind == NAME:
            if depth == 1:
                if name:
                    yield name, begin, value, _end(document, value, token.start(STRING))
                name, begin, value = token[STRING], token.start(STRING), token.end()
        elif kind == OPENING:
            depth += 1
        elif kind == CLOSING:
            depth -= 1
            if depth == 0:
                if name:
                    yield name, begin, value, _end(document, value, token.start(CLOSING))
                return


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
    for token in TOKEN.finditer(document, start):
        kind = token.lastindex
        if kind == OPENING:
            depth += 1
        elif kind == CLOSING:
            depth -= 1
            if depth == 0:
                return _BLANKS.fullmatch(document, token.end()) is not None
    return False


def _start(document: bytes) -> int:
    blanks = _BLANKS.match(document, len(_BOM) if document.startswith(_BOM) else 0)
    start = blanks.end() if blanks is not None else 0
    return start if document[start : start + 1] == b"{" else -1


def _end(document: bytes, start: int, end: int) -> int:
    # Before the comma and the blanks that stand before what comes next.
    return start + len(document[start:end].rstrip(b", \t\r\n"))
