"""The transport on aiohttp's client."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import aiohttp
from yarl import URL

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

_MAX_HEADER = 64 * 1024
_READ_BUFFER = 256 * 1024
_KEEPALIVE_SECONDS = 30.0
_SKIP = ("accept", "accept-encoding", "user-agent", "content-type")


class _Trace:
    """Whether the connection of a request was in use before."""

    __slots__ = ("reused",)

    def __init__(self) -> None:
        self.reused = False


async def _on_reuse(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.reused = True


class AiohttpTransport:
    """Keeps connections alive; follows no redirects, decodes nothing, keeps no cookies."""

    def __init__(self) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_on_reuse)
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            skip_auto_headers=_SKIP,
            trace_configs=[trace],
            trust_env=False,
        )

    async def open(self, request: Outgoing) -> Incoming:
        """Sends a request and returns the answer once its headers are there."""
        trace = _Trace()
        try:
            return await self._send(request, trace)
        except CutError:
            # A kept connection may have died while idle, which shows only now. Once is enough: the
            # next one is tried as a new request would.
            if not trace.reused or not isinstance(request.body, bytes):
                raise
        return await self._send(request, _Trace())

    async def _send(self, request: Outgoing, trace: _Trace) -> Incoming:
        headers = [(name.decode("latin-1"), _text(value)) for name, value in request.headers]
        if not isinstance(request.body, bytes) and request.length is not None:
            headers.append(("content-length", str(request.length)))
        timeouts = request.timeouts
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=request.body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=timeouts.total,
                    sock_connect=timeouts.connect,
                    sock_read=timeouts.first_byte,
                ),
                trace_request_ctx=trace,
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _translate(error) from error
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
