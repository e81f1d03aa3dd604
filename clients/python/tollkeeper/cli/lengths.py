"""Lengths of time and moments as people type them."""

from datetime import UTC, datetime, timedelta

from tollkeeper.messages.lengths import NANOS, read_duration

UNITS = {unit: timedelta(microseconds=nanos // 1_000) for unit, nanos in NANOS.items()}
MAX_MINUTES = 52_560_000  # a hundred years, the longest that the gateway takes


def parse_length(text: str) -> timedelta:
    """Read `90m`, `1.5h`, `1d12h` or `500ms`. Raises `ValueError`, also for a number without a unit."""
    try:
        return read_duration(text).ToTimedelta()
    except ValueError as error:
        raise ValueError(f"{text!r} {error}") from None


def minutes(text: str) -> int:
    """Read a length of time as whole minutes. Raises `ValueError`."""
    count, rest = divmod(parse_length(text), UNITS["m"])
    if rest or not 1 <= count <= MAX_MINUTES:
        raise ValueError(f"{text!r} must be whole minutes, from 1 minute to {MAX_MINUTES // 525_600} years")
    return count


def moment(text: str) -> datetime:
    """Read a time such as `2026-03-01`, `2026-03-01T12:00Z` or `2026-03-01T12:00+01:00`.

    Without an offset it is UTC. Raises `ValueError`.
    """
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.utcoffset() is None else read.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} is not a time; expected one such as 2026-03-01T12:00Z") from None


def past(text: str) -> datetime:
    """Read a time, or how long ago it was, such as `24h`. Raises `ValueError`."""
    if not text.endswith(tuple(UNITS)):  # which no time does
        return _moment_or_ago(text)
    try:
        return datetime.now(UTC) - parse_length(text)
    except OverflowError:
        raise ValueError(f"{text!r} is too long ago") from None


def _moment_or_ago(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise ValueError(f"{error}, or how long ago it was, such as 24h") from None


def relative(then: datetime, now: datetime) -> str:
    """Say how far `then` is from `now` in its largest unit: `5m ago`, `in 3d`."""
    distance = abs(then - now)
    for unit in ("d", "h", "m", "s"):
        if distance >= UNITS[unit]:
            count = distance // UNITS[unit]
            return f"in {count}{unit}" if then > now else f"{count}{unit} ago"
    return "now"
