"""The interceptors of `chain.py`, which says in what order they stand."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import cast

from google.protobuf.message import Message
from protovalidate import Validator
from tollkeeper.v1 import options_pb2

from tollkeeper_server.domain.author import Author, acting
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.shortage import shortage_in
from tollkeeper_server.errors import Reason, TollkeeperError, shortage_error
from tollkeeper_server.management.chain.chain import Answer, Interceptor, Invocation, Next
from tollkeeper_server.management.chain.large import looked_through
from tollkeeper_server.management.chain.registry import (
    AnyHandler,
    Handler,
    StreamHandler,
    changes_nothing,
    policy_of,
    validates_only,
)
from tollkeeper_server.management.chain.violations import check_lists, refusal
from tollkeeper_server.telemetry.shortages import shortages

_log = logging.getLogger("tollkeeper.management")
_LONGEST_SECONDS = 60.0
# How long a caller may leave the next message of a stream unread.
_UNTAKEN_SECONDS = 60.0
_STRANGERS_A_SECOND = 10
_STRANGERS = {Reason.INVALID_API_KEY, Reason.SESSION_ENDED}


async def map_errors(invocation: Invocation, proceed: Next) -> Answer:
    """Turn a fault of ours into INTERNAL: the log has its details under an id, the caller has the id."""
    try:
        return await proceed(invocation)
    except TollkeeperError:
        raise
    except Exception as error:
        shortage = shortage_in(error)
        if shortage is not None:
            shortages.note(shortage, "a management call could not be served")
            raise shortage_error(shortage.text) from error
        error_id = new_id(Prefix.REQUEST)
        _log.exception("internal error %s in %s", error_id, invocation.call.method.full_name)
        raise TollkeeperError(
            Reason.INTERNAL, f"internal error {error_id}; the server's log says more under that id"
        ) from error


class Log:
    """Writes one line about each call: method, request id, outcome, duration, and of a stream how many
    messages were sent. It is written when the call ends.

    Of calls without the management token, which anybody can make, some lines a second are enough: the next
    one then says how many there were besides.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds."""
        self._clock = clock
        self._second = -1
        self._written = self._left_out = 0

    async def __call__(self, invocation: Invocation, proceed: Next) -> Answer:
        """Pass a call on, and write its line."""
        began = time.perf_counter()
        outcome: str = Reason.INTERNAL
        try:
            answer = await proceed(invocation)
            outcome = "ok"
            return answer
        except TollkeeperError as error:
            outcome = error.reason
            raise
        except asyncio.CancelledError:
            outcome = Reason.CLIENT_GONE
            raise
        finally:
            if outcome not in _STRANGERS or self._has_room():
                request = invocation.request
                _log.info(
                    "%s %s %s %.1f ms%s%s",
                    invocation.call.method.full_name,
                    invocation.call.request_id,
                    outcome,
                    (time.perf_counter() - began) * 1000,
                    "" if invocation.send is None else f", {invocation.sent} messages",
                    ", only checked" if request is not None and validates_only(request) else "",
                )

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            if self._left_out:
                _log.info("%d more calls without the management token were refused", self._left_out)
            self._second, self._written, self._left_out = second, 0, 0
        self._written += 1
        if self._written > _STRANGERS_A_SECOND:
            self._left_out += 1
        return self._written <= _STRANGERS_A_SECOND


async def deadline(invocation: Invocation, proceed: Next) -> Answer:
    """Stop waiting when the caller does, and after a minute in any case, unless the call is a stream."""
    limit = invocation.call.deadline
    left = _LONGEST_SECONDS if invocation.send is None else None
    if limit is not None:
        left = min(limit - time.monotonic(), left or math.inf)
    message = (
        "no answer in time; whether the call took effect is not known"
        if invocation.send is None
        else "the caller's deadline has passed"
    )
    if left is not None and left <= 0:
        raise TollkeeperError(Reason.DEADLINE_EXCEEDED, "the deadline had passed before the call began")
    try:
        async with asyncio.timeout(left):
            return await proceed(invocation)
    except TimeoutError as error:
        raise TollkeeperError(Reason.DEADLINE_EXCEEDED, message) from error


def validate(validator: Validator) -> Interceptor:
    """Return the interceptor that reads the request and holds it to the protos' rules."""

    def check(request: Message) -> None:
        check_lists(request)
        violations = validator.collect_violations(request)
        if violations:
            raise refusal(violations)

    async def interceptor(invocation: Invocation, proceed: Next) -> Answer:
        request = await invocation.read()
        await looked_through(request.ByteSize(), lambda: check(request))
        invocation.request = request
        return await proceed(invocation)

    return interceptor


async def authorise(invocation: Invocation, proceed: Next) -> Answer:
    """Let a caller pass who has the method's role; no caller passes to a method that names none."""
    role = policy_of(invocation.call.method).role
    if role == options_pb2.ROLE_UNSPECIFIED or role not in invocation.roles:
        raise TollkeeperError(
            Reason.PERMISSION_DENIED, f"{invocation.call.method.name} may not be called with this token"
        )
    return await proceed(invocation)


class Handle:
    """The end of the chain: calls the method's handler.

    A change that has begun is finished even if the caller leaves or its deadline passes: a revocation that
    was written is also announced. A call that only reads, or is only checked, ends then.
    """

    def __init__(self, handlers: Mapping[str, AnyHandler], trials: Mapping[str, AnyHandler]) -> None:
        """Take the handlers, and those of calls with `validate_only`, which change nothing."""
        self._handlers = handlers
        self._trials = trials
        self._running: set[asyncio.Task[Message]] = set()

    async def __call__(self, invocation: Invocation) -> Answer:
        """Return the handler's answer, or send its messages."""
        assert invocation.request is not None, "validate comes before the handler"
        method = invocation.call.method
        is_trial = validates_only(invocation.request)
        handler = (self._trials if is_trial else self._handlers)[method.full_name]
        if invocation.send is not None:
            await _send_all(invocation, cast("StreamHandler", handler)(invocation.request))
            return None
        handling = cast("Handler", handler)(invocation.request)
        if is_trial or changes_nothing(method):
            return await handling
        with acting(_author_of(invocation)):
            task = asyncio.ensure_future(handling)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Message]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that still waits gets it; that none does is no fault


def _author_of(invocation: Invocation) -> Author:
    call = invocation.call
    return Author(
        door=call.door,
        method=call.method.name,
        caller=invocation.caller,
        source=call.peer,
        request_id=call.request_id,
    )


async def _send_all(invocation: Invocation, messages: AsyncGenerator[Message]) -> None:
    """Send the messages of a stream, each within a time."""
    assert invocation.send is not None
    async with contextlib.aclosing(messages):
        async for message in messages:
            try:
                async with asyncio.timeout(_UNTAKEN_SECONDS):
                    await invocation.send(message)
            except TimeoutError as error:
                raise TollkeeperError(
                    Reason.RATE_LIMIT_EXCEEDED,
                    f"no message was taken for {_UNTAKEN_SECONDS:.0f} seconds; call again",
                ) from error
            invocation.sent += 1
