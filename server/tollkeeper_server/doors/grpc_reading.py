"""Reading the messages of gRPC calls, within bounds of number, size and time.

gRPC keeps a message until all of it is there, up to one limit for the whole server. A call of which no
message is awaited holds its flow-control window at the most. So it is bounded how many are awaited.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from tollkeeper.messages.fields import descriptor_of

from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.telemetry.once_a_minute import OnceAMinute

_KNOWN = 8
_KNOWN_SECONDS = 30.0
# A message that was sent with its call is there when it is asked for, once the event loop comes to it.
# After a caller who let others wait, the next ones get less time.
_PATIENCE, _HURRY = 0.25, 0.01
_HURRIED_SECONDS = 10.0

M = TypeVar("M", bound=Message)
# What it reads are bytes, whatever the method takes; what it writes is the method's.
Context = grpc.aio.ServicerContext[Any, Any]
_log = logging.getLogger("tollkeeper.doors")


class Places:
    """A few places for calls that anybody may make.

    While all are taken, who came last is the next to get one, and who has kept one longest leaves it after a
    moment: callers who stay keep nobody out who asks and leaves.
    """

    def __init__(self, most: int, what: str, *, seconds: float | None = None) -> None:
        """Take how many there are, what is done there, and how long one may be waited for and kept."""
        self._most = most
        self._what = what
        self._seconds = seconds
        self._used = 0
        self._since: dict[asyncio.Timeout, float] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._hurried_until = 0.0
        self._telling = OnceAMinute()

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Keep a place for the block. Raises RATE_LIMIT_EXCEEDED if none gets free, or it must be left."""
        try:
            async with asyncio.timeout(self._seconds) as patience:
                await self._get()
                try:
                    self._since[patience] = asyncio.get_running_loop().time()
                    self._make_room()
                    yield
                finally:
                    self._since.pop(patience, None)
                    self._leave()
        except TimeoutError as error:
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED, f"{self._what} took too long while others waited; try again"
            ) from error

    async def _get(self) -> None:
        if self._used < self._most:
            self._used += 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        self._make_room()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                return
        self._used -= 1

    def _make_room(self) -> None:
        """Have those leave who have kept a place long enough, one for each who waits; look again later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        moment = _HURRY if loop.time() < self._hurried_until else _PATIENCE
        for patience, since in [*self._since.items()][: len(self._waiting)]:
            if since + moment > loop.time():
                # In two steps: what came while the event loop was busy is read in between.
                self._timer = loop.call_at(since + moment / 2, self._wait_on, moment / 2)
                return
            del self._since[patience]
            patience.reschedule(loop.time())
            self._hurried_until = loop.time() + _HURRIED_SECONDS
            self._tell()

    def _wait_on(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._make_room)

    def _tell(self) -> None:
        if self._telling.is_due():
            _log.warning("gRPC, %s: more than %d at once; the oldest give way", self._what, self._most)


class Reader:
    """Reads the one message of each call of somebody who is known. Others wait while many do."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_KNOWN)

    async def read(self, context: Context) -> bytes:
        """Return the message.

        Raises REQUEST_TIMEOUT if it does not come, and INVALID_ARGUMENT if there is none.
        """
        try:
            async with asyncio.timeout(_KNOWN_SECONDS), self._slots:
                message = await next_message(context)
        except TimeoutError as error:
            raise TollkeeperError(
                Reason.REQUEST_TIMEOUT, f"the request did not arrive within {_KNOWN_SECONDS:.0f} seconds"
            ) from error
        if message is None:
            raise TollkeeperError(Reason.INVALID_ARGUMENT, "the call ended without a message")
        return message


async def next_message(context: Context) -> bytes | None:
    """Return a call's next message, None if there is none."""
    message = await context.read()
    return message if isinstance(message, bytes) else None


def decode(kind: type[M], data: bytes) -> M:
    """Return a message in protobuf's binary form. Raises INVALID_ARGUMENT if it can't be read."""
    try:
        return kind.FromString(data)
    except DecodeError:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"the body is not a {descriptor_of(kind).full_name} in protobuf's binary form",
        ) from None
