"""The gRPC door: `grpc.aio` over the service descriptors, with health and reflection."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from tollkeeper_server.doors.sockets import ListenError
from tollkeeper_server.doors.status import to_status
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain import REQUEST_ID, Call, Chain, request_id
from tollkeeper_server.management.registry import SERVICES, new_request

_MAX_REQUEST = 1024 * 1024
_MAX_METADATA = 16 * 1024

Context = grpc.aio.ServicerContext[bytes, Message]


class GrpcListener:
    """Serves the management services on `HOST:PORT`; port 0 is any free one."""

    def __init__(self, chain: Chain, address: str, *, certificate: tuple[Path, Path] | None) -> None:
        """Binds the address, with TLS if given certificate and key. Raises `ListenError`."""
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # a second process on the port is to be told so
                ("grpc.max_receive_message_length", _MAX_REQUEST),
                ("grpc.max_metadata_size", _MAX_METADATA),
            ]
        )
        for service in SERVICES:
            self._server.add_generic_rpc_handlers(
                (
                    grpc.method_handlers_generic_handler(
                        service.full_name,
                        {method.name: _handler(chain, method) for method in service.methods},
                    ),
                )
            )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection(
            (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self._names = ("", *names)
        self.address = self._bind(address, certificate)

    def _bind(self, address: str, certificate: tuple[Path, Path] | None) -> str:
        try:
            if certificate is None:
                port = self._server.add_insecure_port(address)
            else:
                chain, key = (path.read_bytes() for path in certificate)
                port = self._server.add_secure_port(address, grpc.ssl_server_credentials([(key, chain)]))
        except RuntimeError:
            port = 0
        if port == 0:
            raise ListenError(
                f"gRPC can't listen on {address}: the address is in use or not this machine's; "
                "stop the process that has it, or set TOLLKEEPER_GRPC_ADDRESS to another address"
            )
        return f"{address.rpartition(':')[0]}:{port}"

    async def start(self) -> None:
        """Begins to serve, and says so to health checks."""
        await self._server.start()
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Accepts nothing more, and returns when the calls under way have ended, or `grace` seconds have."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)

    async def close(self) -> None:
        """Ends at once whatever is still under way."""
        await self.stop(0)


def _handler(chain: Chain, method: MethodDescriptor) -> "grpc.RpcMethodHandler[bytes, Message]":
    serve: Callable[[bytes, Context], Awaitable[Message]] = partial(_serve, chain, method)
    return grpc.unary_unary_rpc_method_handler(
        serve,
        request_deserializer=None,  # the chain decodes, once it knows who asks
        response_serializer=lambda message: message.SerializeToString(),
    )


async def _serve(chain: Chain, method: MethodDescriptor, body: bytes, context: Context) -> Message:
    metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
    left = context.time_remaining()
    call = Call(
        method=method,
        request_id=request_id(metadata.get(REQUEST_ID)),
        metadata=metadata,
        deadline=None if left is None else time.monotonic() + left,
        peer=context.peer(),
    )
    context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
    try:
        return await chain.invoke(call, partial(decode, method, body))
    except TollkeeperError as error:
        status = rpc_status.to_status(to_status(error))
    context.set_trailing_metadata(((REQUEST_ID, call.request_id), *(status.trailing_metadata or ())))
    await context.abort(status.code, status.details)
    raise AssertionError("abort raises")


def decode(method: MethodDescriptor, body: bytes) -> Message:
    """Returns the request in Protobuf's binary form. Raises INVALID_ARGUMENT if it is malformed."""
    request = new_request(method)
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"the body is not a {method.input_type.name} in Protobuf's binary form"
        ) from error
    return request
