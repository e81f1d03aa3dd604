"""An error as `google.rpc.Status`, which every door of the management plane sends in its own wrapping."""

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tollkeeper_server.errors import TollkeeperError

DOMAIN = "tollkeeper"


def to_status(error: TollkeeperError) -> status_pb2.Status:
    """Returns the error with its details: ErrorInfo, and BadRequest and RetryInfo where they apply."""
    status = status_pb2.Status(code=int(error.outcome.grpc), message=error.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=str(error.reason), domain=DOMAIN))
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field=it.field, description=it.description)
        for it in error.violations
    ]
    if not violations and error.field is not None:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        ]
    if violations:
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    if error.retry_after is not None:
        delay = Duration(seconds=error.retry_after)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def code_name(error: TollkeeperError) -> str:
    """Returns the canonical code's name, such as NOT_FOUND."""
    return code_pb2.Code.Name(int(error.outcome.grpc))


def to_rest(error: TollkeeperError) -> dict[str, object]:
    """Returns the error as JSON, with the canonical code's name beside its number."""
    written = json_format.MessageToDict(to_status(error), preserving_proto_field_name=True)
    return {
        "code": int(error.outcome.grpc),
        "status": code_name(error),
        "message": error.message,
        "details": written.get("details", []),
    }
