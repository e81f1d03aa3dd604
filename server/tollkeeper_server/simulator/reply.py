"""The answers and errors of endpoints, before faults are applied."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

Json = dict[str, object]
HeaderPairs = tuple[tuple[bytes, bytes], ...]

JSON_TYPE = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


class Dialect(Enum):
    """The provider whose formats and headers an answer has."""

    OPENAI = auto()
    AZURE = auto()
    ANTHROPIC = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with one whole body. An empty `content_type` leaves that header out."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON_TYPE
    headers: HeaderPairs = ()


@dataclass(frozen=True, slots=True)
class EventStream:
    """An answer sent event by event. `last` is the event that marks its end."""

    events: Iterable[bytes]
    last: bytes = b""
    content_type: bytes = EVENT_STREAM
    headers: HeaderPairs = ()


Reply = Answer | EventStream


class RefusalError(Exception):
    """An endpoint refuses a request; `error_body` words it in the dialect."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        code: str | None = None,
        param: str | None = None,
        headers: HeaderPairs = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = headers


def as_json(value: object, status: int = 200, headers: HeaderPairs = ()) -> Answer:
    """Return `value` as a JSON answer."""
    return Answer(msgspec.json.encode(value), status, headers=headers)


def data_event(value: object) -> bytes:
    """Return an event without a name, as chat completions send."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def named_event(name: str, value: object) -> bytes:
    """Return an event with a name, as responses and messages send."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


_OPENAI_KINDS = {
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
_OPENAI_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_ANTHROPIC_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(dialect: Dialect, refusal: RefusalError, request_id: str) -> Json:
    """Return the error object that a provider of that dialect sends."""
    server_side = refusal.status >= 500
    if dialect is Dialect.ANTHROPIC:
        fallback = "api_error" if server_side else "invalid_request_error"
        kind = refusal.kind or _ANTHROPIC_KINDS.get(refusal.status, fallback)
        error: Json = {"type": kind, "message": refusal.message}
        return {"type": "error", "error": error, "request_id": request_id}
    if dialect is Dialect.AZURE and refusal.status in (401, 404, 429) and refusal.code is None:
        return {"error": {"code": str(refusal.status), "message": refusal.message}}
    fallback = "server_error" if server_side else "invalid_request_error"
    return {
        "error": {
            "message": refusal.message,
            "type": refusal.kind or _OPENAI_KINDS.get(refusal.status, fallback),
            "param": refusal.param,
            "code": refusal.code or _OPENAI_CODES.get(refusal.status),
        }
    }


def error_event(dialect: Dialect, refusal: RefusalError, request_id: str) -> bytes:
    """Return the event with which a stream of that dialect reports an error."""
    body = error_body(dialect, refusal, request_id)
    return named_event("error", body) if dialect is Dialect.ANTHROPIC else data_event(body)
