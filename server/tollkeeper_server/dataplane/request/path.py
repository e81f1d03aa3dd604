"""What no path and no query may hold, and the spellings of a path that servers take for the same."""

import re
from urllib.parse import unquote_to_bytes

from tollkeeper_server.errors import Reason, TollkeeperError

# Printable ASCII without backslash, and without what begins a query or a fragment. The slash at the
# front keeps the path from being read as part of the upstream's host.
_SAFE_PATH = re.compile(r"/[!\"$->@-\[\]-~]*")
_DOTS = (b".", b"..")
_SEGMENT_END = re.compile(rb"[/\\]")
# A line break would end the line of a request. Backslashes are slashes to some servers; UTF-8 has no bytes
# 0xC0 and 0xC1, with which dots and slashes were written once; %u002e is neither.
_MISLEADING = re.compile(rb"[\r\n\\\xc0\xc1]|%[uU]")
# Some servers cut off what follows a NUL or semicolon before they look, and blanks at the ends.
_CUT_OFF = re.compile(rb"[\0;]")
_BLANKS = bytes(range(33)) + b"\x7f"
_SAFE_QUERY = re.compile(rb"[!\"$-~]*")
MAX_PATH = 4096


def check_path(raw_path: bytes) -> None:
    """Raise INVALID_ARGUMENT for a path that no upstream should see.

    That is one with dot segments, with characters that a path can't have, or over 4,096 bytes.
    """
    path = raw_path.decode("latin-1")
    if len(path) > MAX_PATH or not _SAFE_PATH.fullmatch(path) or _misleads(raw_path):
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            "the path has dot segments, or characters that a URL can't have, or is too long; "
            "use a path such as /v1/chat/completions",
            field="path",
        )


def check_query(query: bytes) -> None:
    """Raise INVALID_ARGUMENT if a request line can't have the query."""
    if query and not _SAFE_QUERY.fullmatch(query):
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            "the query has characters that a URL can't have; percent-encode them",
            field="query",
        )


def as_upstreams_read(path: str) -> str:
    """Return a path in the one spelling, in small letters, of all that servers take for the same."""
    # Servers take these for the same path (RFC 3986, 6.2.2; doubled slashes and parameters behind a semicolon
    # by custom), so that no spelling may get round an endpoint's metering.
    plain = unquote_to_bytes(path).decode("latin-1").lower()
    segments = plain.split("/")
    if ";" in plain:
        segments = [segment.partition(";")[0] for segment in segments]
    return "/" + "/".join(segment for segment in segments if segment)


def _misleads(raw_path: bytes) -> bool:
    """Return whether servers may find dot segments or line breaks in a path."""
    # Decoded as often as an upstream might: a dot segment must not hide behind %252e.
    decoded = raw_path
    for _ in range(3):
        if _MISLEADING.search(decoded) or any(map(_is_dots, _SEGMENT_END.split(decoded))):
            return True
        if b"%" not in decoded:
            return False
        decoded = unquote_to_bytes(decoded)
    return False


def _is_dots(segment: bytes) -> bool:
    return _CUT_OFF.split(segment, maxsplit=1)[0].strip(_BLANKS) in _DOTS
