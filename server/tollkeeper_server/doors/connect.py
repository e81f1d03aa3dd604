"""The Connect door: calls and streams over HTTP (connectrpc.com/docs/protocol), JSON and binary.

A stream's request and messages are enveloped: a byte of flags, the length in four bytes, and the message. The
last envelope says how it ended.
"""

import base64
import re
import struct
import time
import zlib
from collections.abc import Mapping
from functools import partial

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message

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
from tollkeeper_server.doors.session_cookie import SessionCookie, offered_cookie
from tollkeeper_server.doors.status import code_name, details_of
from tollkeeper_server.errors import GrpcCode, Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.chain.chain import REQUEST_ID, Call, Chain, OfferedSession, request_id
from tollkeeper_server.management.chain.large import largest_request, looked_through, too_large
from tollkeeper_server.management.chain.registry import methods, new_request

_JSON, _PROTO = "application/json", "application/proto"
# The content types of streams, with the codecs of their messages.
_STREAMING = {"application/connect+json": _JSON, "application/connect+proto": _PROTO}
_ENVELOPE = struct.Struct(">BI")
_COMPRESSED, _END = 0b01, 0b10
_VERSION = "connect-protocol-version"
_TIMEOUT = "connect-timeout-ms"
_MILLISECONDS = re.compile(r"[0-9]{1,10}")
_IDENTITY = "identity"
_STREAM_ENCODING = "connect-content-encoding"
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

    async def serve(self, request: Request) -> Response | Streamed:
        """Return the answer to a request; an error is an answer, too."""
        this_id = request_id(request.headers.get(REQUEST_ID))
        try:
            answer = await self._serve(request, this_id)
            return answer.with_headers({REQUEST_ID: this_id}) if isinstance(answer, Response) else answer
        except TollkeeperError as error:
            return error_response(error, this_id)

    async def _serve(self, request: Request, this_id: str) -> Response | Streamed:
        method = self._methods.get(request.path)
        if method is None:
            raise TollkeeperError(Reason.UNIMPLEMENTED, "there is no such service or method")
        if request.method == "OPTIONS":
            return Response(204, headers={"allow": "OPTIONS, POST"})
        # For these two the protocol prescribes a status without a body.
        if request.method != "POST":
            return Response(405, headers={"allow": "OPTIONS, POST"})
        kind = media_type(request.headers)
        codecs = _STREAMING if method.server_streaming else {_JSON: _JSON, _PROTO: _PROTO}
        if kind not in codecs:
            return Response(415, headers={"accept-post": ", ".join(codecs)})
        codec = codecs[kind]
        if request.headers.get(_VERSION, "1") != "1":
            raise invalid_argument(_VERSION, "must be 1")
        # Forms of other pages can send neither this header nor the content types of the protocol.
        cookie = offered_cookie(request) if request.headers.get(_VERSION) == "1" else None
        offered = None if cookie is None else OfferedSession(cookie.secret)
        call = Call(
            method,
            this_id,
            request.headers,
            _deadline(request.headers),
            peer=request.peer,
            session=offered,
            door=Door.CONNECT,
        )
        if method.server_streaming:
            return Streamed(partial(self._stream, call, codec, kind, request))
        answer = await self._chain.invoke(call, lambda: _read(method, codec, request))
        headers = {"content-type": codec}
        if cookie is not None and offered is not None and offered.replacement is not None:
            headers |= SessionCookie(cookie.name, offered.replacement).setting()
        return Response(200, _encode(codec, answer), headers)

    async def _stream(self, call: Call, codec: str, kind: str, request: Request, begin: Begin) -> None:
        """Answer with a stream's messages, and at its end with how it ended."""
        write: Write | None = None
        start = Response(200, headers={"content-type": kind, REQUEST_ID: call.request_id})

        async def send(message: Message) -> None:
            nonlocal write
            if write is None:
                write = await begin(start)
            await write(_enveloped(0, _encode(codec, message)))

        end: dict[str, object] = {"metadata": {REQUEST_ID: [call.request_id]}}
        try:
            await self._chain.stream(call, lambda: _read_enveloped(call.method, codec, request), send)
        except TollkeeperError as error:
            if write is None and error.outcome.grpc is GrpcCode.UNAUTHENTICATED:
                # The status tells the connection of a stranger, whose address is made to wait.
                start = error_response(error, call.request_id)
                await write_last(await begin(start), start.body)
                return
            end["error"] = _content(error, call.request_id)
        write = write or await begin(start)
        await write_last(write, _enveloped(_END, msgspec.json.encode(end)))


