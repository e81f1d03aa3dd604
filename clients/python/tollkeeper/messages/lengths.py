"""Moments and lengths of time as texts: RFC 3339, `1m30s`, `500ms`, `0.25s`."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.duration_pb2 import Duration

NANOS = {
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
}
"""Units of time, in nanoseconds."""
_NUMBER = r"[0-9]{1,40}(?:\.[0-9]{1,9})?"
_WHOLE = re.compile(rf"(?:{_NUMBER}(?:ms|[wdhms]))+")
_PART = re.compile(rf"({_NUMBER})(ms|[wdhms])")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MAX_LENGTH = 500
_WRITTEN = ("h", "m", "s", "ms")
_MAX_SECONDS = 315_576_000_000  # protobuf's, of ten thousand years
_EXPECTED = "must be a length of time, such as 30s, 1m30s or 500ms"
UNITS_NAMED = "needs a unit: ms, s, m, h, d or w, such as 30s, 1m30s or 500ms"
"""What to say of a length of time that is a number alone."""


def read_duration(text: str) -> Duration:
    """Read a length of time, to the nanosecond. Raises `ValueError`, also for a number without a unit."""
    if len(text) > _MAX_LENGTH:
        raise ValueError(_EXPECTED)
    if _PLAIN.fullmatch(text):
        raise ValueError(UNITS_NAMED)
    if not _WHOLE.fullmatch(text):
        raise ValueError(_EXPECTED)
    nanos = sum((Decimal(number) * NANOS[unit] for number, unit in _PART.findall(text)), Decimal())
    seconds, rest = divmod(int(nanos), NANOS["s"])
    if seconds > _MAX_SECONDS:
        raise ValueError("is too long a time")
    return Duration(seconds=seconds, nanos=rest)


def write_duration(length: Duration) -> str:
    """Write a length of time that is not negative, as `read_duration` reads it."""
    nanos = length.seconds * NANOS["s"] + length.nanos
    if nanos % NANOS["ms"]:
        whole, rest = divmod(nanos, NANOS["s"])
        return f"{whole}.{rest:09}".rstrip("0") + "s"
    parts = []
    for unit in _WRITTEN:
        count, nanos = divmod(nanos, NANOS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def seconds(length: timedelta) -> str:
    """Write a length of time as its seconds, to the microsecond: `0.5s`."""
    whole, micro = divmod(length // timedelta(microseconds=1), 1_000_000)
    return f"{whole}.{micro:06}".rstrip("0") + "s" if micro else f"{whole}s"


def rfc3339(moment: datetime) -> str:
    """Write an aware time in UTC, with microseconds if it has any."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
