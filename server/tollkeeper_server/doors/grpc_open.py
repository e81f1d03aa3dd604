"""The services of gRPC that anybody may call: health and reflection."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from tollkeeper_server.doors.grpc_reading import Context, Places, decode, next_message
from tollkeeper_server.doors.health import Health
from tollkeeper_server.errors import Reason, TollkeeperError

M = TypeVar("M", bound=Message)

_OPEN = 500
_READING, _READ_SECONDS = 2, 10.0
_WATCHING = 100
_REFLECTING, _REFLECT_SECONDS = 16, 60.0
_LARGEST = 4096  # the name of a service, symbol or file

Refuse = Callable[[Context, TollkeeperError], Awaitable[None]]


class OpenServices:
    """Health and reflection, of which each call's message is small, and few are under way."""

    def __init__(self, own: Health, names: Sequence[str], refuse: Refuse) -> None:
        """Take what reports the health, the other services, and what ends a call with an error."""
        self._health = own
        self._reflection = reflection.aio.ReflectionServicer(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        )
        self._refuse = refuse
        self._open = 0
        self._reading = Places(_READING, "a message of a caller without a token", seconds=_READ_SECONDS)
        self._watching = Places(_WATCHING, "a watch of the health")
        self._reflecting = Places(_REFLECTING, "reflection", seconds=_REFLECT_SECONDS)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return what serves them."""
        status = HealthCheckResponse.SerializeToString
        answer = ServerReflectionResponse.SerializeToString
        return (
            grpc.method_handlers_generic_handler(
                health.SERVICE_NAME,
                {
                    "Check": grpc.stream_unary_rpc_method_handler(self._check, None, status),
                    "Watch": grpc.stream_stream_rpc_method_handler(self._watch, None, status),
                },
            ),
            grpc.method_handlers_generic_handler(
                reflection.SERVICE_NAME,
                {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(self._reflect, None, answer)},
            ),
        )

    async def _check(self, _: object, context: Context) -> HealthCheckResponse:
        async with self._admitted(context):
            request = await self._read(context, HealthCheckRequest)
            return await self._health.Check(request or HealthCheckRequest(), context)

    async def _watch(self, _: object, context: Context) -> None:
        async with self._admitted(context):
            request = await self._read(context, HealthCheckRequest)
            async with self._watching.taken():
                await self._health.Watch(request or HealthCheckRequest(), context)

    async def _reflect(self, _: object, context: Context) -> None:
        async with self._admitted(context), self._reflecting.taken():
            answers = self._reflection.ServerReflectionInfo(self._questions(context), context)
            async for answer in answers:  # type: ignore[attr-defined]  # it is a generator, not a coroutine
                await context.write(answer)

    async def _questions(self, context: Context) -> AsyncIterator[ServerReflectionRequest]:
        question = await self._read(context, ServerReflectionRequest)
        while question is not None:
            yield question
            try:
                question = await self._read(context, ServerReflectionRequest)
            except TollkeeperError as error:
                if error.reason is not Reason.RATE_LIMIT_EXCEEDED:
                    raise
                return  # who asks nothing more for a while has what was wanted

    async def _read(self, context: Context, kind: type[M]) -> M | None:
        """Return the next message, None at the end of the call."""
        async with self._reading.taken():
            data = await next_message(context)
        if data is None:
            return None
        if len(data) > _LARGEST:
            del data  # or it stays for as long as the error's frames do
            raise TollkeeperError(
                Reason.BODY_TOO_LARGE, f"the message is larger than the {_LARGEST:,} bytes allowed"
            )
        return decode(kind, data)

    @contextlib.asynccontextmanager
    async def _admitted(self, context: Context) -> AsyncIterator[None]:
        """Count a call as open until gRPC is rid of it, and end it with the error that its block raises.

        A call whose answer nobody reads can't be ended, so that it counts for as long as it stays.
        """
        try:
            self._count(context)
            yield
        except TollkeeperError as error:
            await self._refuse(context, error)

    def _count(self, context: Context) -> None:
        if self._open >= _OPEN:
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED, "too many calls without a token are open; try again later"
            )
        self._open += 1
        context.add_done_callback(self._closed)  # type: ignore[arg-type]  # its stub knows of clients alone

    def _closed(self, _: object) -> None:
        self._open -= 1
