"""The channels over which the clients make their calls."""

from collections.abc import AsyncGenerator, Generator, Mapping
from typing import TypeVar

import grpc
import grpc.aio

from tollkeeper.calls.rpc import Rpc
from tollkeeper.connection import Connection
from tollkeeper.errors import TollkeeperError, from_status

T = TypeVar("T")


class Channel:
    """Makes calls over a blocking gRPC channel."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._channel = (
            grpc.insecure_channel(connection.address, connection.options)
            if connection.credentials is None
            else grpc.secure_channel(connection.address, connection.credentials, connection.options)
        )

    def send(self, call: Rpc[T]) -> T:
        """Make the call and wait for its answer. Raises `TollkeeperError`."""
        method = self._channel.unary_unary(call.path, type(call.request).SerializeToString, bytes)
        try:
            answer = method(call.request, timeout=self.connection.timeout, metadata=self.connection.metadata)
        except grpc.RpcError as error:
            raise _error(
                error, {it.key: it.value for it in error.trailing_metadata()}, self.connection
            ) from error
        return call.read(answer)

    def stream(self, call: Rpc[T]) -> Generator[T]:
        """Make the call and yield its messages, without a limit of time. Raises `TollkeeperError`."""
        method = self._channel.unary_stream(call.path, type(call.request).SerializeToString, bytes)
        messages = method(call.request, metadata=self.connection.metadata)
        try:
            for message in messages:
                yield call.read(message)
        except grpc.RpcError as error:
            raise _error(
                error, {it.key: it.value for it in error.trailing_metadata()}, self.connection
            ) from error
        finally:
            messages.cancel()

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        self._channel.close()


class AsyncChannel:
    """Makes calls over an asynchronous gRPC channel, which belongs to the loop it is made in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._channel: grpc.aio.Channel | None = None

    async def send(self, call: Rpc[T]) -> T:
        """Make the call. Raises `TollkeeperError`."""
        method = self._open().unary_unary(call.path, type(call.request).SerializeToString, bytes)
        try:
            answer = await method(
                call.request, timeout=self.connection.timeout, metadata=self.connection.metadata
            )
        except grpc.aio.AioRpcError as error:
            raise _error(error, dict(error.trailing_metadata() or ()), self.connection) from error
        return call.read(answer)

    async def stream(self, call: Rpc[T]) -> AsyncGenerator[T]:
        """Make the call and yield its messages, without a limit of time. Raises `TollkeeperError`."""
        method = self._open().unary_stream(call.path, type(call.request).SerializeToString, bytes)
        messages = method(call.request, metadata=self.connection.metadata)
        try:
            async for message in messages:
                yield call.read(message)
        except grpc.aio.AioRpcError as error:
            raise _error(error, dict(error.trailing_metadata() or ()), self.connection) from error
        finally:
            messages.cancel()

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            to = self.connection
            self._channel = (
                grpc.aio.insecure_channel(to.address, to.options)
                if to.credentials is None
                else grpc.aio.secure_channel(to.address, to.credentials, to.options)
            )
        return self._channel

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        if self._channel is not None:
            await self._channel.close()


def _error(
    error: grpc.RpcError, trailers: Mapping[str, str | bytes], connection: Connection
) -> TollkeeperError:
    return from_status(
        error.code(), error.details(), trailers, address=connection.address, timeout=connection.timeout
    )
