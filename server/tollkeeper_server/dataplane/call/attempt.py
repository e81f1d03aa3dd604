"""One call of an upstream: its outcome, and how health and metrics are told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tollkeeper_server.dataplane.call.health import UpstreamCall
from tollkeeper_server.dataplane.call.redirect import RedirectError
from tollkeeper_server.dataplane.call.retry import retryable_status
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    GarbageError,
    Incoming,
    LocalShortageError,
    TimeoutExpiredError,
    TransportError,
)
from tollkeeper_server.errors import Reason, TollkeeperError, shortage_error
from tollkeeper_server.snapshot.model import Pool, PoolMember
from tollkeeper_server.telemetry.metrics import Metrics


class Attempt:
    """A call that an upstream has answered. `end` or `abandon` must follow; the first of them counts."""

    __slots__ = ("_call", "_metrics", "_pool", "ask_usage", "began", "incoming", "member")

    def __init__(
        self, member: PoolMember, pool: Pool, call: UpstreamCall, metrics: Metrics, *, ask_usage: bool
    ) -> None:
        self.member = member
        self.ask_usage = ask_usage
        self.incoming: Incoming
        self._pool = pool
        self._call = call
        self._metrics = metrics
        self.began = time.monotonic()

    def answering(self) -> None:
        """Record that the answer has begun well."""
        self._call.answering()

    def end(self, error: str = "", *, blameless: bool = False) -> None:
        """Record the outcome: `error` is its kind, empty for none. `blameless` leaves the health alone."""
        seconds = time.monotonic() - self.began
        upstream = self.member.target.name
        if blameless:
            counts = self._call.abandoned(error)
        elif error:
            counts = self._call.failed(seconds, error)
        else:
            counts = self._call.succeeded(seconds)
        if not counts:
            return
        if not blameless:
            self._metrics.breaker_result(upstream, "failure" if error else "success")
        self._metrics.called(self._pool.name, upstream, seconds, error)

    def abandon(self) -> None:
        """Record that the answer is not waited for any more."""
        self._call.abandoned()

    def release(self) -> None:
        """Give up an answer that is not passed on."""
        self.abandon()
        self.incoming.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read the answer within, which is not passed on; record how that ends, and free it.

        Raises the error for the caller if the answer breaks off.
        """
        try:
            yield
            self.end()
        except TransportError as error:
            self.end(kind_of(error))
            raise broken_off(error, self.member) from error
        finally:
            self.release()


@dataclass(frozen=True, slots=True)
class Failure:
    """No upstream answered.

    `unsent` says that none can have acted on the request. `is_local` says that this machine lacked what a
    connection takes: a request that waits takes it from others. `lasts` says that the same upstream fails
    again, whenever it is called.
    """

    error: TollkeeperError
    unsent: bool = False
    is_local: bool = False
    lasts: bool = False


Result = Attempt | Failure


def unserved(result: Result) -> bool:
    """Return whether another upstream might do better."""
    if isinstance(result, Failure):
        return True
    status = result.incoming.status
    return status >= 400 and retryable_status(status)


def release(result: Result) -> None:
    """Give up a result that is not passed on."""
    if isinstance(result, Attempt):
        result.release()


def kind_of(error: TransportError) -> str:
    """Return the word by which metrics count an error."""
    match error:
        case ConnectError():
            return "connect"
        case TimeoutExpiredError():
            return "timeout"
        case GarbageError():
            return "garbage"
        case RedirectError():
            return "redirect"
        case _:
            return "cut"


def refusal_of(error: TransportError, member: PoolMember) -> TollkeeperError:
    """Return the error that the caller is answered with."""
    match error:
        case LocalShortageError():
            return shortage_error(error.shortage.text)
        case TimeoutExpiredError():
            reason = Reason.UPSTREAM_TIMEOUT
        case GarbageError() | RedirectError():
            reason = Reason.UPSTREAM_INVALID
        case _:
            reason = Reason.UPSTREAM_UNREACHABLE
    return TollkeeperError(reason, f"the upstream {member.target.name!r} did not serve the request: {error}")


def broken_off(error: TransportError, member: PoolMember) -> TollkeeperError:
    """Return the error that the caller is answered with if an answer broke off that it got nothing of."""
    match error:
        case TimeoutExpiredError():
            reason = Reason.UPSTREAM_TIMEOUT
        case GarbageError():
            reason = Reason.UPSTREAM_INVALID
        case _:
            reason = Reason.UPSTREAM_CUT
    return TollkeeperError(
        reason,
        f"the answer of the upstream {member.target.name!r} is incomplete: {error}; ask again",
    )
