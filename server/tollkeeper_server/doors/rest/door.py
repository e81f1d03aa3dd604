"""The REST door: generic over the descriptors, into the same chain as gRPC.

The messages of a stream are server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html). The
id of such an event is its message's `last_id`, and comes back as Last-Event-ID, which stands for `after_id`.
An event of a message with nothing else has no data. A stream that fails ends with an event `error`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import msgspec
from google.protobuf.message import Message
from tollkeeper.messages.fields import changeable, descriptor_of

from tollkeeper_server.dataplane.reply.own import method_not_allowed
from tollkeeper_server.domain.author import Door
from tollkeeper_server.doors.http import (
    Begin,
    Request,
    Response,
    Streamed,
    Write,
    body_of,
    json_response,
    media_type,
    write_last,
)
from tollkeeper_server.doors.rest.csv import NEXT_PAGE, csv_response, wants_csv, without_alt
from tollkeeper_server.doors.rest.json import Json, from_json, parse_object, to_json
from tollkeeper_server.doors.rest.query import read_query
from tollkeeper_server.doors.rest.routes import HttpBinding, routes
from tollkeeper_server.doors.session_cookie import offered_cookie
from tollkeeper_server.doors.status import to_rest
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.chain.chain import (
    REQUEST_ID,
    Call,
    Chain,
    OfferedSession,
    Read,
    request_id,
)
from tollkeeper_server.management.chain.large import looked_through
from tollkeeper_server.management.chain.registry import new_request, policy_of

TOTAL = "x-total-size"
_MASK = "update_mask"
_TOTAL_FIELD = "total_size"
_ETAG = "etag"
_AFTER, _LAST = "after_id", "last_id"
# Has nginx pass each event on at once.
_BUFFERING = "x-accel-buffering"
_LAST_EVENT = "last-event-id"
_JSON = "application/json"
EVENTS = "text/event-stream"
_USAGE = "UsageService"


class Rest:
    """Answers requests below `/manage`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._routes = routes()

    async def serve(self, request: Request) -> Response | Streamed:
        """Answer a request; every error is an answer, too."""
        this_id = request_id(request.headers.get(REQUEST_ID))
        try:
            answer = await self._serve(request, this_id)
            return answer.with_headers({REQUEST_ID: this_id}) if isinstance(answer, Response) else answer
        except TollkeeperError as error:
            return error_response(error, this_id)

    def allowed(self, path: str) -> str:
        """Return the methods that a path has, as the header `Allow` lists them; empty for no such path."""
        return ", ".join(sorted({route.verb for route in self._routes if route.pattern.fullmatch(path)}))

    async def _serve(self, request: Request, this_id: str) -> Response | Streamed:
        verb = "GET" if request.method == "HEAD" else request.method
        for route in self._routes:
            variables = route.match(request.path) if route.verb == verb else None
            if variables is not None:
                query, alt = without_alt(route, request.query)
                request = replace(request, query=query)
                call = Call(route.method, this_id, request.headers, peer=request.peer, door=Door.REST)
                reading = partial(_read, route, variables, request)
                if wants_csv(route, request.headers, alt):
                    call = replace(call, session=_offered_session(route, request))
                    return await csv_response(self._chain, route, call, reading)
                if route.method.server_streaming:
                    if request.method == "HEAD":
                        return other_method("HEAD", self.allowed(request.path), this_id)
                    return Streamed(partial(self._stream, call, reading))
                return _answer(route, await self._chain.invoke(call, reading))
        allowed = self.allowed(request.path)
        if allowed:
            return other_method(request.method, allowed, this_id)
        raise TollkeeperError(
            Reason.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is"
        )

    async def _stream(self, call: Call, read: Read, begin: Begin) -> None:
        """Answer with a stream's messages. One that fails before the first is answered as other calls are."""
        write: Write | None = None
        start = Response(200, headers={"content-type": EVENTS, _BUFFERING: "no", REQUEST_ID: call.request_id})

        async def send(message: Message) -> None:
            nonlocal write
            if write is None:
                write = await begin(start)
            await write(_event(message))

        try:
            await self._chain.stream(call, read, send)
        except TollkeeperError as error:
            if write is None:
                start = error_response(error, call.request_id)
                write = await begin(start)
                await write_last(write, start.body)
            else:
                status = msgspec.json.encode(to_rest(error, call.request_id))
                await write_last(write, b"event: error\ndata: %b\n\n" % status)
        else:
            if write is None:
                await begin(start)


def _offered_session(route: HttpBinding, request: Request) -> OfferedSession | None:
    """Return the session that a page of the console downloads usage under. Nothing else over REST has one."""
    is_usage = route.method.containing_service.name == _USAGE and request.method == "GET"
    cookie = offered_cookie(request) if is_usage else None
    return None if cookie is None else OfferedSession(cookie.secret)


