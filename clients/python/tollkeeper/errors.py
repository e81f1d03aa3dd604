"""Every way in which a call can fail.

TollkeeperError            any of them, and codes that have no class of their own
 ├── InvalidArgument       a field broke a rule; `violations` says which
 ├── Unauthenticated       the management token is missing or wrong
 ├── PermissionDenied      the caller may not do that
 ├── NotFound              there is nothing of that id or name
 ├── AlreadyExists         the name is taken
 ├── FailedPrecondition    not in the present state, such as deleting an upstream in use
 ├── Aborted               the etag is not the current one: somebody else changed it meanwhile
 ├── ResourceExhausted     a limit is reached
 ├── Unavailable           the gateway, or its store, does not answer; trying again may help
 └── DeadlineExceeded      no answer in time; whether the call took effect is not known
"""
# ruff: noqa: N818 - named after the gRPC codes, which is what readers of the API look for

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS = "grpc-status-details-bin"
REQUEST_ID = "x-request-id"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that broke a rule."""

    field: str
    description: str


class TollkeeperError(Exception):
    """A call failed.

    `message` names the field, the reason and the remedy. `reason` is a stable word, such as
    `etag_mismatch` (`google.rpc.ErrorInfo`), empty where the gateway never answered. `request_id`
    is what the gateway's log calls the call. `code` is the gRPC status.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        request_id: str = "",
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.request_id = request_id
        self.violations = violations


class InvalidArgument(TollkeeperError):
    """A field broke a rule; `violations` says which."""


class Unauthenticated(TollkeeperError):
    """The management token is missing or wrong."""


class PermissionDenied(TollkeeperError):
    """The caller may not do that."""


class NotFound(TollkeeperError):
    """There is nothing of that id or name."""


class AlreadyExists(TollkeeperError):
    """The name is taken."""


class FailedPrecondition(TollkeeperError):
    """It can't be done in the present state."""


class Aborted(TollkeeperError):
    """The etag is not the current one: somebody else changed it meanwhile. Read it again."""


class ResourceExhausted(TollkeeperError):
    """A limit is reached."""


class Unavailable(TollkeeperError):
    """The gateway, or its store, does not answer; trying again may help."""


class DeadlineExceeded(TollkeeperError):
    """No answer in time; whether the call took effect is not known."""


BY_CODE: dict[grpc.StatusCode, type[TollkeeperError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


def from_status(
    code: grpc.StatusCode,
    details: str | None,
    trailers: Mapping[str, str | bytes],
    *,
    address: str,
    timeout: float,
) -> TollkeeperError:
    """Make the error that a failed call's status and trailers stand for. `timeout` is in seconds."""
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.RequestInfo()
    bad = error_details_pb2.BadRequest()
    for detail in _status(trailers.get(STATUS_DETAILS)).details:
        for known in (info, request, bad):
            detail.Unpack(known)  # does nothing to a message of another type
    message = details or code.name.lower().replace("_", " ")
    if not info.reason:
        if code is grpc.StatusCode.UNAVAILABLE:
            message = f"no gateway answered at {address}: {message}"
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"{address} gave no answer within {timeout:g} s"
    return BY_CODE.get(code, TollkeeperError)(
        message,
        code=code,
        reason=info.reason,
        request_id=request.request_id or _text(trailers.get(REQUEST_ID)),
        violations=tuple(FieldViolation(it.field, it.description) for it in bad.field_violations),
    )


def _status(details: str | bytes | None) -> status_pb2.Status:
    if not isinstance(details, bytes):
        return status_pb2.Status()
    try:
        return status_pb2.Status.FromString(details)
    except DecodeError:
        return status_pb2.Status()  # the code and message still say what happened


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
