"""The REST door: generic over the descriptors, into the same chain as gRPC."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import parse_qsl

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tollkeeper_server.doors.http import MAX_BODY, Request, Response, json_response, media_type
from tollkeeper_server.doors.rest_json import Json, check_depth, from_json, to_json
from tollkeeper_server.doors.rest_routes import Route, routes
from tollkeeper_server.doors.status import to_rest
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain import REQUEST_ID, Call, Chain, request_id
from tollkeeper_server.management.registry import new_request, policy_of

PREFIX = "/manage"
NEXT_PAGE = "x-next-page-token"
_MASK = "update_mask"
_TRUE, _FALSE = {"true", "1"}, {"false", "0"}


class Rest:
    """Answers requests below `/manage`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._routes = routes()

    async def serve(self, request: Request) -> Response:
        """Answers a request; every error is an answer, too."""
        this_id = request_id(request.headers.get(REQUEST_ID))
        try:
            response = await self._serve(request, this_id)
        except TollkeeperError as error:
            response = error_response(error)
        return Response(response.status, response.body, {**response.headers, REQUEST_ID: this_id})

    async def _serve(self, request: Request, this_id: str) -> Response:
        matched = [
            (route, found) for route in self._routes if (found := route.match(request.path)) is not None
        ]
        if not matched:
            raise TollkeeperError(
                Reason.NOT_FOUND, "there is nothing at this path; /openapi.json lists what there is"
            )
        verb = "GET" if request.method == "HEAD" else request.method
        for route, variables in matched:
            if route.verb == verb:
                break
        else:
            return _not_allowed(request.method, [route for route, _ in matched])
        call = Call(route.method, this_id, request.headers, peer=request.peer)
        answer = await self._chain.invoke(call, partial(decode, route, dict(variables), request))
        return _answer(route, answer)


def error_response(error: TollkeeperError) -> Response:
    """Returns the answer that says what went wrong, as google.rpc.Status in JSON."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.reason is Reason.INVALID_API_KEY:
        headers["www-authenticate"] = "Bearer"
    return json_response(error.outcome.http, to_rest(error), headers)


def _not_allowed(method: str, candidates: Sequence[Route]) -> Response:
    allowed = ", ".join(sorted({route.verb for route in candidates}))
    error = TollkeeperError(Reason.METHOD_NOT_ALLOWED, f"{method} is not possible here; {allowed} is")
    response = error_response(error)
    return Response(response.status, response.body, {**response.headers, "allow": allowed})


def decode(route: Route, variables: dict[str, str], request: Request) -> Message:
    """Returns the request message that path, query, headers and body amount to.

    Raises INVALID_ARGUMENT, INVALID_JSON, UNSUPPORTED_MEDIA_TYPE or BODY_TOO_LARGE.
    """
    message = new_request(route.method)
    content: dict[str, Json] = {}
    if route.body:
        content = _body(request)
        if route.verb == "PATCH" and _MASK in message.DESCRIPTOR.fields_by_name and _MASK not in content:
            content[_MASK] = _mask(message.DESCRIPTOR, content, route.variables)
        for name, value in variables.items():
            if content.get(name, value) != value:
                raise TollkeeperError(
                    Reason.INVALID_ARGUMENT, f"{name}: differs from the one in the path", field=name
                )
    elif request.body:
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "body: this call takes none", field="body")
    content |= variables
    for name, value in _query(request.query, route):
        _add(content, name, value, message.DESCRIPTOR)
    etag = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if etag and etag != "*" and "etag" in message.DESCRIPTOR.fields_by_name:
        content.setdefault("etag", etag)
    from_json(content, message)
    return message


def _body(request: Request) -> dict[str, Json]:
    if len(request.body) > MAX_BODY:
        raise TollkeeperError(
            Reason.BODY_TOO_LARGE, f"the body is larger than the {MAX_BODY:,} bytes taken here", field="body"
        )
    if not request.body.strip():
        return {}
    media = media_type(request.headers)
    if media and media != "application/json" and not media.endswith("+json"):
        raise TollkeeperError(
            Reason.UNSUPPORTED_MEDIA_TYPE,
            "the content-type is not one this API takes; send application/json",
            field="content-type",
        )
    try:
        content = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TollkeeperError(
            Reason.INVALID_JSON, f"the body is not valid JSON: {error}", field="body"
        ) from error
    if not isinstance(content, dict):
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "body: must be a JSON object", field="body")
    check_depth(content)
    return content


def _mask(descriptor: Descriptor, content: dict[str, Json], variables: Sequence[str]) -> str:
    """Returns the mask that the members of a PATCH's body stand for."""
    names = {field.json_name: field.name for field in descriptor.fields}
    given = [names.get(name, name) for name in content]
    return ",".join(_camel(name) for name in given if name != "etag" and name not in variables)


def _camel(name: str) -> str:
    # A mask in JSON is written in camelCase (google/protobuf/field_mask.proto).
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _query(query: str, route: Route) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=100
        )
    except ValueError:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, "the query can't be read; write it as name=value&name=value"
        ) from None
    if pairs and route.body == "*":
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"{pairs[0][0]}: give it in the body; this call has no query"
        )
    return pairs


def _add(content: dict[str, Json], name: str, text: str, descriptor: Descriptor) -> None:
    field = descriptor.fields_by_name.get(name)
    if field is None:
        names = ", ".join(it.name for it in descriptor.fields)
        shown = name[:64].encode("ascii", "backslashreplace").decode()
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"{shown}: is not known here; these are: {names}", field=shown
        )
    if not field.is_repeated:
        if name in content:
            raise TollkeeperError(Reason.INVALID_ARGUMENT, f"{name}: is given twice", field=name)
        content[name] = _value(field, text)
        return
    values = content.setdefault(name, [])
    assert isinstance(values, list)
    values.extend(_value(field, part) for part in text.split(",") if part)


def _value(field: FieldDescriptor, text: str) -> Json:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, f"{field.name}: must be true or false", field=field.name
        )
    return text


def _answer(route: Route, answer: Message) -> Response:
    status = policy_of(route.method).success_status or 200
    headers: dict[str, str] = {}
    token = getattr(answer, "next_page_token", "")
    if token and route.response_body:
        headers[NEXT_PAGE] = token
    if status == 204:
        return Response(status, b"", headers)
    content: Json | object = to_json(answer)
    if route.response_body:
        content = to_json(answer)[route.response_body]
    if isinstance(content, dict) and content.get("etag"):
        headers["etag"] = f'"{content["etag"]}"'
    return json_response(status, content, headers)
