"""The event loop of a server: uvloop's, which finds the addresses of names by names.py.

Everything that connects asks its loop for addresses: the data plane, Redis and MongoDB. uvloop has four
threads for that, and needs one even for an IP address.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import aiohappyeyeballs
import uvloop

from tollkeeper_server.process.addresses import AddressInfo
from tollkeeper_server.process.names import Names

# RFC 8305, 5: how long one address may take before the next is tried beside it.
_NEXT_ADDRESS_SECONDS = 0.25


class NamesLoop(uvloop.Loop):
    """uvloop's loop with look-ups that hold up nobody but those who want the same name."""

    def __init__(self) -> None:
        super().__init__()
        self.names = Names()

    async def getaddrinfo(  # type: ignore[override]  # nobody asks for bytes
        self,
        host: str | None,
        port: str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Return the addresses of a name; see `Names.resolve`."""
        return await self.names.resolve(host, port, family=family, type=type, proto=proto, flags=flags)

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> Any:
        """Connect to a name, or use the socket among the options. Raises OSError."""
        if host is None or options.get("sock") is not None or options.get("local_addr") is not None:
            there: dict[str, Any] = {"host": host, "port": port}
            return await super().create_connection(protocol_factory, **there, **options)
        hints = {name: options.pop(name, 0) for name in ("family", "proto", "flags")}
        found = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM, **hints)
        options["sock"] = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=self
        )
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        return await super().create_connection(protocol_factory, **options)
