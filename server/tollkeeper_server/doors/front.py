"""The application of the console's port: the data plane, the console, and what neither should see."""

from quart import Quart

from tollkeeper_server.dataplane.caller import App, Message, Receive, Send
from tollkeeper_server.dataplane.headers import (
    PLAIN_HTTP,
    check_expectation,
    check_upgrade,
    framed_twice,
    two_framings,
)
from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.dataplane.reply.own import check_origin
from tollkeeper_server.dataplane.request.endpoint import UNKNOWN
from tollkeeper_server.doors.playground import Playground, is_playground_path
from tollkeeper_server.doors.rest.door import error_response
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.http1.server.strict import WRONG_TARGET
from tollkeeper_server.management.chain.chain import REQUEST_ID, request_id

_DATA_PATHS = ("/v1/", "/openai/")


def is_data_path(path: str) -> bool:
    """Return whether the data plane answers at a path of the console's port."""
    return path.startswith(_DATA_PATHS)


def front(plane: DataPlane, playground: Playground, console: Quart) -> App:
    """Return the application that gives `/v1` to the data plane and the rest to the console."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if is_data_path(scope["path"]):
            await plane(scope, receive, send)
        elif (error := _problem(scope)) is not None:
            await _refuse(send, error, is_http2=scope["http_version"] == "2")
        elif is_playground_path(scope["path"]):
            await playground(scope, receive, send)
        elif scope["path"] == "*" and scope["method"] == "OPTIONS":
            await _answer_asterisk(send)
        else:
            await console(scope, receive, send)  # type: ignore[arg-type]  # the same ASGI, typed apart

    return application


def _problem(scope: Message) -> TollkeeperError | None:
    """Return why a request is refused whatever it asks for, as the data plane does; None if it is not."""
    is_asterisk = scope["path"] == "*" and scope["method"] == "OPTIONS"
    if not (scope["path"].startswith("/") or is_asterisk):
        return WRONG_TARGET  # CONNECT over HTTP/2 has no path at all
    headers = dict(scope["headers"])
    try:
        check_upgrade(scope["method"], headers)
        check_expectation(scope["headers"], scope["http_version"])
        if scope["method"] == "OPTIONS":
            check_origin(headers)
    except TollkeeperError as error:
        return error
    return two_framings() if framed_twice(headers) else None


async def _answer_asterisk(send: Send) -> None:
    # OPTIONS alone can ask about the whole server (RFC 9110, 9.3.7).
    headers = [(b"allow", UNKNOWN.methods.encode()), (REQUEST_ID.encode(), request_id(None).encode())]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refuse(send: Send, error: TollkeeperError, *, is_http2: bool) -> None:
    answer = error_response(error, request_id(None))
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    if error.reason is Reason.WEBSOCKET_NOT_SERVED and not is_http2:
        headers += PLAIN_HTTP
    elif not is_http2:
        # Unless the connection ends, the rest of the request might be read as another (RFC 9112, 6.1).
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
