"""Establishing connections: names, addresses, TLS, and tunnels through a proxy."""

import asyncio
import socket
import ssl

import aiohappyeyeballs

from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.http1.client.connection import UpstreamConnection
from tollkeeper_server.http1.client.request import Address
from tollkeeper_server.http1.client.tls import client_context
from tollkeeper_server.http1.client.tunnel import Proxy, Tunnel
from tollkeeper_server.snapshot.model import Dial

# RFC 8305, 5: how long one address may take before the next is tried beside it.
_NEXT_ADDRESS_SECONDS = 0.25
# Networks forget silent connections, and a model may think for minutes.
_PROBE_AFTER_SECONDS = 60


class Connector:
    """Connects to upstreams as a dial says.

    `default_tls` is for dials without authorities of their own; those that have some trust an `https:` proxy
    by them, too. Raises `ConnectError` if the dial can't be used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, default_tls: ssl.SSLContext, dial: Dial) -> None:
        self._loop = loop
        try:
            self._tls = client_context(dial.ca_certificates) if dial.ca_certificates else default_tls
            self._proxy = Proxy(dial.proxy) if dial.proxy else None
        except ValueError as error:
            raise ConnectError(str(error)) from None
        self._probe_after = dial.keep_alive or _PROBE_AFTER_SECONDS

    async def connect(self, address: Address, connection: UpstreamConnection) -> None:
        """Give `connection` a transport to `address`. Raises `ConnectError`.

        It sets no time limit of its own.
        """
        try:
            if self._proxy is None:
                await self._establish(address, connection)
            else:
                await self._tunnel(self._proxy, address, connection)
        except (OSError, ValueError) as error:
            raise _translate(error) from error

    async def _establish(self, address: Address, protocol: asyncio.Protocol) -> None:
        found = await self._loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        sock = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=self._loop, socket_factory=self._socket
        )
        # From here on the socket is the loop's to close.
        await self._loop.create_connection(
            lambda: protocol,
            sock=sock,
            ssl=self._tls if address.tls else None,
            server_hostname=_tls_name(address) if address.tls else None,
        )

    def _socket(self, address: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._probe_after)
        return sock

    async def _tunnel(self, proxy: Proxy, address: Address, connection: UpstreamConnection) -> None:
        tunnel = Tunnel(self._loop)
        try:
            await self._establish(proxy.address, tunnel)
            await tunnel.ask(proxy.request(address))
            assert tunnel.transport is not None
            transport: asyncio.Transport | None = tunnel.transport
            if address.tls:
                transport = await self._loop.start_tls(
                    tunnel.transport, connection, self._tls, server_hostname=_tls_name(address)
                )
            else:
                tunnel.transport.set_protocol(connection)
            if transport is not None:
                connection.connection_made(transport)
        except BaseException:
            if tunnel.transport is not None:
                tunnel.transport.abort()
            raise


def _tls_name(address: Address) -> str:
    # The dot that makes a name absolute is not part of what certificates hold.
    return address.host.removesuffix(".")


def _translate(error: Exception) -> ConnectError:
    match error:
        case ssl.SSLError():
            return ConnectError("the upstream's TLS certificate or handshake was not accepted")
        case socket.gaierror() | UnicodeError():
            return ConnectError("the upstream's host name does not resolve")
        case ConnectionResetError() | ConnectionAbortedError():
            return ConnectError("the connection was closed while it was being established")
        case TimeoutError():
            return ConnectError("the connection was not established in time")
        case _:
            return ConnectError("the connection was refused or the host is unreachable")
