"""How much sound a transcription says that it was made of, where it says no usage."""

import msgspec
from msgspec import Raw, Struct

from tollkeeper_server.providers.members import scan_members
from tollkeeper_server.providers.usage import Counts, read_usage

_SIGN = b'"duration"'


class _Transcription(Struct):
    duration: Raw = Raw(b"")


_decode = msgspec.json.Decoder(_Transcription).decode


def read_heard(body: bytes) -> Counts | None:
    """Return the counts of a transcription by its `duration`, in seconds; None if it has none."""
    if _SIGN not in body:
        return None
    try:
        seconds = bytes(_decode(body).duration)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        seconds = scan_members(body, {"duration"}).get("duration", b"")
    return read_usage(Raw(b'{"seconds":%b}' % seconds)) if seconds else None
