"""Times as text."""

from datetime import UTC, datetime


def time_text(time: datetime) -> str:
    """Return an aware time as UTC text of one length, to the microsecond: texts sort as the times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
