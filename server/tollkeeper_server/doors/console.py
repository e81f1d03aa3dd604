"""The console's Quart application: REST, Connect, the pages of `webui/`, description, health, metrics."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import quart
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from quart import Quart
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from tollkeeper.services import SERVICES
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestTimeout

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.doors import connect, docs, ops, session
from tollkeeper_server.doors.http import (
    LAST_SECONDS,
    Request,
    Response,
    Streamed,
    Write,
    joined,
    json_response,
)
from tollkeeper_server.doors.metrics.exposition import Exposition
from tollkeeper_server.doors.rest import door as rest
from tollkeeper_server.doors.rest.openapi import make_document
from tollkeeper_server.doors.session import SessionDoor
from tollkeeper_server.doors.webui.door import Webui, add_webui
from tollkeeper_server.doors.webui.place import find_place
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import REQUEST_ID, Chain, request_id
from tollkeeper_server.management.chain.large import WHOLE_CONFIGURATION
from tollkeeper_server.management.sessions import Sessions

_log = logging.getLogger("tollkeeper.doors")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_BODY_SECONDS = 30
_REASONS = {
    400: (Reason.INVALID_ARGUMENT, "the request can't be read"),
    404: (Reason.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is"),
    408: (Reason.REQUEST_TIMEOUT, f"the body did not arrive within {_BODY_SECONDS} seconds"),
    413: (Reason.BODY_TOO_LARGE, "the body is larger than this call takes"),
}
_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_TLS_ONLY = {"strict-transport-security": "max-age=31536000"}


class _Request(quart.Request):
    """A request whose body is received when it is wanted: a stranger is refused without it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.wanted = asyncio.Event()

    async def read_body(self, limit: int) -> bytes | None:
        """Return the body, None if it has more bytes than `limit`. Raises 408 if it takes too long."""
        if (self.content_length or 0) > limit:
            return None
        self.wanted.set()
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for piece in self.body:
                    body += piece
                    if len(body) > limit:
                        return None
        except TimeoutError:
            raise RequestTimeout from None
        return bytes(body)


class _StreamedResponse(quart.Response):
    """An answer that comes piece by piece. Its status, and headers of its own, come with its beginning."""

    def __init__(self, streamed: Streamed) -> None:
        super().__init__()
        self.streamed = streamed
        del self.headers["content-type"]
        self.headers.pop("content-length", None)


