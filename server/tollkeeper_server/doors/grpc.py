"""The gRPC door: the management services, health and reflection on `grpc.aio`."""

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tollkeeper.services import SERVICES

from tollkeeper_server.domain.address import split_address
from tollkeeper_server.doors.health import Health
from tollkeeper_server.doors.sockets import ListenError, bind
from tollkeeper_server.doors.status import status_of
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import REQUEST_ID, Call, Chain, request_id
from tollkeeper_server.management.chain.registry import new_request

_STATUS_DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_REQUEST = 8 * 1024 * 1024  # a configuration file as large as is read
_MAX_ANSWER = 64 * 1024 * 1024
_SETTING = "TOLLKEEPER_GRPC_ADDRESS"

Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]
_Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcListener:
    """Serves the chain over gRPC. `certificate` is the files of a PEM certificate and its key."""

    def __init__(
        self,
        chain: Chain,
        address: str,
        *,
        certificate: tuple[Path, Path] | None = None,
        ready: Readiness | None = None,
        shared: bool = False,
    ) -> None:
        """Take `HOST:PORT`, port 0 being any free one; `ready` is asked by the health service.

        `shared`: another process has the port, and is about to leave it to this one.
        """
        self._chain = chain
        self._shared = shared
        self._asked = address
        self._certificate = certificate
        self._health = Health([service.full_name for service in SERVICES], ready)
        self._server: grpc.aio.Server | None = None
        self.address = address
        """Where it listens; after `start` with the port that was chosen."""

    async def start(self) -> None:
        """Listen and serve. Raises `ListenError` if the address can't be had."""
        server = grpc.aio.server(
            options=(
                # A process that takes over binds the port while this one has it still.
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", _MAX_REQUEST),
                ("grpc.max_send_message_length", _MAX_ANSWER),
            )
        )
        server.add_generic_rpc_handlers(tuple(self._handlers_of(service) for service in SERVICES))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        port = self._listen(server)
        self.address = f"{split_address(self._asked)[0]}:{port}"
        await server.start()
        self._server = server
        self._health.start()

    async def stop(self, grace: float) -> None:
        """Accept nothing more. Calls under way have `grace` seconds to end."""
        await self._health.close()
        if self._server is not None:
            await self._server.stop(grace)

    async def close(self) -> None:
        """End every call at once."""
        await self.stop(0)

    def _listen(self, server: grpc.aio.Server) -> int:
        if not self._shared:
            # gRPC would silently share the port with any other process of this user.
            bind(self._asked, "gRPC listener", _SETTING).close()
        try:
            if self._certificate is None:
                return server.add_insecure_port(self._asked)
            certificate, key = self._certificate
            credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
            return server.add_secure_port(self._asked, credentials)
        except RuntimeError as error:
            raise ListenError(
                f"the gRPC listener can't listen on {self._asked}; set {_SETTING} to another address"
            ) from error

    def _handlers_of(self, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            service.full_name,
            {
                method.name: grpc.unary_unary_rpc_method_handler(
                    self._behaviour(method),
                    request_deserializer=None,  # decoded within the chain, after authentication
                    response_serializer=None,
                )
                for method in service.methods
            },
        )

    def _behaviour(self, method: MethodDescriptor) -> Callable[[bytes, _Context], Awaitable[bytes]]:
        async def behave(data: bytes, context: _Context) -> bytes:
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
                peer=context.peer(),
            )
            context.set_trailing_metadata(((REQUEST_ID, call_id),))
            try:
                answer = await self._chain.invoke(call, lambda: decode(method, data))
            except TollkeeperError as error:
                await _abort(context, error, call_id)
            return answer.SerializeToString()

        return behave


async def _abort(context: _Context, error: TollkeeperError, call_id: str) -> None:
    status = status_of(error, call_id)
    await context.abort(
        _CODES[status.code],
        status.message,
        ((REQUEST_ID, call_id), (_STATUS_DETAILS, status.SerializeToString())),
    )


def decode(method: MethodDescriptor, data: bytes) -> Message:
    """Return the request in protobuf's binary form. Raises INVALID_ARGUMENT if it can't be read."""
    request = new_request(method)
    try:
        request.ParseFromString(data)
    except DecodeError as error:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"the body is not a {method.input_type.full_name} in protobuf's binary form",
        ) from error
    return request
