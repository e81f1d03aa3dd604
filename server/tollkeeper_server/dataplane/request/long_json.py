"""The members of a long JSON body that matter here, read in windows: what reads JSON holds up other threads.

Each window is read with the brackets before it that are open, and with those after it that close them: it
is valid so if it is in its place, and all of the body is valid if each window is. Windows end after a comma
or an opening bracket, and members of the body itself are whole in one if they are no longer than that. Of a
string that is longer than a window, each part is read by itself, and an empty one stands in its place.
"""

import re

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.providers.members import NAME, OPENING, STRING, tokens

WINDOW = 32 * 1024
_MOST = 256 * 1024
_QUOTE, _COMMA, _OBJECT, _ARRAY = b'",{['
_BLANKS = b" \t\r\n"
_NEAR = 512
_INNER = 4  # how many levels of brackets are left out where they are closed
# What stands between strings, and whole strings.
_RUN = re.compile(rb'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
# What stands behind a string or a number, with the sign after which a window can end.
_REST = re.compile(rb'[^",\[{]*+[,\[{]?+')
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
# A part of a string that ends in no escape.
_PART = re.compile(rb'[^"\\]{0,32768}+(?:\\(?:u[0-9a-fA-F]{4}|[^u])[^"\\]{0,128}+){0,256}+', re.DOTALL)
_NO_BRACKETS = bytes({*range(256)} - {*b"[]{}"})
_BEFORE = {_OBJECT: b'{"":', _ARRAY: b"["}
_AFTER = {_OBJECT: b"}", _ARRAY: b"]"}
_GOES_ON = {_OBJECT: (b'{"":0,', b'"":0}'), _ARRAY: (b"[0,", b"0]")}
UNSAID = Raw()
"""Stands for a member that is not there."""
_PLACE = re.compile(r" \(byte \d+\)")


class StreamOptions(Struct):
    """`stream_options` of a chat or completions request."""

    include_usage: bool | None = None


class ModelObject(Struct):
    """A model that is described by an object; `named.py` finds its name there."""


class JsonPeek(Struct):
    """The members of a JSON body that matter here. The rest is checked for syntax and skipped."""

    model: str | ModelObject | UnsetType | None = UNSET
    stream: bool | UnsetType | None = UNSET
    stream_options: StreamOptions | UnsetType | None = UNSET
    store: Raw = UNSAID
    deferred: Raw = UNSAID


_decode = msgspec.json.Decoder(JsonPeek).decode
_check = msgspec.json.Decoder(Raw).decode


def read_long(body: bytes, window: int = WINDOW) -> JsonPeek:
    """Return what a decoder of `JsonPeek` would. Raises as it does, and INVALID_ARGUMENT.

    Of `stream_options` that are longer than a window, no more is read than the beginning.
    """
    found = JsonPeek()
    size = len(body)
    opened = bytearray()
    last = 0  # the sign before the window
    at = 0
    while at < size or not at:
        text, at = _next(body, at, opened, window)
        before = _opening(opened, last)
        _follow(opened, text)
        last = text[-1] if at < size else 0
        try:
            part = _decode(before + text + (_closing(opened, last) if at < size else b""))
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            problem = _PLACE.sub("", str(error))
            raise msgspec.DecodeError(f"{problem}, before byte {at:,}") from error
        for name in JsonPeek.__struct_fields__:
            value = getattr(part, name)
            if value is not UNSET and value is not UNSAID:
                setattr(found, name, value)
    return found


def _next(body: bytes, at: int, opened: bytes | bytearray, window: int) -> tuple[bytes, int]:
    """Return the text of the next window, and where it ends."""
    size = len(body)
    text = b""
    while len(text) <= _MOST:
        found = _RUN.match(body, at, min(at + window, size))
        end = found.end() if found is not None else at
        cut = _cut(body, at, end, opened, text) if end < size else at
        if cut == at and end < size and body[end] != _QUOTE:
            # Strings may all have the same length, so that any number of windows would end behind one.
            found = _REST.match(body, end, min(at + _MOST, size))
            end = found.end() if found is not None else end
            cut = _cut(body, at, end, opened, text) if end < size else at
        if end == size:
            return text + body[at:], size
        if cut > at:
            return text + body[at:cut], cut
        if body[end] != _QUOTE:
            break
        stop = _check_string(body, end)
        text += body[at:end] + (body[end:stop] if stop - end <= window else b'""')
        at = stop
        if at == size:
            return text, size
    raise invalid_argument("body", f"has a number, or blanks, of more than {_MOST:,} bytes; send it without")


def _cut(body: bytes, at: int, end: int, opened: bytes | bytearray, text: bytes) -> int:
    """Return where a window ends that begins at `at`; `at` if nothing before `end` will do."""
    piece = body[at:end]
    depth = len(opened)
    if depth > 1:
        least = depth
        for bracket in _brackets(text) + _brackets(piece):
            depth += 1 if bracket in _BEFORE else -1
            least = min(least, depth)
        depth = least
    if depth <= 1:
        name = _last_name(body, at, end, len(opened), text)
        if name > at:
            return name
    tail = piece.rfind(b'"') + 1
    return at + max(piece.rfind(sign, tail) for sign in (b",", b"[", b"{")) + 1


def _last_name(body: bytes, at: int, end: int, depth: int, text: bytes) -> int:
    """Return where the last member of the body itself begins."""
    for bracket in _brackets(text):
        depth += 1 if bracket in _BEFORE else -1
    # It stands near the end in most windows, and a window may have thousands of names.
    found = _RUN.match(body, at, max(end - _NEAR, at))
    near = found.end() if found is not None else at
    later = depth
    for bracket in _brackets(body[at:near]):
        later += 1 if bracket in _BEFORE else -1
    last = _last_name_between(body, at, near, end, later)
    return last if last > at else _last_name_between(body, at, at, end, depth)


def _last_name_between(body: bytes, at: int, begin: int, end: int, depth: int) -> int:
    last = -1
    for kind, start, _, _ in tokens(body, begin, end):
        if kind == NAME:
            if depth == 1 and _ends_in_comma(body, at, start):
                last = start
        elif kind == OPENING:
            depth += 1
        elif kind != STRING:
            depth -= 1
    return last


def _ends_in_comma(body: bytes, at: int, end: int) -> bool:
    """Return whether a comma, and blanks behind it, stand before a place."""
    while end > at and body[end - 1] in _BLANKS:
        end -= 1
    return end > at and body[end - 1] == _COMMA


def _brackets(text: bytes) -> bytes:
    """Return the brackets outside strings, without most of those that are closed at once."""
    brackets = _STRINGS.sub(b"", text).translate(None, _NO_BRACKETS)
    for _ in range(_INNER):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return brackets


def _follow(opened: bytearray, text: bytes) -> None:
    for bracket in _brackets(text):
        if bracket in _BEFORE:
            opened.append(bracket)
        elif opened:
            opened.pop()


def _opening(opened: bytearray, last: int) -> bytes:
    """Return the beginning of a document whose brackets are open, after the sign that stands last."""
    if not opened:
        return b""
    inner = _GOES_ON[opened[-1]][0] if last not in _BEFORE else b"%c" % opened[-1]
    return b"".join([_BEFORE[bracket] for bracket in opened[:-1]]) + inner


def _closing(opened: bytearray, last: int) -> bytes:
    """Return the end of such a document."""
    if not opened:
        return b""
    inner = _GOES_ON[opened[-1]][1] if last not in _BEFORE else _AFTER[opened[-1]]
    return inner + b"".join([_AFTER[bracket] for bracket in reversed(opened[:-1])])


def _check_string(body: bytes, at: int) -> int:
    """Return where the string ends that begins at `at`. Raises `msgspec.DecodeError` if it is none."""
    at += 1
    while True:
        found = _PART.match(body, at)
        end = found.end() if found is not None else at
        if end == at and body[at : at + 1] != b'"':
            raise msgspec.DecodeError("JSON is malformed: a string has no end, or an escape that is none")
        _check(b'"%b"' % body[at:end])
        at = end
        if body[at : at + 1] == b'"':
            return at + 1
