"""Tunnels through an outbound proxy, by CONNECT (RFC 9110, 9.3.6)."""

import asyncio
import base64
import re
from typing import cast
from urllib.parse import unquote, urlsplit

from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.http1.client.head import MAX_RESPONSE_HEAD_BYTES
from tollkeeper_server.http1.client.request import Address, parse_base

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


class Proxy:
    """An outbound proxy: its address, and the credentials it wants.

    `url` is `http://` or `https://`, with user name and password if the proxy asks for them (Basic).
    Raises ValueError if it is not such a URL.
    """

    __slots__ = ("_authorization", "address")

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            userinfo, _, netloc = parts.netloc.rpartition("@")
            self.address = parse_base(f"{parts.scheme}://{netloc}")
        except (ConnectError, ValueError):
            # The URL may hold a password, so it is not shown.
            raise ValueError("the proxy's URL can't be used; expected http://host:port") from None
        self._authorization = b""
        if userinfo:
            user, _, password = userinfo.partition(":")
            credentials = f"{unquote(user)}:{unquote(password)}".encode()
            self._authorization = b"proxy-authorization: Basic " + base64.b64encode(credentials) + b"\r\n"

    def request(self, address: Address) -> bytes:
        """Return the request for a tunnel to `address`."""
        host = f"[{address.host}]" if ":" in address.host else address.host
        authority = f"{host}:{address.port}".encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (authority, authority, self._authorization)


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel, and is replaced on the transport once there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._answered: asyncio.Future[str] = loop.create_future()
        self._received = b""
        self.transport: asyncio.Transport | None = None

    async def ask(self, request: bytes) -> None:
        """Return when the proxy has agreed. Raises `ConnectError`."""
        assert self.transport is not None
        self.transport.write(request)
        problem = await self._answered
        if problem:
            raise ConnectError(problem)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read the proxy's answer, which ends with its headers."""
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        if not blank:
            if len(self._received) > MAX_RESPONSE_HEAD_BYTES:
                self._settle("the outbound proxy's headers are too large")
            return
        match = _STATUS.match(head + b"\r")
        status = int(match[1]) if match else 0
        if 100 <= status < 200:
            self._received = b""
            self.data_received(rest)
        elif 200 <= status < 300 and not rest:  # through a tunnel, this side speaks first
            self._settle("")
        elif status == 407:
            self._settle("the outbound proxy did not accept the credentials configured for it")
        elif status >= 300:
            self._settle(f"the outbound proxy refused the connection with status {status}")
        else:
            self._settle("what the outbound proxy sent is not a valid HTTP response")

    def connection_lost(self, _exc: Exception | None) -> None:
        self._settle("the outbound proxy closed the connection")

    def _settle(self, problem: str) -> None:
        if not self._answered.done():
            self._answered.set_result(problem)
