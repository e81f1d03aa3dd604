"""What operators are told of upstreams, in the log and in metrics: connections that fail, and breakers."""

import logging

from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import Clock
from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.telemetry.metrics import Metrics

LINES = 10
"""The most lines in the log of one upstream in a minute; further ones are only counted."""

_log = logging.getLogger("tollkeeper.dataplane")
_MINUTE = 60.0


class Notices:
    """Observes the upstreams' health. Each reason of a failure is one line until it changes or is over."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        """`clock` is monotonic, in seconds."""
        self._metrics = metrics
        self._clock = clock
        self._written: dict[str, tuple[float, int]] = {}

    def connecting(self, upstream: str, failure: ConnectFailure, is_new: bool) -> None:
        """Take a failed connection, or its end. `is_new`: it differs from what was told last."""
        if not failure.is_over:
            at = "proxy" if failure.at_proxy else "upstream"
            self._metrics.connect_failed(upstream, at, failure.reason)
        if not is_new:
            return
        if failure.is_over:
            self._write(logging.INFO, upstream, "the upstream %s can be connected to again", upstream)
        else:
            where = ", at its outbound proxy" if failure.at_proxy else ""
            detail = f": {failure.detail}" if failure.detail else ""
            message = "no connection to the upstream %s%s (%s)%s"
            self._write(logging.WARNING, upstream, message, upstream, where, failure.reason.value, detail)

    def breaker_changed(self, upstream: str, was: BreakerState, state: BreakerState) -> None:
        """Take a change of a breaker."""
        self._metrics.breaker_changed(upstream, was, state)
        match state:
            case BreakerState.OPEN:
                message = "the breaker of the upstream %s is open: too many calls have failed"
                self._write(logging.WARNING, upstream, message, upstream)
            case BreakerState.HALF_OPEN:
                message = "the breaker of the upstream %s is half open: one call at a time tries it"
                self._write(logging.INFO, upstream, message, upstream)
            case BreakerState.CLOSED:
                self._write(logging.INFO, upstream, "the breaker of the upstream %s is closed", upstream)

    def _write(self, level: int, upstream: str, message: str, *values: object) -> None:
        now = self._clock()
        since, lines = self._written.get(upstream, (now, 0))
        if now - since >= _MINUTE:
            if lines > LINES:
                _log.warning("%d more lines about the upstream %s were left out", lines - LINES, upstream)
            since, lines = now, 0
        self._written[upstream] = since, lines + 1
        if lines < LINES:
            _log.log(level, message, *values)
