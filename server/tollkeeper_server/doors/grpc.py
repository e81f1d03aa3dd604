"""The gRPC door: the management services, health and reflection on `grpc.aio`."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tollkeeper.services import SERVICES

from tollkeeper_server.domain.author import Door
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.grpc_open import OpenServices
from tollkeeper_server.doors.grpc_reading import Context, Reader, decode
from tollkeeper_server.doors.grpc_socket import InnerSocket
from tollkeeper_server.doors.health import Health
from tollkeeper_server.doors.sockets import ListenError
from tollkeeper_server.doors.status import status_of
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.chain import REQUEST_ID, Call, Chain, request_id
from tollkeeper_server.management.chain.large import (
    WHOLE_CONFIGURATION,
    largest_request,
    looked_through,
    too_large,
)

_STATUS_DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_ANSWER = 64 * 1024 * 1024

_CORE = logging.getLogger("grpc._cython.cygrpc")

Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]
_LIMITS = (
    # What a method takes less than this of is refused after it is read (`Reader`).
    ("grpc.max_receive_message_length", WHOLE_CONFIGURATION),
    ("grpc.max_send_message_length", _MAX_ANSWER),
    ("grpc.max_concurrent_streams", 1000),
    # So many calls wait for the event loop: beyond the first number some are refused, beyond the second all.
    ("grpc.server.max_pending_requests", 900),
    ("grpc.server.max_pending_requests_hard_limit", 1000),
    # What a call may send before it is read. Probing would raise it to megabytes.
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.max_connection_age_ms", 1_800_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    # Callers may ping, too: by default, one who did so every minute or without a call would be sent away.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 250),
    # A caller who is gone, or reads nothing, holds a connection no longer than this.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


class GrpcListener:
    """Serves the chain over gRPC."""

    def __init__(
        self, chain: Chain, callers: GrpcCallers, *, data_dir: Path, ready: Readiness | None = None
    ) -> None:
        """`data_dir` may hold a socket; `ready` is asked by the health service."""
        self._chain = chain
        self.callers = callers
        self._data_dir = data_dir
        self._health = Health([service.full_name for service in SERVICES], ready)
        self._reader = Reader()
        self._server: grpc.aio.Server | None = None
        self._inner: InnerSocket | None = None
        self.address = callers.address
        """Where it listens, `HOST:PORT`."""

    async def start(self) -> None:
        """Serve. Raises `ListenError` if nothing can be listened on within the process."""
        _CORE.addFilter(_is_our_fault)
        server = grpc.aio.server(options=_LIMITS)
        server.add_generic_rpc_handlers(tuple(self._handlers_of(service) for service in SERVICES))
        names = [service.full_name for service in SERVICES]
        server.add_generic_rpc_handlers(OpenServices(self._health, names, _refuse).handlers())
        try:
            self._inner = InnerSocket(self._data_dir, server.add_insecure_port)
        except (OSError, RuntimeError) as error:
            raise ListenError(
                "gRPC can have a UNIX socket neither in the directory for temporary files nor in "
                f"{self._data_dir} ({error}); set TMPDIR to a directory that can be written to"
            ) from error
        await server.start()
        self._server = server
        self._health.start()
        await self.callers.open(self._inner.connect)

    async def stop(self, grace: float) -> None:
        """Accept nothing more. Calls under way have `grace` seconds to end."""
        await self._health.close()
        await self.callers.stop()
        if self._server is not None:
            await self._server.stop(grace)
        await self.callers.close()
        if self._inner is not None:
            self._inner.close()

    async def close(self) -> None:
        """End every call at once."""
        await self.stop(0)

    def _handlers_of(self, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            service.full_name,
            {
                method.name: (
                    grpc.stream_stream_rpc_method_handler
                    if method.server_streaming
                    else grpc.stream_unary_rpc_method_handler
                )(
                    self._behaviour(method),
                    request_deserializer=None,  # read and decoded within the chain, after authentication
                    response_serializer=None,
                )
                for method in service.methods
            },
        )

    def _behaviour(self, method: MethodDescriptor) -> Callable[[object, Context], Awaitable[bytes | None]]:
        kind, largest = GetMessageClass(method.input_type), largest_request(method)

        async def read(context: Context) -> Message:
            self.callers.known(context.peer())  # a call is read after its token is known to be right
            data = await self._reader.read(context)
            if len(data) > largest:
                raise too_large(method)
            return await looked_through(len(data), lambda: decode(kind, data))

        async def behave(_: object, context: Context) -> bytes | None:
            metadata = {
                key.lower(): value
                for key, value in context.invocation_metadata() or ()
                if isinstance(value, str)
            }
            call_id = request_id(metadata.get(REQUEST_ID))
            left = context.time_remaining()
            call = Call(
                method=method,
                request_id=call_id,
                metadata=metadata,
                deadline=None if left is None else time.monotonic() + left,
                peer=self.callers.address_of(context.peer()),
                door=Door.GRPC,
            )
            context.set_trailing_metadata(((REQUEST_ID, call_id),))
            try:
                if method.server_streaming:
                    await self._chain.stream(
                        call,
                        lambda: read(context),
                        lambda message: context.write(message.SerializeToString()),
                    )
                    return None
                answer = await self._chain.invoke(call, lambda: read(context))
            except TollkeeperError as error:
                await _abort(context, error, call_id)
            return answer.SerializeToString()

        return behave


async def _abort(context: Context, error: TollkeeperError, call_id: str) -> None:
    status = status_of(error, call_id)
    await context.abort(
        _CODES[status.code],
        status.message,
        ((REQUEST_ID, call_id), (_STATUS_DETAILS, status.SerializeToString())),
    )


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Return whether what gRPC logs is more than a caller who left, or reads nothing, before an answer."""
    return not str(record.msg).startswith("ExecuteBatchError raised in core")


async def _refuse(context: Context, error: TollkeeperError) -> None:
    await _abort(context, error, request_id(None))
