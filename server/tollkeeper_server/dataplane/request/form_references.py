"""The kept things that a form, or a body of another kind, refers to.

A field counts by its name, or by any name in brackets behind it: servers read `images[0][file_id]` as a
member. A field that holds JSON (the `session` of a realtime call) is looked through as such a body is. So is
JSON in UTF-16 or UTF-32, which decoders in Python read unasked.
"""

import codecs
import json
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from tollkeeper_server.dataplane.request.parts import Part, options_of, read_parts
from tollkeeper_server.dataplane.request.references import (
    Reference,
    Referred,
    named_reference,
    walk_references,
)

_MAX_VALUE = 1024
_PAIRS = 200
_STEP = 64 * 1024
# Of so many bytes, a decoder tells the encoding, and blanks before JSON are skipped.
_BEGINNING = 256
_WIDE = frozenset({"utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "utf-32-le"})
_BRACKETS = re.compile(r"[^\[\].]+")
_JSON = re.compile(rb"[\xef\xbb\xbf \t\r\n]*+[{\[]")
_PLUS = bytes.maketrans(b"+", b" ")


def form_references(body: bytes, boundary: bytes, found: Referred) -> Iterator[tuple[Iterator[None], int]]:
    """Add what a form refers to that was read before; yield walks to be gone through, and their sizes.

    Raises INVALID_ARGUMENT if that is too much.
    """
    _, parts = read_parts(body, boundary)
    for part in parts:
        name = _name(part)
        if name is None:
            continue
        if _JSON.match(body, part.start, part.end):
            yield walk_references(body[part.start : part.end], found), part.end - part.start
        else:
            found.add(_field(name, body[part.start : min(part.end, part.start + _MAX_VALUE)]))


def names_references(fields: frozenset[bytes]) -> bool:
    """Return whether fields of these names may refer to something that must be the project's own."""
    return any(found.must_be_own for name in fields for found in _field(name, b"x"))


def other_references(
    content_type: bytes, body: bytes, found: Referred
) -> Iterator[tuple[Iterator[None], int]]:
    """Do as `form_references` with a body whose type is not looked into: a server might read it still."""
    encoding = json.detect_encoding(body[:_BEGINNING])
    if encoding in _WIDE:
        if _JSON.match(body[:_BEGINNING].decode(encoding, "ignore").encode()):
            yield _walk_wide(body, encoding, found), len(body)
    elif _JSON.match(body):
        yield walk_references(body, found), len(body)
    elif b"urlencoded" in content_type.lower():
        yield _walk_fields(body, found), len(body)


def _walk_wide(body: bytes, encoding: str, found: Referred) -> Iterator[None]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    parts = []
    for at in range(0, len(body), _STEP):
        parts.append(decoder.decode(body[at : at + _STEP]).encode())
        yield
    yield from walk_references(b"".join(parts), found)


def _walk_fields(body: bytes, found: Referred) -> Iterator[None]:
    for number, pair in enumerate(body.split(b"&")):
        name, _, value = pair.translate(_PLUS).partition(b"=")
        found.add(_field(unquote_to_bytes(name), unquote_to_bytes(value)))
        if number % _PAIRS == 0:
            yield


def _field(name: bytes, value: bytes) -> Iterator[Reference]:
    text = value.decode("utf-8", "replace").strip()
    for one in _BRACKETS.findall(name.decode("utf-8", "replace")):
        found = named_reference(one, text)
        if found is not None:
            yield found


def _name(part: Part) -> bytes | None:
    """Return the name of a field, None for a file."""
    _, options = options_of(part.headers.get(b"content-disposition", b""), "a part's content-disposition")
    return None if {b"filename", b"filename*"} & options.keys() else options.get(b"name", b"")
