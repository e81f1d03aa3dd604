"""The parts of a multipart body (RFC 2046, 5.1), where all servers find the same ones.

Servers differ in what they forgive: a line break that is LF alone, a folded header, a boundary that goes on.
What one of them forgives, another reads as something else, so that it is refused here. What all who take it
read alike is read: a preamble, blanks after a boundary, an epilogue.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from tollkeeper_server.errors import Reason, TollkeeperError

MAX_PARTS = 1000
MAX_HEAD = 16 * 1024
"""The most bytes of a part's headers."""

_TOKEN = rb"[!#-'*+\-.^-z|~0-9A-Z]+"
_KIND = re.compile(rb"[ \t]*(%b(?:/%b)?)[ \t]*" % (_TOKEN, _TOKEN))
# A value in quotes may have pairs with a backslash; one without quotes ends at the next blank.
_OPTION = re.compile(rb';[ \t]*(?:(%b)=("(?:[^"\\]|\\.)*"|[^\s";,\\]+)[ \t]*)?' % _TOKEN, re.DOTALL)
# Possessive, so that blanks are not looked at again and again.
_FIELD = re.compile(rb"(%b):[ \t]*+((?:[^ \t]++|[ \t]++(?=[^ \t]))*+)[ \t]*+" % _TOKEN)
_AFTER = re.compile(rb"(--)?[ \t]{0,256}+(\r\n|\n|\Z)")
# So much is searched in one step, so that other threads go on.
_STEP = 4 << 20
_DISPOSITION = b"content-disposition"
_CONTROLS = bytes({*range(32), 127} - {9})
_JSON = re.compile(rb"[\xef\xbb\xbf \t\r\n]*+[{\[]")
_ONCE = frozenset(
    {
        b"content-disposition", b"content-encoding", b"content-length", b"content-transfer-encoding",
        b"content-type",
    }
)  # fmt: skip


class Part(Struct, frozen=True, gc=False):
    """One part: its headers, by names in lower case, and where its content is in the body.

    `length` is where the number of its content-length is, if it has one.
    """

    headers: dict[bytes, bytes]
    start: int
    end: int
    length: tuple[int, int] | None


def read_parts(body: bytes, boundary: bytes) -> tuple[int, Iterator[Part]]:
    """Return where the first boundary is, and the parts. Raises INVALID_ARGUMENT, also while it iterates."""
    dashes = b"--" + boundary
    begin = _find(body, dashes, 0)
    if begin < 0:
        raise malformed("the boundary of its content-type is not in it")
    _check_around(body, 0, begin)
    if _JSON.match(body, 0, begin):
        # Servers that decode JSON whatever its type is said to be stop at its end.
        raise malformed("it has JSON before its first boundary")
    return begin, _between(body, dashes, begin)


def _between(body: bytes, dashes: bytes, at: int) -> Iterator[Part]:
    boundaries, start = 0, -1
    while True:
        # Django's parser ends a part at a boundary within a line, too.
        if at and body[at - 2 : at] != b"\r\n":
            raise malformed("its boundary stands elsewhere than after a CRLF; choose another")
        if start >= 0:
            yield _part(body, start, at - 2)
        boundaries += 1
        after = _AFTER.match(body, at + len(dashes))
        if after is None:
            raise malformed("a line in it begins with its boundary and goes on")
        if after.group(1) is not None:
            break
        if after.group(2) != b"\r\n":
            raise malformed("it has a boundary after which the line does not end in CRLF")
        if boundaries > MAX_PARTS:
            raise malformed(f"it has more than {MAX_PARTS} parts")
        start = after.end()
        at = _find(body, dashes, start)
        if at < 0:
            raise malformed("its last boundary is missing")
    if _find(body, dashes, after.end()) >= 0:
        raise malformed("its boundary stands after the last one, too; choose another")
    _check_around(body, after.end(), len(body))


def _check_around(body: bytes, start: int, end: int) -> None:
    """Refuse what Django's parser takes for a part before the first boundary or after the last."""
    for at in range(start, end, _STEP):
        if _DISPOSITION in body[at : min(at + _STEP + len(_DISPOSITION), end)].lower():
            raise malformed("it has a part before its first boundary or after its last")


def _find(body: bytes, wanted: bytes, start: int) -> int:
    for at in range(start, len(body), _STEP):
        found = body.find(wanted, at, at + _STEP + len(wanted) - 1)
        if found >= 0:
            return found
    return -1


def _part(body: bytes, start: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", start, min(start + MAX_HEAD, end))
    if blank < 0:
        raise malformed(f"a part in it has no headers, or more than {MAX_HEAD:,} bytes of them")
    headers: dict[bytes, bytes] = {}
    length = None
    at = start
    for line in body[start:blank].split(b"\r\n"):
        field = _FIELD.fullmatch(line)
        if field is None or len(line.translate(None, _CONTROLS)) != len(line):
            raise malformed("a header of a part has no name, is folded or has a control character")
        name = field.group(1).lower()
        if name in headers and name in _ONCE:
            raise malformed(f"a part in it has {name.decode()} twice")
        headers[name] = field.group(2)
        if name == b"content-length":
            length = at + field.start(2), at + field.end(2)
        at += len(line) + 2
    content = blank + 4
    if length is not None and headers[b"content-length"] != b"%d" % (end - content):
        raise malformed("a part in it is not as long as its content-length says")
    return Part(headers, content, end, length)


def options_of(value: bytes, where: str) -> tuple[bytes, dict[bytes, bytes]]:
    """Return a header's value and its parameters, both but for the values in lower case.

    Raises INVALID_ARGUMENT, saying `where`, if servers may read them differently.
    """
    kind = _KIND.match(value)
    if kind is None:
        raise malformed(f"{where} can't be read")
    options: dict[bytes, bytes] = {}
    at = kind.end()
    while at < len(value):
        option = _OPTION.match(value, at)
        if option is None:
            raise malformed(f"{where} can't be read; put values in quotes")
        at = option.end()
        if option.group(1) is not None:
            name, content = option.group(1).lower(), option.group(2)
            if name in options:
                raise malformed(f"{where} has {name.decode()} twice")
            options[name] = content[1:-1] if content.startswith(b'"') else content
    # RFC 7578, 4.2: only the name of a file may be extended, by clients that do not know better.
    extended = [name for name in options if b"*" in name and name != b"filename*"]
    if extended:
        raise malformed(f"{where} has {extended[0].decode()}, which forms can't have")
    return kind.group(1).lower(), options


def malformed(why: str) -> TollkeeperError:
    """Return the error for a form that can't be read."""
    return TollkeeperError(
        Reason.INVALID_ARGUMENT,
        f"the request's body is not a form that can be read: {why}",
        field="body",
    )
