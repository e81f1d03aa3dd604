"""Whether a request may be sent again, and when."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

from tollkeeper_server.dataplane.call.health import Clock
from tollkeeper_server.dataplane.call.window import Window
from tollkeeper_server.domain.traffic import Retry
from tollkeeper_server.snapshot.model import Header

BUDGET_SECONDS = 10.0
"""The time in which requests count as recent for the budget."""
BUDGET_FLOOR = 100
"""The attempts after the first that are allowed in that time, however few requests there are: ten a second,
as with Finagle's RetryBudget.
"""
MAX_RETRY_AFTER = 3600.0
"""The longest wait that an upstream may ask for, in seconds."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
# Another attempt changes neither what a server implements nor the version it speaks.
_FINAL = frozenset({501, 505})
_NUMBER = re.compile(rb"[0-9]+(\.[0-9]+)?", re.ASCII)


class RetryBudget:
    """Bounds attempts after the first to a share of recent requests, so that they can't become a storm."""

    def __init__(self, clock: Clock) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._window = Window(BUDGET_SECONDS)  # attempts; those after the first are marked

    def note_request(self) -> None:
        """Count a request, which is sent for the first time."""
        self._window.add(self._clock(), 0)

    def take(self, percent: int) -> bool:
        """Return whether an attempt after the first may be made, and count it if so."""
        now, window = self._clock(), self._window
        window.expire(now)
        requests = window.total - window.marked
        if window.marked >= max(BUDGET_FLOOR, requests * percent // 100):
            return False
        window.add(now, 1)
        return True


def wait_seconds(retry: Retry, nth: int, random: Random) -> float:
    """Return how long to wait before the n-th round of attempts, n from 1: as `Retry` says."""
    longest_ms = min(retry.initial_ms << (nth - 1), retry.max_ms)
    return longest_ms / 1000.0 * random.uniform(0.5, 1.0)


def retryable_status(status: int) -> bool:
    """Return whether an answer of this status may be better at another time or upstream."""
    return status in {408, 429} or (500 <= status <= 599 and status not in _FINAL)


def is_safe(method: str) -> bool:
    """Return whether a request sent twice has the effect of one (RFC 9110, 9.2.2)."""
    return method in _SAFE


def retry_after_seconds(headers: Iterable[Header], now: datetime) -> float | None:
    """Return how long the upstream asks to wait, at most MAX_RETRY_AFTER; None if it does not say.

    `retry-after-ms` (OpenAI and Azure) goes before `retry-after`, which is seconds or a date (RFC 9110,
    10.2.3). Seconds may have a fraction. What can not be read is ignored.
    """
    asked: float | None = None
    for name, value in headers:
        match name.lower():
            case b"retry-after-ms" if (milliseconds := _number(value)) is not None:
                return min(milliseconds / 1000.0, MAX_RETRY_AFTER)
            case b"retry-after" if asked is None:
                asked = _number(value)
                if asked is None:
                    asked = _until(value, now)
    return min(asked, MAX_RETRY_AFTER) if asked is not None else None


def _number(value: bytes) -> float | None:
    value = value.strip()
    return float(value) if _NUMBER.fullmatch(value) else None


def _until(value: bytes, now: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(value.decode("ascii"))
        if date.tzinfo is None:  # the form of asctime, which is in UTC
            date = date.replace(tzinfo=UTC)
        return max((date - now).total_seconds(), 0.0)
    except (ValueError, OverflowError):
        return None
