"""All errors of Tollkeeper, and how each door reports them.

`Reason` lists the reasons. `TABLE` maps each reason to a gRPC code, an HTTP status, the `type` of OpenAI's
error object, and the hint whether to retry. A message names the field, the reason and the remedy, and never
contains a secret.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum


class GrpcCode(IntEnum):
    """The canonical status codes (google/rpc/code.proto) that Tollkeeper uses."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class OpenAIType(StrEnum):
    """The `type` of an error object in OpenAI's API."""

    INVALID_REQUEST = "invalid_request_error"
    AUTHENTICATION = "authentication_error"
    PERMISSION = "permission_error"
    NOT_FOUND = "not_found_error"
    RATE_LIMIT = "rate_limit_error"
    QUOTA = "insufficient_quota"
    UPSTREAM = "upstream_error"
    SERVER = "server_error"


class ShouldRetry(Enum):
    """The value of the header `x-should-retry`; UNSTATED sends none."""

    UNSTATED = None
    YES = "true"
    NO = "false"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How each door reports one reason."""

    grpc: GrpcCode
    http: int
    openai_type: OpenAIType
    should_retry: ShouldRetry = ShouldRetry.UNSTATED


class Reason(StrEnum):
    """Why a call failed. The value is the `code` of OpenAI's error object and the `reason` of ErrorInfo."""

    # the caller
    INVALID_API_KEY = "invalid_api_key"
    SESSION_ENDED = "session_ended"
    SIGN_IN_NEEDS_TLS = "sign_in_needs_tls"
    PROJECT_INACTIVE = "project_inactive"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    PERMISSION_DENIED = "permission_denied"
    # the request
    INVALID_ARGUMENT = "invalid_argument"
    INVALID_JSON = "invalid_json"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNSUPPORTED_CONTENT_ENCODING = "unsupported_content_encoding"
    BODY_TOO_LARGE = "request_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    NOT_FOUND = "not_found"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_REQUIRED = "model_required"
    ENDPOINT_NOT_SUPPORTED = "endpoint_not_supported"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    WEBSOCKET_NOT_SERVED = "websocket_not_served"
    EXPECTATION_FAILED = "expectation_failed"
    CROSS_ORIGIN_REFUSED = "cross_origin_refused"
    UNIMPLEMENTED = "unimplemented"
    # the state of the configuration and of limits
    ALREADY_EXISTS = "already_exists"
    IN_USE = "in_use"
    ETAG_MISMATCH = "etag_mismatch"
    REQUEST_LIMIT_EXCEEDED = "request_limit_exceeded"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    ABOVE_LIMIT = "request_above_limit"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    PRICE_UNKNOWN = "price_unknown"
    # upstreams, the store, the gateway itself
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_CREDENTIALS = "upstream_credentials_rejected"
    UPSTREAM_INVALID = "upstream_invalid_response"
    UPSTREAM_CUT = "upstream_stream_cut"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    NO_UPSTREAM = "no_upstream_available"
    STORE_UNAVAILABLE = "store_unavailable"
    SHORTAGE = "gateway_shortage"
    DRAINING = "draining"
    OVERLOADED = "overloaded"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CLIENT_GONE = "client_closed_request"
    INTERNAL = "internal"


_T = OpenAIType
_G = GrpcCode

