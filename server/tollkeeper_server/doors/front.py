"""The application of the console's port: the data plane, the console, and what neither should see."""

from collections.abc import Awaitable, Callable

from hypercorn.typing import ASGIFramework, HTTPScope, Scope

from tollkeeper_server.dataplane.headers import (
    PLAIN_HTTP,
    check_expectation,
    framed_twice,
    no_websockets,
    two_framings,
)
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.reply.own import check_origin
from tollkeeper_server.dataplane.request.endpoint import UNKNOWN
from tollkeeper_server.domain.headers import Header
from tollkeeper_server.doors.rest.door import error_response
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.chain.chain import REQUEST_ID, request_id

_DATA_PATHS = ("/v1/", "/openai/")


def front(plane: DataPlane, console: ASGIFramework) -> ASGIFramework:
    """Return the application that gives `/v1` to the data plane and the rest to the console."""

    async def application(
        scope: Scope, receive: Callable[[], Awaitable[object]], send: Callable[[object], Awaitable[None]]
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await _refuse_handshake(send, is_http2=scope["http_version"] == "2")
        elif scope["type"] == "http" and scope["path"].startswith(_DATA_PATHS):
            await plane(scope, receive, send)  # type: ignore[arg-type]  # the same ASGI, typed apart
        elif scope["type"] == "http" and (error := _problem(scope)) is not None:
            # Unless the connection ends, the rest of the request might be read as another (RFC 9112, 6.1).
            close = () if scope["http_version"] == "2" else ((b"connection", b"close"),)
            await _refuse(send, error, *close)
        elif scope["type"] == "http" and scope["path"] == "*" and scope["method"] == "OPTIONS":
            await _answer_asterisk(send)
        else:
            await console(scope, receive, send)  # type: ignore[arg-type]  # as above

    return application  # type: ignore[return-value]  # as above


def _problem(scope: HTTPScope) -> TollkeeperError | None:
    """Return why a request is refused whatever it asks for, as the data plane does; None if it is not."""
    headers = dict(scope["headers"])
    try:
        check_expectation(headers, scope["http_version"])
        if scope["method"] == "OPTIONS":
            check_origin(headers)
    except TollkeeperError as error:
        return error
    return two_framings() if framed_twice(headers) else None


async def _answer_asterisk(send: Callable[[object], Awaitable[None]]) -> None:
    # OPTIONS alone can ask about the whole server (RFC 9110, 9.3.7).
    headers = [(b"allow", UNKNOWN.methods.encode()), (REQUEST_ID.encode(), request_id(None).encode())]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refuse_handshake(send: Callable[[object], Awaitable[None]], *, is_http2: bool) -> None:
    await _refuse(send, no_websockets(), *(() if is_http2 else PLAIN_HTTP), kind="websocket.http")


async def _refuse(
    send: Callable[[object], Awaitable[None]], error: TollkeeperError, *more: Header, kind: str = "http"
) -> None:
    # `kind` begins the names of ASGI's messages.
    answer = error_response(error, request_id(None))
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers += [(b"content-length", str(len(answer.body)).encode()), *more]
    await send({"type": f"{kind}.response.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": answer.body, "more_body": False})