def error_response(error: TollkeeperError, this_id: str) -> Response:
    """Return the answer that reports an error in the protocol's form."""
    headers = {REQUEST_ID: this_id}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    return json_response(_HTTP_STATUS[error.outcome.grpc], _content(error, this_id), headers)


def _content(error: TollkeeperError, this_id: str) -> dict[str, object]:
    details = [
        {
            "type": detail.DESCRIPTOR.full_name,
            "value": base64.b64encode(detail.SerializeToString()).rstrip(b"=").decode(),
            "debug": json_format.MessageToDict(detail),
        }
        for detail in details_of(error, this_id)
    ]
    return {"code": _word(error), "message": error.message, "details": details}


def _encode(codec: str, message: Message) -> bytes:
    if codec == _PROTO:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()


def _enveloped(flags: int, content: bytes) -> bytes:
    return _ENVELOPE.pack(flags, len(content)) + content


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


async def _read(method: MethodDescriptor, codec: str, request: Request) -> Message:
    is_packed = _is_packed(request, "content-encoding")
    return await _decoded(method, codec, await body_of(request, method), is_packed=is_packed)


async def _read_enveloped(method: MethodDescriptor, codec: str, request: Request) -> Message:
    """Return the one message that a stream is asked for with."""
    may_be_packed = _is_packed(request, _STREAM_ENCODING)
    body = await body_of(request, method)
    if len(body) < _ENVELOPE.size:
        raise TollkeeperError(Reason.INVALID_ARGUMENT, "the body: must be one enveloped message")
    flags, size = _ENVELOPE.unpack_from(body)
    message = body[_ENVELOPE.size :]
    if flags & ~_COMPRESSED or size != len(message) or (flags and not may_be_packed):
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"the body: must be one enveloped message, compressed only as {_STREAM_ENCODING} says",
        )
    return await _decoded(method, codec, message, is_packed=bool(flags))


def _is_packed(request: Request, header: str) -> bool:
    """Return whether a header says that gzip is used. Raises UNIMPLEMENTED for other codings."""
    coding = request.headers.get(header, _IDENTITY).strip().lower()
    if coding not in {_IDENTITY, "gzip"}:
        raise TollkeeperError(
            Reason.UNIMPLEMENTED, f"{header}: only gzip and identity are accepted", field=header
        )
    return coding != _IDENTITY


async def _decoded(method: MethodDescriptor, codec: str, body: bytes, *, is_packed: bool) -> Message:
    if not is_packed:
        return await looked_through(len(body), lambda: _decode(method, codec, body))
    # However few bytes are packed, they may stand for many.
    largest = largest_request(method)
    return await looked_through(largest, lambda: _decode(method, codec, _unpacked(method, body)))


def _decode(method: MethodDescriptor, codec: str, body: bytes) -> Message:
    message = new_request(method)
    if codec == _JSON:
        return decode_json(message, body)
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"the body is not a {method.input_type.full_name} in protobuf's binary form",
        ) from None
    return message


def decode_json(message: Message, body: bytes) -> Message:
    """Fill an empty message with what a body says in protobuf's JSON form, and return it.

    Raises INVALID_JSON or INVALID_ARGUMENT, never showing a value.
    """
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


def _unpacked(method: MethodDescriptor, packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    largest = largest_request(method)
    try:
        body = unpacker.decompress(packed, largest + 1)
    except zlib.error:
        body = b""
    if len(body) > largest:
        raise too_large(method)
    if not unpacker.eof or unpacker.unused_data:
        raise invalid_argument("content-encoding", "the body is not in gzip's format")
    return body