TABLE: dict[Reason, Outcome] = {
    Reason.INVALID_API_KEY: Outcome(_G.UNAUTHENTICATED, 401, _T.AUTHENTICATION, ShouldRetry.NO),
    Reason.SESSION_ENDED: Outcome(_G.UNAUTHENTICATED, 401, _T.AUTHENTICATION, ShouldRetry.NO),
    Reason.SIGN_IN_NEEDS_TLS: Outcome(_G.PERMISSION_DENIED, 403, _T.PERMISSION, ShouldRetry.NO),
    Reason.PROJECT_INACTIVE: Outcome(_G.PERMISSION_DENIED, 403, _T.PERMISSION, ShouldRetry.NO),
    Reason.MODEL_NOT_ALLOWED: Outcome(_G.PERMISSION_DENIED, 403, _T.PERMISSION, ShouldRetry.NO),
    Reason.PERMISSION_DENIED: Outcome(_G.PERMISSION_DENIED, 403, _T.PERMISSION, ShouldRetry.NO),
    Reason.INVALID_ARGUMENT: Outcome(_G.INVALID_ARGUMENT, 400, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.INVALID_JSON: Outcome(_G.INVALID_ARGUMENT, 400, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.UNSUPPORTED_MEDIA_TYPE: Outcome(_G.INVALID_ARGUMENT, 415, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.UNSUPPORTED_CONTENT_ENCODING: Outcome(
        _G.INVALID_ARGUMENT, 415, _T.INVALID_REQUEST, ShouldRetry.NO
    ),
    Reason.BODY_TOO_LARGE: Outcome(_G.RESOURCE_EXHAUSTED, 413, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.HEADERS_TOO_LARGE: Outcome(_G.RESOURCE_EXHAUSTED, 431, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.REQUEST_TIMEOUT: Outcome(_G.DEADLINE_EXCEEDED, 408, _T.INVALID_REQUEST),
    Reason.NOT_FOUND: Outcome(_G.NOT_FOUND, 404, _T.NOT_FOUND, ShouldRetry.NO),
    Reason.MODEL_NOT_FOUND: Outcome(_G.NOT_FOUND, 404, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.MODEL_REQUIRED: Outcome(_G.INVALID_ARGUMENT, 400, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.ENDPOINT_NOT_SUPPORTED: Outcome(_G.UNIMPLEMENTED, 405, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.METHOD_NOT_ALLOWED: Outcome(_G.UNIMPLEMENTED, 405, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.WEBSOCKET_NOT_SERVED: Outcome(_G.UNIMPLEMENTED, 426, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.EXPECTATION_FAILED: Outcome(_G.INVALID_ARGUMENT, 417, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.CROSS_ORIGIN_REFUSED: Outcome(_G.PERMISSION_DENIED, 403, _T.PERMISSION, ShouldRetry.NO),
    Reason.UNIMPLEMENTED: Outcome(_G.UNIMPLEMENTED, 404, _T.NOT_FOUND, ShouldRetry.NO),
    Reason.ALREADY_EXISTS: Outcome(_G.ALREADY_EXISTS, 409, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.IN_USE: Outcome(_G.FAILED_PRECONDITION, 409, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.ETAG_MISMATCH: Outcome(_G.ABORTED, 412, _T.INVALID_REQUEST, ShouldRetry.NO),
    Reason.REQUEST_LIMIT_EXCEEDED: Outcome(_G.RESOURCE_EXHAUSTED, 429, _T.QUOTA, ShouldRetry.NO),
    Reason.RATE_LIMIT_EXCEEDED: Outcome(_G.RESOURCE_EXHAUSTED, 429, _T.RATE_LIMIT),
    Reason.ABOVE_LIMIT: Outcome(_G.RESOURCE_EXHAUSTED, 429, _T.RATE_LIMIT, ShouldRetry.NO),
    Reason.INSUFFICIENT_QUOTA: Outcome(_G.RESOURCE_EXHAUSTED, 429, _T.QUOTA, ShouldRetry.NO),
    Reason.PRICE_UNKNOWN: Outcome(_G.FAILED_PRECONDITION, 403, _T.PERMISSION, ShouldRetry.NO),
    Reason.UPSTREAM_UNREACHABLE: Outcome(_G.UNAVAILABLE, 502, _T.UPSTREAM),
    Reason.UPSTREAM_CREDENTIALS: Outcome(_G.UNAVAILABLE, 502, _T.UPSTREAM, ShouldRetry.NO),
    Reason.UPSTREAM_INVALID: Outcome(_G.UNAVAILABLE, 502, _T.UPSTREAM),
    Reason.UPSTREAM_CUT: Outcome(_G.UNAVAILABLE, 502, _T.UPSTREAM),
    Reason.UPSTREAM_TIMEOUT: Outcome(_G.DEADLINE_EXCEEDED, 504, _T.UPSTREAM, ShouldRetry.NO),
    Reason.NO_UPSTREAM: Outcome(_G.UNAVAILABLE, 503, _T.SERVER),
    Reason.STORE_UNAVAILABLE: Outcome(_G.UNAVAILABLE, 503, _T.SERVER, ShouldRetry.YES),
    Reason.SHORTAGE: Outcome(_G.UNAVAILABLE, 503, _T.SERVER, ShouldRetry.YES),
    Reason.DRAINING: Outcome(_G.UNAVAILABLE, 503, _T.SERVER, ShouldRetry.YES),
    Reason.OVERLOADED: Outcome(_G.UNAVAILABLE, 503, _T.SERVER, ShouldRetry.YES),
    Reason.DEADLINE_EXCEEDED: Outcome(_G.DEADLINE_EXCEEDED, 504, _T.SERVER, ShouldRetry.NO),
    Reason.CLIENT_GONE: Outcome(_G.CANCELLED, 499, _T.INVALID_REQUEST),
    Reason.INTERNAL: Outcome(_G.INTERNAL, 500, _T.SERVER),
}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field of a request that breaks a rule."""

    field: str
    description: str


class TollkeeperError(Exception):
    """A refusal or failure that is reported to the caller.

    `field` names the field that is wrong; `violations` lists several such fields at once; `retry_after` is in
    whole seconds.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.violations = violations

    @property
    def outcome(self) -> Outcome:
        """How each door reports this error."""
        return TABLE[self.reason]

    @property
    def wrong_fields(self) -> tuple[FieldViolation, ...]:
        """The fields that are wrong, each with the reason alone; a message begins with the field."""
        if self.violations or self.field is None:
            return self.violations
        return (FieldViolation(self.field, self.message.removeprefix(f"{self.field}: ")),)


SHORTLY_SECONDS = 1
"""When to try again what passes by itself."""


class StoreUnavailableError(TollkeeperError):
    """The store, or a service in front of it such as Redis, did not answer a look-up."""

    def __init__(self, part: str) -> None:
        super().__init__(
            Reason.STORE_UNAVAILABLE,
            f"{part} is not reachable at the moment; try again shortly",
            retry_after=SHORTLY_SECONDS,
        )


NO_ROOM = "room on its disk"
"""What is short when the usage journal can't be written."""


def shortage_error(what: str) -> TollkeeperError:
    """Return SHORTAGE; `what` this machine has run out of."""
    return TollkeeperError(
        Reason.SHORTAGE,
        f"the gateway's machine has no {what} left at the moment; try again shortly; if it lasts, have an "
        "administrator give it more",
        retry_after=SHORTLY_SECONDS,
    )


ADMINISTRATOR_SECONDS = 30
"""When to try again what only an administrator can mend."""


def invalid_argument(field: str, why: str) -> TollkeeperError:
    """Return INVALID_ARGUMENT for a field; `why` is the reason and the remedy."""
    return TollkeeperError(Reason.INVALID_ARGUMENT, f"{field}: {why}", field=field)