class _Call(ASGIHTTPConnection):
    """A request of the console. Quart leaves the handler of one that is cut off to go on, and to fail."""

    def __init__(self, app: Quart, scope: HTTPScope) -> None:
        super().__init__(app, scope)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve it, and end all of it if this is cancelled."""
        try:
            await super().__call__(receive, send)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            raise

    async def handle_messages(self, request: quart.Request, receive: ASGIReceiveCallable) -> None:
        """Receive the body when it is wanted, and notice that the caller has left."""
        self._note_task()
        assert isinstance(request, _Request)
        if request.method not in _WITHOUT_BODY:
            await request.wanted.wait()
        while (message := await receive())["type"] == "http.request":
            request.body.append(message["body"])
            if not message["more_body"]:
                request.body.set_complete()
            else:
                await request.wanted.wait()

    async def handle_request(self, request: quart.Request, send: ASGISendCallable) -> None:
        """As Quart does."""
        self._note_task()
        await super().handle_request(request, send)

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        """Send an answer that comes piece by piece as it comes, any other as Quart does."""
        if not isinstance(response, _StreamedResponse):
            await super()._send_response(send, response)
            return

        async def begin(start: Response) -> Write:
            for name, value in start.headers.items():
                response.headers[name] = value
            headers = encode_headers(response.headers)
            await send({"type": "http.response.start", "status": start.status, "headers": headers})
            return write

        async def write(piece: bytes) -> None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        with contextlib.suppress(TimeoutError):  # who reads nothing is cut off
            await response.streamed.run(begin)
            async with asyncio.timeout(LAST_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _note_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)


def make_console(
    chain: Chain,
    sessions: Sessions,
    ready: ops.Readiness,
    exposition: Exposition,
    version: str,
    *,
    tls_only: bool = False,
    webui: Webui | None = None,
) -> Quart:
    """Return the application. `sessions` knows who has signed in; `ready` returns problems by part;
    `exposition` answers scrapes.

    `tls_only` has browsers use no plain HTTP with this host from then on (RFC 6797). `webui` is what is
    served below `/admin/`, by default the build of this installation.
    """
    app = Quart("tollkeeper", static_folder=None)
    app.asgi_http_class = _Call
    app.request_class = _Request
    # The listener ends what nobody reads.
    app.config.update(MAX_CONTENT_LENGTH=WHOLE_CONFIGURATION, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None)
    app.url_map.merge_slashes = False  # a redirect would lose the body
    _add_doors(app, chain)
    _add_session(app, sessions)
    _add_description(app, version)
    _add_operations(app, ready, exposition, version)
    add_webui(app, webui or Webui(find_place()))
    _add_errors(app)

    protection = _SECURITY_HEADERS | (_TLS_ONLY if tls_only else {})

    @app.after_request
    async def protect(response: quart.Response) -> quart.Response:
        for name, value in protection.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _add_doors(app: Quart, chain: Chain) -> None:
    rest_door, connect_door = rest.Rest(chain), connect.Connect(chain)

    async def serve_rest(path: str) -> quart.Response:  # noqa: ARG001 - the door reads the undecoded path
        return _written(await rest_door.serve(_received()))

    async def serve_connect(path: str) -> quart.Response:  # noqa: ARG001 - as above
        return _written(await connect_door.serve(_received()))

    app.add_url_rule(
        "/manage/<path:path>", "rest", serve_rest, methods=_METHODS, provide_automatic_options=False
    )
    for service in SERVICES:
        app.add_url_rule(
            f"/{service.full_name}/<path:path>",
            service.full_name,
            serve_connect,
            methods=_METHODS,
            provide_automatic_options=False,
        )


def _add_session(app: Quart, sessions: Sessions) -> None:
    door = SessionDoor(sessions)

    async def serve_session() -> quart.Response:
        return _written(await door.serve(_received()))

    app.add_url_rule(
        session.PATH, "session", serve_session, methods=_METHODS, provide_automatic_options=False
    )


def _add_description(app: Quart, version: str) -> None:
    document = json_response(200, make_document(version))

    async def serve_docs_file(name: str) -> quart.Response:
        found = docs.file(name)
        if found is None:
            quart.abort(404)
        return _written(found)

    _get(app, "/openapi.json", lambda: document)
    _get(app, "/docs", docs.page)
    app.add_url_rule("/docs/<name>", "docs_file", serve_docs_file, provide_automatic_options=False)


def _add_operations(app: Quart, ready: ops.Readiness, exposition: Exposition, version: str) -> None:
    async def serve_readiness() -> quart.Response:
        return _written(await ops.readiness(ready))

    async def serve_metrics() -> quart.Response:
        return _written(await exposition.answer(quart.request.headers.get("accept", "")))

    _get(app, "/", lambda: ops.welcome(version))
    _get(app, "/health", lambda: ops.health(version))
    _get(app, "/live", ops.live)
    app.add_url_rule("/ready", "ready", serve_readiness, provide_automatic_options=False)
    app.add_url_rule("/metrics", "metrics", serve_metrics, provide_automatic_options=False)


def _get(app: Quart, path: str, answer: Callable[[], Response]) -> None:
    async def serve() -> quart.Response:
        return _written(answer())

    app.add_url_rule(path, path.strip("/") or "welcome", serve, provide_automatic_options=False)


def _add_errors(app: Quart) -> None:
    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> quart.Response:
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted({*(error.valid_methods or ()), "OPTIONS"}))
            return _written(rest.other_method(quart.request.method, allowed, _this_id()))
        reason, message = _REASONS.get(error.code or 500, (Reason.INTERNAL, "the request failed"))
        return _written(rest.error_response(TollkeeperError(reason, message), _this_id()))

    @app.errorhandler(Exception)
    async def fail(error: Exception) -> quart.Response:
        error_id = new_id(Prefix.REQUEST)
        _log.error("internal error %s at %s", error_id, quart.request.method, exc_info=error)
        message = f"internal error {error_id}; the server's log says more under that id"
        return _written(rest.error_response(TollkeeperError(Reason.INTERNAL, message), _this_id()))


def _this_id() -> str:
    return request_id(quart.request.headers.get(REQUEST_ID))


def _received() -> Request:
    received = quart.request
    assert isinstance(received, _Request)
    raw_path: bytes = received.scope.get("raw_path") or received.path.encode()
    return Request(
        method=received.method,
        path=raw_path.decode("ascii", "replace"),
        query=received.query_string.decode("ascii", "replace"),
        headers=joined(received.headers.items()),
        read_body=received.read_body,
        peer=received.remote_addr or "",
        is_tls=received.scheme == "https",
    )


def _written(response: Response | Streamed) -> quart.Response:
    if isinstance(response, Streamed):
        return _StreamedResponse(response)
    written = quart.Response(response.body, status=response.status)
    if "content-type" not in response.headers:
        del written.headers["content-type"]
    for name, value in response.headers.items():
        written.headers[name] = value
    return written