def error_response(error: TollkeeperError, this_id: str) -> Response:
    """Return the answer that says what went wrong, as google.rpc.Status in JSON."""
    headers = {REQUEST_ID: this_id}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.reason is Reason.INVALID_API_KEY:
        headers["www-authenticate"] = "Bearer"
    return json_response(error.outcome.http, to_rest(error, this_id), headers)


def other_method(method: str, allowed: str, this_id: str) -> Response:
    """Return the answer to OPTIONS, or to a method that a path does not have, which `allowed` lists."""
    if method == "OPTIONS":
        return Response(204, headers={"allow": allowed, REQUEST_ID: this_id})
    return error_response(method_not_allowed(method, allowed), this_id).with_headers({"allow": allowed})


async def _read(route: HttpBinding, variables: Mapping[str, str], request: Request) -> Message:
    body = await body_of(request, route.method)
    size = len(body) + len(request.query)
    return await looked_through(size, lambda: decode(route, variables, request, body))


def decode(route: HttpBinding, variables: Mapping[str, str], request: Request, body: bytes) -> Message:
    """Return the request message that path, query, headers and `body` amount to.

    Raises INVALID_ARGUMENT, INVALID_JSON or UNSUPPORTED_MEDIA_TYPE.
    """
    message = new_request(route.method)
    fields = descriptor_of(message).fields_by_name
    if route.body:
        content = _content(request, body)
        if route.verb == "PATCH" and _MASK in fields and content.get(_MASK) is None:
            # {"expires_at": null} is meant to clear it: the members present are the mask.
            content[_MASK] = [name for name in changeable(descriptor_of(message)) if name in content]
    elif body:
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "the body: this call takes none")
    else:
        content = {}
    for name, value in variables.items():
        if content.setdefault(name, value) != value:
            raise invalid_argument(name, "differs from the one in the path")
    read_query(request.query, content, descriptor_of(message), {*variables}, has_body=bool(route.body))
    last = request.headers.get(_LAST_EVENT)
    if last and route.method.server_streaming and _AFTER in fields:
        content[_AFTER] = last  # of a browser that goes on, with the query that it began with
    _apply_if_match(request, content, has_etag=_ETAG in fields)
    from_json(content, message)
    return message


def _content(request: Request, body: bytes) -> dict[str, Json]:
    if not body.strip():
        return {}
    if media_type(request.headers) not in {_JSON, ""}:
        raise TollkeeperError(
            Reason.UNSUPPORTED_MEDIA_TYPE, f"content-type: not one that is taken here; send {_JSON}"
        )
    charset = request.headers.get("content-type", "").lower().partition("charset=")[2].strip(' "')
    if charset not in {"", "utf-8", "utf8"}:
        raise TollkeeperError(
            Reason.UNSUPPORTED_MEDIA_TYPE, "content-type: the charset must be utf-8, as JSON's is"
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise TollkeeperError(
            Reason.UNSUPPORTED_MEDIA_TYPE, "content-encoding: not taken here; send the body as it is"
        )
    return parse_object(body)


def _apply_if_match(request: Request, content: dict[str, Json], *, has_etag: bool) -> None:
    condition = request.headers.get("if-match", "").strip()
    if not condition or condition == "*" or request.method in {"GET", "HEAD"}:
        return
    if not has_etag:
        raise invalid_argument("if-match", "this call can't be made conditional; leave the header out")
    etag = condition[1:-1] if len(condition) > 1 and condition[0] == condition[-1] == '"' else condition
    if content.get(_ETAG, etag) != etag:
        raise invalid_argument("if-match", "differs from etag; give one of them")
    content[_ETAG] = etag


def _answer(route: HttpBinding, answer: Message) -> Response:
    status = policy_of(route.method).success_status or 200
    headers: dict[str, str] = {}
    token: str = getattr(answer, "next_page_token", "")
    if token and route.response_body:
        headers[NEXT_PAGE] = token
    has_total = _TOTAL_FIELD in descriptor_of(answer).fields_by_name
    if route.response_body and has_total and answer.HasField(_TOTAL_FIELD):
        headers[TOTAL] = str(getattr(answer, _TOTAL_FIELD))
    if status == 204:
        return Response(status, b"", headers)
    whole = to_json(answer)
    content = whole[route.response_body] if route.response_body else whole
    if isinstance(content, dict) and content.get(_ETAG):
        headers[_ETAG] = f'"{content[_ETAG]}"'
    return json_response(status, content, headers)


def _event(message: Message) -> bytes:
    """Return a message as a server-sent event."""
    said = [field.name for field, _ in message.ListFields()]
    lines = b""
    if _LAST in said:
        lines = f"id: {getattr(message, _LAST)}\n".encode()
        said.remove(_LAST)
    if said or not lines:
        lines += b"data: %b\n" % msgspec.json.encode(to_json(message))
    return lines + b"\n"
