"""The interceptors of `chain.py`, which says in what order they stand."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping

from google.protobuf.message import Message
from protovalidate import Validator
from tollkeeper.v1 import options_pb2

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import Interceptor, Invocation, Next
from tollkeeper_server.management.chain.registry import Handler, changes_nothing, policy_of
from tollkeeper_server.management.chain.violations import refusal

_log = logging.getLogger("tollkeeper.management")
_LONGEST_SECONDS = 60.0
_SCHEME = "bearer"


async def map_errors(invocation: Invocation, proceed: Next) -> Message:
    """Turn a fault of ours into INTERNAL: the log has its details under an id, the caller has the id."""
    try:
        return await proceed(invocation)
    except TollkeeperError:
        raise
    except Exception as error:
        error_id = new_id(Prefix.REQUEST)
        _log.exception("internal error %s in %s", error_id, invocation.call.method.full_name)
        raise TollkeeperError(
            Reason.INTERNAL, f"internal error {error_id}; the server's log says more under that id"
        ) from error


async def log(invocation: Invocation, proceed: Next) -> Message:
    """Write one line about the call: method, request id, outcome, duration."""
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
        _log.info(
            "%s %s %s %.1f ms",
            invocation.call.method.full_name,
            invocation.call.request_id,
            outcome,
            (time.perf_counter() - began) * 1000,
        )


async def deadline(invocation: Invocation, proceed: Next) -> Message:
    """Stop waiting when the caller does, and after a minute in any case."""
    limit = invocation.call.deadline
    left = _LONGEST_SECONDS if limit is None else min(limit - time.monotonic(), _LONGEST_SECONDS)
    message = "no answer in time; whether the call took effect is not known"
    if left <= 0:
        raise TollkeeperError(Reason.DEADLINE_EXCEEDED, "the deadline had passed before the call began")
    try:
        async with asyncio.timeout(left):
            return await proceed(invocation)
    except TimeoutError as error:
        raise TollkeeperError(Reason.DEADLINE_EXCEEDED, message) from error


def authenticate(management_token: str) -> Interceptor:
    """Return the interceptor that gives the admin's role to a caller with the management token."""
    expected = _digest(management_token)

    async def interceptor(invocation: Invocation, proceed: Next) -> Message:
        presented = _bearer(invocation.call.metadata)
        if presented is None:
            raise TollkeeperError(
                Reason.INVALID_API_KEY,
                "the management token is missing; send it as Authorization: Bearer <token>",
            )
        if not hmac.compare_digest(_digest(presented), expected):
            raise TollkeeperError(
                Reason.INVALID_API_KEY,
                "this is not the management token; it is the server's TOLLKEEPER_MANAGEMENT_TOKEN",
            )
        invocation.roles = frozenset({options_pb2.ROLE_ADMIN})
        return await proceed(invocation)

    return interceptor


def _bearer(metadata: Mapping[str, str]) -> str | None:
    scheme, blank, token = metadata.get("authorization", "").strip().partition(" ")
    if scheme.lower() == _SCHEME:
        return token.strip() or None
    return None if blank else scheme or None  # the bare token, as some clients send it


def _digest(token: str) -> bytes:
    # Digests have one length, so that comparing them takes the same time for every token.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def validate(validator: Validator) -> Interceptor:
    """Return the interceptor that decodes the request and holds it to the protos' rules."""

    async def interceptor(invocation: Invocation, proceed: Next) -> Message:
        request = invocation.decode()
        violations = validator.collect_violations(request)
        if violations:
            raise refusal(violations)
        invocation.request = request
        return await proceed(invocation)

    return interceptor


async def authorise(invocation: Invocation, proceed: Next) -> Message:
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
    was written is also announced. A call that only reads ends then.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._running: set[asyncio.Task[Message]] = set()

    async def __call__(self, invocation: Invocation) -> Message:
        """Return the handler's answer."""
        assert invocation.request is not None, "validate comes before the handler"
        method = invocation.call.method
        handling = self._handlers[method.full_name](invocation.request)
        if changes_nothing(method):
            return await handling
        task = asyncio.ensure_future(handling)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Message]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that still waits gets it; that none does is no fault
