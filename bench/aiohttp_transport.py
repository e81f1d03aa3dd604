"""The transport on aiohttp's client."""

from collections.abc import AsyncIterator
from contextvars import ContextVar

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    CutError,
    GarbageError,
    Incoming,
    Outgoing,
    TimeoutExpiredError,
    TransportError,
)
from tollkeeper_server.snapshot.model import Header
from yarl import URL

_MAX_HEADER = 64 * 1024
_READ_BUFFER = 256 * 1024
_KEEPALIVE_SECONDS = 30.0
_SKIP = ("accept", "accept-encoding", "user-agent", "content-type")


# A body above this is handed over in pieces: aiohttp warns of larger ones.
_PIECE = 1 << 20


class _Wire(ResponseHandler):
    """A connection that knows whether it served before, and whether it answers this request."""

    served = False
    reused = False
    answered = False

    def begin(self) -> None:
        """Takes note that the next request is about to be sent."""
        self.reused, self.served, self.answered = self.served, True, False

    def data_received(self, data: bytes) -> None:
        """Takes what has arrived."""
        self.answered = True
        super().data_received(data)


_wire: ContextVar[_Wire | None] = ContextVar("_wire", default=None)
"""The connection that the current task's request was given."""


class _Connector(aiohttp.TCPConnector):
    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)
        # aiohttp has no public way to say which protocol its connections speak.
        self._factory = lambda: _Wire(loop=self._loop)  # type: ignore[assignment]  # typed as a partial

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature of what it overrides
    ) -> Connection:
        """Returns a connection, kept or new, and notes it for the current task."""
        connection = await super().connect(req, traces, timeout)
        assert isinstance(connection.protocol, _Wire)
        connection.protocol.begin()
        _wire.set(connection.protocol)
        return connection


class AiohttpTransport:
    """Keeps connections alive; follows no redirects, decodes nothing, keeps no cookies."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=_Connector(),
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            skip_auto_headers=_SKIP,
            trust_env=False,
        )
        # It would send some methods again by itself, and also after a part of the answer.
        self._session._retry_connection = False  # noqa: SLF001 - there is no public name for it

    async def open(self, request: Outgoing) -> Incoming:
        """Sends a request and returns the answer once its headers are there."""
        _wire.set(None)
        try:
            return await self._send(request)
        except CutError:
            # A kept connection may have died while idle, which shows only now. Once is enough: the
            # next one is tried as a new request would.
            wire = _wire.get()
            if wire is None or not wire.reused or wire.answered or not isinstance(request.body, bytes):
                raise
        return await self._send(request)

    async def _send(self, request: Outgoing) -> Incoming:
        headers = [(name.decode("latin-1"), _text(value)) for name, value in request.headers]
        body, length = request.body, request.length
        if isinstance(body, bytes):
            length = len(body) if len(body) > _PIECE else None
            body = _in_pieces(body) if length else body
        if length is not None:
            headers.append(("content-length", str(length)))
        timeouts = request.timeouts
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=timeouts.total,
                    sock_connect=timeouts.connect,
                    sock_read=timeouts.first_byte,
                ),
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _translate(error) from error
        if response.status == 101:
            # Nobody asked for another protocol: what follows would not be HTTP.
            response.close()
            raise GarbageError("the upstream switched to another protocol")
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = timeouts.idle
            connection.protocol.start_timeout()  # the one that runs is still that of the first byte
        return _AiohttpIncoming(response)

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()


class _AiohttpIncoming:
    """An answer of aiohttp's client."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: list[Header] = [(bytes(n), bytes(v)) for n, v in response.raw_headers]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yields the body's bytes as they arrive."""
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _translate(error) from error

    def close(self) -> None:
        """Lets go of the answer."""
        self._response.close()


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]


def _text(value: bytes) -> str:
    # aiohttp writes header values as UTF-8.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _translate(error: Exception) -> TransportError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ConnectError("the connection was not established in time")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return ConnectError("the upstream's TLS certificate or handshake was not accepted")
        case aiohttp.ClientConnectorDNSError():
            return ConnectError("the upstream's host name does not resolve")
        case aiohttp.ClientConnectorError():
            return ConnectError("the connection was refused or the host is unreachable")
        case aiohttp.SocketTimeoutError() | TimeoutError():
            return TimeoutExpiredError("the upstream did not answer in time")
        case aiohttp.InvalidURL() | ValueError():
            return ConnectError("the upstream's URL can't be used")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return CutError("the upstream closed the connection")
        case aiohttp.ClientResponseError():
            return GarbageError("what the upstream sent is not a valid HTTP response")
        case _:
            return CutError("the connection to the upstream broke")
