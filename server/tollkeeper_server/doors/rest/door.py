"""The REST door: generic over the descriptors, into the same chain as gRPC."""

from collections.abc import Mapping
from functools import partial

from google.protobuf.message import Message
from tollkeeper.messages.fields import changeable, descriptor_of

from tollkeeper_server.dataplane.reply.own import method_not_allowed
from tollkeeper_server.doors.http import Request, Response, json_response, media_type
from tollkeeper_server.doors.rest.json import Json, from_json, parse_object, to_json
from tollkeeper_server.doors.rest.query import read_query
from tollkeeper_server.doors.rest.routes import HttpBinding, routes
from tollkeeper_server.doors.status import to_rest
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.chain.chain import REQUEST_ID, Call, Chain, request_id
from tollkeeper_server.management.chain.registry import new_request, policy_of

NEXT_PAGE = "x-next-page-token"
_MASK = "update_mask"
_ETAG = "etag"
_JSON = "application/json"


class Rest:
    """Answers requests below `/manage`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._routes = routes()

    async def serve(self, request: Request) -> Response:
        """Answer a request; every error is an answer, too."""
        this_id = request_id(request.headers.get(REQUEST_ID))
        try:
            return (await self._serve(request, this_id)).with_headers({REQUEST_ID: this_id})
        except TollkeeperError as error:
            return error_response(error, this_id)

    def allowed(self, path: str) -> str:
        """Return the methods that a path has, as the header `Allow` lists them; empty for no such path."""
        return ", ".join(sorted({route.verb for route in self._routes if route.pattern.fullmatch(path)}))

    async def _serve(self, request: Request, this_id: str) -> Response:
        verb = "GET" if request.method == "HEAD" else request.method
        for route in self._routes:
            variables = route.match(request.path) if route.verb == verb else None
            if variables is not None:
                call = Call(route.method, this_id, request.headers, peer=request.peer)
                answer = await self._chain.invoke(call, partial(decode, route, variables, request))
                return _answer(route, answer)
        allowed = self.allowed(request.path)
        if allowed:
            return other_method(request.method, allowed, this_id)
        raise TollkeeperError(
            Reason.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is"
        )


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


def decode(route: HttpBinding, variables: Mapping[str, str], request: Request) -> Message:
    """Return the request message that path, query, headers and body amount to.

    Raises INVALID_ARGUMENT, INVALID_JSON or UNSUPPORTED_MEDIA_TYPE.
    """
    message = new_request(route.method)
    fields = descriptor_of(message).fields_by_name
    if route.body:
        content = _body(request)
        if route.verb == "PATCH" and _MASK in fields and content.get(_MASK) is None:
            # {"expires_at": null} is meant to clear it: the members present are the mask.
            content[_MASK] = [name for name in changeable(descriptor_of(message)) if name in content]
    elif request.body:
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "the body: this call takes none")
    else:
        content = {}
    for name, value in variables.items():
        if content.setdefault(name, value) != value:
            raise invalid_argument(name, "differs from the one in the path")
    read_query(request.query, content, descriptor_of(message), {*variables}, has_body=bool(route.body))
    _apply_if_match(request, content, has_etag=_ETAG in fields)
    from_json(content, message)
    return message


def _body(request: Request) -> dict[str, Json]:
    if not request.body.strip():
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
    return parse_object(request.body)


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
    if status == 204:
        return Response(status, b"", headers)
    whole = to_json(answer)
    content = whole[route.response_body] if route.response_body else whole
    if isinstance(content, dict) and content.get(_ETAG):
        headers[_ETAG] = f'"{content[_ETAG]}"'
    return json_response(status, content, headers)
