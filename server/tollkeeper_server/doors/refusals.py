"""What the console's port refuses callers: a metric counts it by reason, and the log says it now and then."""

import logging
import time
from collections.abc import Callable
from enum import StrEnum

from tollkeeper_server.telemetry.once_a_minute import OnceAMinute

_log = logging.getLogger("tollkeeper.http")


class Refusal(StrEnum):
    """Why a caller is refused, or its connection or stream ended."""

    CONNECTIONS = "connections"
    REQUESTS = "requests"
    STREAMS = "streams"
    RESETS = "resets"
    FRAMES = "frames"
    WASTE = "waste"
    HEADS = "heads"
    MALFORMED = "malformed"
    FAULT = "fault"
    SLOW_HEAD = "slow_head"
    SLOW_BODY = "slow_body"
    UNREAD = "unread"
    HANDSHAKE = "handshake"


_SAID = {
    Refusal.CONNECTIONS: "there are too many connections",
    Refusal.REQUESTS: "too many requests are under way",
    Refusal.STREAMS: "it opened more streams at once than its connection may have",
    Refusal.RESETS: "it gave too many streams up",
    Refusal.FRAMES: "it sent too many frames that ask for nothing",
    Refusal.WASTE: "its address asked for too much that is of no use",
    Refusal.HEADS: "it sent too much without completing a request's head",
    Refusal.MALFORMED: "it broke the rules of HTTP/2",
    Refusal.FAULT: "what it sent made the server fail",
    Refusal.SLOW_HEAD: "a request's head did not come in time",
    Refusal.SLOW_BODY: "a request's body did not come in time",
    Refusal.UNREAD: "it did not read its answers",
    Refusal.HANDSHAKE: "its handshake failed",
}


class Refusals:
    """Counts refusals by reason, and logs the first of each reason in a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds."""
        self._telling = OnceAMinute(clock)
        self.counts = dict.fromkeys(Refusal, 0)
        """How many there were of each reason."""

    def count(self, refusal: Refusal, address: str | None) -> None:
        """Count one of a caller's address."""
        self.counts[refusal] += 1
        if self._telling.is_due(refusal):
            _log.warning(
                "the console refused %s: %s (%d so far; further ones are not logged for a minute)",
                address or "a local caller",
                _SAID[refusal],
                self.counts[refusal],
                exc_info=refusal is Refusal.FAULT,
            )

    def count_handshake(self) -> None:
        """Count a handshake of TLS that failed. The log does not say it: strangers look at open ports."""
        self.counts[Refusal.HANDSHAKE] += 1
