"""The Connect door: unary calls over HTTP (connectrpc.com/docs/protocol), JSON and binary."""

import base64
import re
import time
import zlib
from collections.abc import Mapping

from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message

from tollkeeper_server.doors.http import MAX_BODY, Request, Response, json_response, media_type
from tollkeeper_server.doors.status import code_name, details_of
from tollkeeper_server.errors import GrpcCode, Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.chain.chain import REQUEST_ID, Call, Chain, request_id
from tollkeeper_server.management.chain.registry import methods, new_request

_JSON, _PROTO = "application/json", "application/proto"
_VERSION = "connect-protocol-version"
_TIMEOUT = "connect-timeout-ms"
_MILLISECONDS = re.compile(r"[0-9]{1,10}")
_GZIP = 31  # zlib's number for a gzip header and trailer
_UNREADABLE_FIELD = re.compile(r"Failed to parse (\w+) field")
_UNKNOWN_FIELD = re.compile(r'has no field named "([^"]*)"')

# The protocol defines these statuses; some differ from REST's.
_HTTP_STATUS = {
    GrpcCode.CANCELLED: 499,
    GrpcCode.UNKNOWN: 500,
    GrpcCode.INVALID_ARGUMENT: 400,
    GrpcCode.DEADLINE_EXCEEDED: 504,
    GrpcCode.NOT_FOUND: 404,
    GrpcCode.ALREADY_EXISTS: 409,
    GrpcCode.PERMISSION_DENIED: 403,
    GrpcCode.RESOURCE_EXHAUSTED: 429,
    GrpcCode.FAILED_PRECONDITION: 400,
    GrpcCode.ABORTED: 409,
    GrpcCode.UNIMPLEMENTED: 501,
    GrpcCode.INTERNAL: 500,
    GrpcCode.UNAVAILABLE: 503,
    GrpcCode.UNAUTHENTICATED: 401,
}


class Connect:
    """Answers `POST /SERVICE/METHOD`, such as `/tollkeeper.v1.ProjectService/ListProjects`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._methods = {f"/{it.containing_service.full_name}/{it.name}": it for it in methods()}

    async def serve(self, request: Request) -> Response:
        """Return the answer to a request; an error is an answer, too."""
        this_id = request_id(request.headers.get(REQUEST_ID))
        try:
            return (await self._serve(request, this_id)).with_headers({REQUEST_ID: this_id})
        except TollkeeperError as error:
            return error_response(error, this_id)

    async def _serve(self, request: Request, this_id: str) -> Response:
        method = self._methods.get(request.path)
        if method is None:
            raise TollkeeperError(Reason.UNIMPLEMENTED, "there is no such service or method")
        if request.method == "OPTIONS":
            return Response(204, headers={"allow": "OPTIONS, POST"})
        # For these two the protocol prescribes a status without a body.
        if request.method != "POST":
            return Response(405, headers={"allow": "OPTIONS, POST"})
        codec = media_type(request.headers)
        if codec not in {_JSON, _PROTO}:
            return Response(415, headers={"accept-post": f"{_JSON}, {_PROTO}"})
        if request.headers.get(_VERSION, "1") != "1":
            raise invalid_argument(_VERSION, "must be 1")
        call = Call(method, this_id, request.headers, _deadline(request.headers), request.peer)
        answer = await self._chain.invoke(call, lambda: _decode(method, codec, request))
        if codec == _PROTO:
            return Response(200, answer.SerializeToString(), {"content-type": _PROTO})
        return Response(200, json_format.MessageToJson(answer, indent=None).encode(), {"content-type": _JSON})


def error_response(error: TollkeeperError, this_id: str) -> Response:
    """Return the answer that reports an error in the protocol's form."""
    details = [
        {
            "type": detail.DESCRIPTOR.full_name,
            "value": base64.b64encode(detail.SerializeToString()).rstrip(b"=").decode(),
            "debug": json_format.MessageToDict(detail),
        }
        for detail in details_of(error, this_id)
    ]
    content = {"code": _word(error), "message": error.message, "details": details}
    headers = {REQUEST_ID: this_id}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return json_response(_HTTP_STATUS[error.outcome.grpc], content, headers)


def _word(error: TollkeeperError) -> str:
    # gRPC spells "cancelled" with two l, Connect with one.
    return code_name(error).lower().replace("cancelled", "canceled")


def _deadline(headers: Mapping[str, str]) -> float | None:
    timeout = headers.get(_TIMEOUT)
    if timeout is None:
        return None
    if not _MILLISECONDS.fullmatch(timeout):
        raise invalid_argument(_TIMEOUT, "must be milliseconds, in up to ten digits")
    return time.monotonic() + int(timeout) / 1000


def _decode(method: MethodDescriptor, codec: str, request: Request) -> Message:
    message = new_request(method)
    body = _uncompressed(request)
    if codec == _PROTO:
        try:
            message.ParseFromString(body)
        except DecodeError:
            raise TollkeeperError(
                Reason.INVALID_ARGUMENT,
                f"the body is not a {method.input_type.full_name} in protobuf's binary form",
            ) from None
        return message
    try:
        json_format.Parse(body.decode("utf-8"), message)
    except json_format.ParseError as error:
        raise _unreadable(str(error)) from None
    except UnicodeDecodeError:
        raise TollkeeperError(Reason.INVALID_JSON, "the body is not valid JSON: it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, "the body holds a value that is out of range or nested too deeply"
        ) from None
    return message


def _unreadable(problem: str) -> TollkeeperError:
    """Return the error for JSON that does not fit the request. Protobuf's message may quote values, so only
    the field's name and the position are taken from it.
    """
    if problem.startswith("Failed to load JSON"):
        position = re.search(r"line \d+ column \d+", problem)
        return TollkeeperError(
            Reason.INVALID_JSON, f"the body is not valid JSON{f': {position.group()}' if position else ''}"
        )
    unknown = _UNKNOWN_FIELD.search(problem)
    if unknown:
        name = unknown.group(1)[:64].encode("ascii", "backslashreplace").decode()
        return invalid_argument(name, "is not known here")
    found = _UNREADABLE_FIELD.search(problem)
    if found:
        return invalid_argument(found.group(1), "has a value of the wrong type or form")
    return TollkeeperError(Reason.INVALID_ARGUMENT, "the body is not the JSON form of this request")


def _uncompressed(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return request.body
    if encoding != "gzip":
        raise TollkeeperError(
            Reason.UNIMPLEMENTED,
            "content-encoding: only gzip and identity are accepted",
            field="content-encoding",
        )
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(request.body, MAX_BODY + 1)
    except zlib.error:
        body = b""
    if len(body) > MAX_BODY:
        raise TollkeeperError(
            Reason.BODY_TOO_LARGE, f"the body, unpacked, is larger than the {MAX_BODY:,} bytes allowed"
        )
    if not unpacker.eof or unpacker.unused_data:
        raise invalid_argument("content-encoding", "the body is not in gzip's format")
    return body
