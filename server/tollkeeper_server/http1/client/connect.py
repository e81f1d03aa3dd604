"""Establishing connections: names, addresses, TLS, and tunnels through a proxy."""

import asyncio
import socket
import ssl

import aiohappyeyeballs

from tollkeeper_server.dataplane.transport import LocalShortageError
from tollkeeper_server.domain.connect_failure import ConnectReason, ConnectStage
from tollkeeper_server.domain.shortage import ShortageError, shortage_in
from tollkeeper_server.http1.client.connection import UpstreamConnection
from tollkeeper_server.http1.client.failure import classify, connect_error
from tollkeeper_server.http1.client.request import Address
from tollkeeper_server.http1.client.sockets import Sockets
from tollkeeper_server.http1.client.tls import DialContexts
from tollkeeper_server.http1.client.tunnel import Proxy, Tunnel
from tollkeeper_server.snapshot.model import Dial
from tollkeeper_server.telemetry.shortages import shortages

# RFC 8305, 5: how long one address may take before the next is tried beside it.
_NEXT_ADDRESS_SECONDS = 0.25
# Networks forget silent connections, and a model may think for minutes.
_PROBE_AFTER_SECONDS = 60


class Connector:
    """Connects to upstreams as a dial says.

    `default_tls` is for dials without authorities of their own; those that have some trust an `https:` proxy
    by them, too. A client certificate is the upstream's alone to see. Raises `ConnectError` if the dial can't
    be used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, default_tls: ssl.SSLContext, dial: Dial) -> None:
        self._loop = loop
        try:
            self._proxy = Proxy(dial.proxy) if dial.proxy else None
        except ValueError as error:
            raise connect_error(ConnectReason.SETTINGS, at_proxy=True, words=str(error)) from None
        self._tls = DialContexts(default_tls, dial)
        self._probe_after = dial.keep_alive or _PROBE_AFTER_SECONDS
        self.used_at = loop.time()
        """When it was last known to have connections, a time of the loop."""

    async def connect(self, address: Address, connection: UpstreamConnection) -> None:
        """Give `connection` a transport to `address`. Raises `ConnectError`.

        It sets no time limit of its own.
        """
        connection.at_proxy = self._proxy is not None
        try:
            if self._proxy is None:
                tls = await self._tls.of_upstream() if address.tls else None
                await self._establish(address, connection, connection, tls)
            else:
                await self._tunnel(self._proxy, address, connection)
        except (OSError, ValueError) as error:
            lacked = shortage_in(error)
            if lacked is not None:
                shortages.note(lacked, "an upstream could not be connected to")
                raise LocalShortageError(lacked) from error
            at_proxy = connection.at_proxy
            has_certificate = self._tls.has_certificate and not at_proxy
            raise classify(error, at_proxy=at_proxy, has_certificate=has_certificate) from error

    async def _establish(
        self,
        address: Address,
        connection: UpstreamConnection,
        protocol: asyncio.Protocol,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Give `protocol` a transport; `connection` is what it is for."""
        connection.stage = ConnectStage.NAME
        found = await self._loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        connection.stage = ConnectStage.ADDRESS
        sockets = Sockets(self._probe_after)
        try:
            sock = await aiohappyeyeballs.start_connection(
                found,
                happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                loop=self._loop,
                socket_factory=sockets.make,
            )
        except OSError:
            if sockets.lacked is not None:
                raise ShortageError(sockets.lacked) from None
            raise
        connection.stage = ConnectStage.HANDSHAKE
        # From here on the socket is the loop's to close.
        await self._loop.create_connection(
            lambda: protocol,
            sock=sock,
            ssl=tls,
            server_hostname=_tls_name(address) if address.tls else None,
        )

    async def _tunnel(self, proxy: Proxy, address: Address, connection: UpstreamConnection) -> None:
        tunnel = Tunnel(self._loop, proxy)
        try:
            tls = await self._tls.of_proxy() if proxy.address.tls else None
            await self._establish(proxy.address, connection, tunnel, tls)
            connection.stage = ConnectStage.TUNNEL
            await tunnel.ask(address)
            connection.at_proxy = False
            connection.stage = ConnectStage.HANDSHAKE
            assert tunnel.transport is not None
            transport: asyncio.Transport | None = tunnel.transport
            if address.tls:
                tls = await self._tls.of_upstream()
                transport = await self._loop.start_tls(
                    tunnel.transport, connection, tls, server_hostname=_tls_name(address)
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
