"""One call to an upstream: what came of it, and what health and metrics are told of that."""

import time
from dataclasses import dataclass

from tollkeeper_server.dataplane.call.health import Call
from tollkeeper_server.dataplane.call.retry import retryable_status
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    GarbageError,
    Incoming,
    TimeoutExpiredError,
    TransportError,
)
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.model import Leg, Pool
from tollkeeper_server.telemetry.metrics import Metrics


class Attempt:
    """A call that an upstream has answered. `end` or `abandon` must be called; what comes after the first
    of them counts for nothing.
    """

    __slots__ = ("_began", "_call", "_metrics", "_pool", "ask_usage", "incoming", "leg")

    def __init__(self, leg: Leg, pool: Pool, call: Call, metrics: Metrics, *, ask_usage: bool) -> None:
        self.leg = leg
        self.ask_usage = ask_usage
        self.incoming: Incoming
        self._pool = pool
        self._call: Call | None = call
        self._metrics = metrics
        self._began = time.monotonic()

    def answering(self) -> None:
        """Takes note that the answer has begun, and well."""
        if self._call is not None:
            self._call.answering()

    def end(self, error: str = "", *, blameless: bool = False) -> None:
        """Takes note of how the call came out; `error` empty is well. `blameless` leaves health alone."""
        call, self._call = self._call, None
        if call is None:
            return
        seconds = time.monotonic() - self._began
        upstream = self.leg.target.name
        if blameless:
            call.abandoned()
        elif error:
            call.failed(seconds)
            self._metrics.breaker_result(upstream, "failure")
        else:
            call.succeeded(seconds)
            self._metrics.breaker_result(upstream, "success")
        self._metrics.called(self._pool.name, upstream, seconds, error)

    def abandon(self) -> None:
        """Takes note that nobody waits for the answer any more."""
        call, self._call = self._call, None
        if call is not None:
            call.abandoned()

    def release(self) -> None:
        """Lets go of an answer that is not passed on."""
        self.abandon()
        self.incoming.close()


@dataclass(frozen=True, slots=True)
class Failure:
    """No upstream answered. `unsent`: none can have acted on the request."""

    error: TollkeeperError
    unsent: bool = False


Result = Attempt | Failure


def unserved(result: Result) -> bool:
    """Tells whether another upstream might do better."""
    return isinstance(result, Failure) or retryable_status(result.incoming.status)


def release(result: Result) -> None:
    """Lets go of a result that is not passed on."""
    if isinstance(result, Attempt):
        result.release()


def kind_of(error: TransportError) -> str:
    """Returns the word by which metrics count an error."""
    match error:
        case ConnectError():
            return "connect"
        case TimeoutExpiredError():
            return "timeout"
        case GarbageError():
            return "garbage"
        case _:
            return "cut"


def refusal_of(error: TransportError, leg: Leg) -> TollkeeperError:
    """Returns what a caller is told of an error."""
    match error:
        case TimeoutExpiredError():
            reason = Reason.UPSTREAM_TIMEOUT
        case GarbageError():
            reason = Reason.UPSTREAM_INVALID
        case _:
            reason = Reason.UPSTREAM_UNREACHABLE
    return TollkeeperError(reason, f"the upstream {leg.target.name!r} did not serve the request: {error}")
