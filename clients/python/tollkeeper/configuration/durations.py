"""Lengths of time in a configuration file: `1m30s`, `500ms`, `0.25s`, or a number of seconds."""

import re
from decimal import Decimal

from google.protobuf.duration_pb2 import Duration

_NANOS = {
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_WHOLE = re.compile(rf"(?:{_NUMBER}(?:ms|[wdhms]))+|{_NUMBER}")
_PART = re.compile(rf"({_NUMBER})(ms|[wdhms])?")
_WRITTEN = ("h", "m", "s", "ms")
_MAX_SECONDS = 315_576_000_000  # protobuf's, of ten thousand years
EXPECTED = "a length of time, such as 30s, 1m30s, 500ms, or a number of seconds"


def read_duration(text: str) -> Duration:
    """Reads a length of time, to the nanosecond. Raises `ValueError`."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"must be {EXPECTED}")
    nanos = sum((Decimal(number) * _NANOS[unit or "s"] for number, unit in _PART.findall(text)), Decimal())
    seconds, rest = divmod(int(nanos), _NANOS["s"])
    if seconds > _MAX_SECONDS:
        raise ValueError("is too long a time")
    return Duration(seconds=seconds, nanos=rest)


def write_duration(length: Duration) -> str:
    """Writes a length of time that is not negative, as `read_duration` reads it."""
    nanos = length.seconds * _NANOS["s"] + length.nanos
    if nanos % _NANOS["ms"]:
        whole, rest = divmod(nanos, _NANOS["s"])
        return f"{whole}.{rest:09}".rstrip("0") + "s"
    parts = []
    for unit in _WRITTEN:
        count, nanos = divmod(nanos, _NANOS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
