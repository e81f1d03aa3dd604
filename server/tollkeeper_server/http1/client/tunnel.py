"""Tunnels through an outbound proxy, by CONNECT (RFC 9110, 9.3.6)."""

import asyncio
import base64
import re
from typing import cast
from urllib.parse import unquote, urlsplit

from tollkeeper_server.dataplane.transport import ConnectError
from tollkeeper_server.domain.connect_failure import ConnectReason
from tollkeeper_server.http1.client.failure import connect_error
from tollkeeper_server.http1.client.head import MAX_RESPONSE_HEAD_BYTES
from tollkeeper_server.http1.client.request import Address, parse_base

_BEGINNING = b"HTTP/1."
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r\n]")
# A line may end with LF alone (RFC 9112, 2.2).
_END = re.compile(rb"\r?\n\r?\n")
# Statuses below 500 that say nothing of the next attempt: request timeout, too early, too many requests.
_PASSING = frozenset({408, 425, 429})
# How much is told of an answer that is none.
_TOLD_BYTES = 80


class Proxy:
    """An outbound proxy: its address, and the credentials it wants.

    `url` is `http://` or `https://`, with user name and password if the proxy asks for them (Basic).
    Raises ValueError if it is not such a URL.
    """

    __slots__ = ("_authorization", "address", "name")

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            userinfo, _, netloc = parts.netloc.rpartition("@")
            self.address = parse_base(f"{parts.scheme}://{netloc}")
        except (ConnectError, ValueError):
            # The URL may hold a password, so it is not shown.
            raise ValueError("the proxy's URL can't be used; expected http://host:port") from None
        self.name = _authority(self.address)
        """What operators know it by."""
        self._authorization = b""
        if userinfo:
            user, _, password = userinfo.partition(":")
            credentials = f"{unquote(user)}:{unquote(password)}".encode()
            self._authorization = b"proxy-authorization: Basic " + base64.b64encode(credentials) + b"\r\n"

    def request(self, address: Address) -> bytes:
        """Return the request for a tunnel to `address`."""
        authority = _authority(address).encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (authority, authority, self._authorization)


def _authority(address: Address) -> str:
    """Return host and port, also if that is the usual one."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel, and is replaced on the transport once there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: Proxy) -> None:
        self._proxy = proxy
        self._answered: asyncio.Future[ConnectError | None] = loop.create_future()
        self._received = b""
        self._size = 0
        self.transport: asyncio.Transport | None = None

    async def ask(self, address: Address) -> None:
        """Return when the proxy has agreed to a tunnel to an address. Raises `ConnectError`."""
        assert self.transport is not None
        self.transport.write(self._proxy.request(address))
        refusal = await self._answered
        if refusal is not None:
            raise refusal

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read the proxy's answer, which ends with its headers, and interim ones before it."""
        self._size += len(data)
        if self._size > MAX_RESPONSE_HEAD_BYTES:
            self._refuse(
                ConnectReason.PROXY_INVALID,
                f"answered CONNECT with more than {MAX_RESPONSE_HEAD_BYTES} bytes of headers",
                words="the outbound proxy's headers are too large",
            )
            return
        self._received += data
        while not self._answered.done() and (end := _END.search(self._received)):
            head, self._received = self._received[: end.start()], self._received[end.end() :]
            self._take(head)
        # What does not speak HTTP may never send a blank line.
        if not self._received.startswith(_BEGINNING[: len(self._received)]):
            self._refuse_garbage(self._received)

    def _take(self, head: bytes) -> None:
        match = _STATUS.match(head + b"\n")
        status = int(match[1]) if match else 0
        if 100 <= status < 200:
            return
        if 200 <= status < 300:
            if self._received:  # through a tunnel, this side speaks first
                told = f"answered CONNECT with status {status}, and sent more before it was used"
                self._refuse(ConnectReason.PROXY_INVALID, told)
            else:
                self._settle(None)
        elif status == 407:
            self._refuse(ConnectReason.PROXY_CREDENTIALS, "answered CONNECT with status 407")
        elif 300 <= status <= 599:
            passes = status >= 500 or status in _PASSING
            self._refuse(
                ConnectReason.PROXY_FAILED if passes else ConnectReason.PROXY_DENIED,
                f"answered CONNECT with status {status}",
                words=f"the outbound proxy refused the connection with status {status}",
            )
        else:
            self._refuse_garbage(head)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._refuse(
            ConnectReason.CLOSED,
            "closed the connection before it answered CONNECT",
            words="the outbound proxy closed the connection",
        )

    def _refuse_garbage(self, answer: bytes) -> None:
        # What follows its first line could repeat the credentials.
        line = answer.partition(b"\n")[0].rstrip(b"\r")[:_TOLD_BYTES].decode("ascii", "replace")
        self._refuse(ConnectReason.PROXY_INVALID, f'answered CONNECT with "{line}"')

    def _refuse(self, reason: ConnectReason, told: str, *, words: str = "") -> None:
        detail = f"{self._proxy.name} {told}"
        self._settle(connect_error(reason, at_proxy=True, detail=detail, words=words))

    def _settle(self, refusal: ConnectError | None) -> None:
        if not self._answered.done():
            self._answered.set_result(refusal)
