"""A connection to Redis on which one script runs, one call at a time.

The driver connects, for it knows TLS, credentials and Sentinel. After that the bytes are ours: a call of the
driver's takes twenty times as long.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import cast

import hiredis
from redis.asyncio.connection import AbstractConnection

from tollkeeper_server.coordination.redis.link import FAILURES, RedisLink


class ScriptConnection(asyncio.Protocol):
    """Calls the script; `received` is called with each reply, `lost` once, when the connection is gone.

    A reply that is no bytes, as of a replica or a full Redis, ends the connection.
    """

    def __init__(self, script: str, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._script = script.encode()
        self._digest = hashlib.sha1(self._script, usedforsecurity=False).hexdigest().encode()
        self._received = received
        self._lost = lost
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._rest: tuple[bytes, ...] = ()

    def take_over(self, driver: AbstractConnection) -> None:
        """Go on with a connection that the driver has made."""
        writer, driver._writer, driver._reader = driver._writer, None, None  # noqa: SLF001 - there is no other way
        assert writer is not None
        transport = cast("asyncio.Transport", writer.transport)  # uvloop's is none by its type
        self._writer = writer  # which closes its transport when it is let go
        self._transport = transport
        transport.set_protocol(self)

    def call(self, keys: Sequence[str], arguments: Sequence[bytes]) -> None:
        """Run the script; it is harmless if the connection is gone."""
        self._rest = (b"%d" % len(keys), *(key.encode() for key in keys), *arguments)
        self._write(b"EVALSHA", self._digest)

    def close(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Tell that the connection is gone."""
        self._writer = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Take the reply, if it is whole."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, bytes):
                self._received(reply)
            elif isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT"):
                self._write(b"EVAL", self._script)  # this Redis has it from then on
            else:
                self.close()
                return

    def _write(self, *command: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return  # uvloop raises for a write then
        parts = (*command, *self._rest)
        self._transport.write(
            b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        )


async def connect_script(
    link: RedisLink, script: str, received: Callable[[bytes], None], lost: Callable[[], None]
) -> ScriptConnection:
    """Return a connection for the script, made as those of the link are. Raises OSError."""
    try:
        driver = await link.connect()
    except FAILURES as error:
        raise OSError(str(error) or type(error).__name__) from error
    connection = ScriptConnection(script, received, lost)
    connection.take_over(driver)
    link.follow(connection)
    return connection
