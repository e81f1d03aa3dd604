"""Messages over a stream between processes of one machine.

They are framed by their length, 4 bytes, the least first.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import cast

_LENGTH = struct.Struct("<I")
_MOST_BYTES = 64 * 1024 * 1024


class Frames(asyncio.Protocol):
    """Takes messages apart, and frames those that are sent."""

    def __init__(self, take: Callable[["Frames", bytes], None], lost: Callable[[], None]) -> None:
        self._take = take
        self._lost = lost
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Tell that the connection is gone."""
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Take the messages that are whole."""
        self._data += data
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            end = _LENGTH.size + length
            if length > _MOST_BYTES:
                self.close()
                return
            if len(self._data) < end:
                return
            message = bytes(self._data[_LENGTH.size : end])
            del self._data[:end]
            self._take(self, message)

    def write(self, message: bytes) -> None:
        """Send a message, unless the connection is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MOST_BYTES:  # the other end does not read
            transport.abort()
        else:
            transport.write(_LENGTH.pack(len(message)) + message)

    def end(self) -> None:
        """Close the connection once all is sent."""
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()
