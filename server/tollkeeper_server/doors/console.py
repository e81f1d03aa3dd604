"""The console's Quart application: REST, Connect, the API's description, health and metrics."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import quart
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from quart import Quart
from quart.asgi import ASGIHTTPConnection
from tollkeeper.services import SERVICES
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.doors import connect, docs, ops
from tollkeeper_server.doors.http import MAX_BODY, Request, Response, json_response
from tollkeeper_server.doors.metrics.exposition import Exposition
from tollkeeper_server.doors.rest import door as rest
from tollkeeper_server.doors.rest.openapi import make_document
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import REQUEST_ID, Chain, request_id

_log = logging.getLogger("tollkeeper.doors")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_BODY_SECONDS = 30
_ANSWER_SECONDS = 60
_REASONS = {
    400: (Reason.INVALID_ARGUMENT, "the request can't be read"),
    404: (Reason.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is"),
    408: (Reason.REQUEST_TIMEOUT, f"the body did not arrive within {_BODY_SECONDS} seconds"),
    413: (Reason.BODY_TOO_LARGE, f"the body is larger than the {MAX_BODY:,} bytes allowed"),
}
_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


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
        """As Quart does."""
        self._note_task()
        await super().handle_messages(request, receive)

    async def handle_request(self, request: quart.Request, send: ASGISendCallable) -> None:
        """As Quart does."""
        self._note_task()
        await super().handle_request(request, send)

    def _note_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)


def make_console(chain: Chain, ready: ops.Readiness, exposition: Exposition, version: str) -> Quart:
    """Return the application. `ready` returns problems by part; `exposition` answers scrapes."""
    app = Quart("tollkeeper", static_folder=None)
    app.asgi_http_class = _Call
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY, BODY_TIMEOUT=_BODY_SECONDS, RESPONSE_TIMEOUT=_ANSWER_SECONDS
    )
    app.url_map.merge_slashes = False  # a redirect would lose the body
    _add_doors(app, chain)
    _add_description(app, version)
    _add_operations(app, ready, exposition, version)
    _add_errors(app)

    @app.after_request
    async def protect(response: quart.Response) -> quart.Response:
        for name, value in _SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _add_doors(app: Quart, chain: Chain) -> None:
    rest_door, connect_door = rest.Rest(chain), connect.Connect(chain)

    async def serve_rest(path: str) -> quart.Response:  # noqa: ARG001 - the door reads the undecoded path
        return _written(await rest_door.serve(await _received()))

    async def serve_connect(path: str) -> quart.Response:  # noqa: ARG001 - as above
        return _written(await connect_door.serve(await _received()))

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


async def _received() -> Request:
    received = quart.request
    headers: dict[str, str] = {}
    for name, value in received.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    raw_path: bytes = received.scope.get("raw_path") or received.path.encode()
    return Request(
        method=received.method,
        path=raw_path.decode("ascii", "replace"),
        query=received.query_string.decode("ascii", "replace"),
        headers=headers,
        body=await _body(received),
        peer=received.remote_addr or "",
    )


async def _body(received: quart.Request) -> bytes:
    body = await received.get_data(cache=False, as_text=False, parse_form_data=False)
    task = asyncio.current_task()
    # Before Python 3.12 `asyncio.wait_for`, by which Quart waits for the body, loses a cancellation that
    # comes together with it: that of a caller who asks and leaves at once.
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return body


def _written(response: Response) -> quart.Response:
    written = quart.Response(response.body, status=response.status)
    if "content-type" not in response.headers:
        del written.headers["content-type"]
    for name, value in response.headers.items():
        written.headers[name] = value
    return written
