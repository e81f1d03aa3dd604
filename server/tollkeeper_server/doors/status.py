"""Errors of the management plane as `google.rpc.Status`, the same at every door."""

from datetime import timedelta

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tollkeeper_server.errors import GrpcCode, TollkeeperError

DOMAIN = "tollkeeper"


def details_of(error: TollkeeperError, request_id: str) -> list[Message]:
    """Return an error's details for programs: reason, request id, wrong fields, and when to retry."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    if error.violations or error.outcome.grpc is GrpcCode.INVALID_ARGUMENT:
        found = [
            error_details_pb2.BadRequest.FieldViolation(field=it.field, description=it.description)
            for it in error.wrong_fields
        ]
        if found:
            details.append(error_details_pb2.BadRequest(field_violations=found))
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(timedelta(seconds=error.retry_after))
        details.append(retry)
    return details


def status_of(error: TollkeeperError, request_id: str) -> status_pb2.Status:
    """Return an error as one message."""
    status = status_pb2.Status(code=error.outcome.grpc, message=error.message)
    for detail in details_of(error, request_id):
        status.details.add().Pack(detail)
    return status


def code_name(error: TollkeeperError) -> str:
    """Return the name of an error's gRPC code, such as NOT_FOUND."""
    return code_pb2.Code.Name(error.outcome.grpc)


def to_rest(error: TollkeeperError, request_id: str) -> dict[str, object]:
    """Return an error as REST's JSON: google.rpc.Status, with the code's name beside its number."""
    written = json_format.MessageToDict(status_of(error, request_id), preserving_proto_field_name=True)
    return {
        "code": int(error.outcome.grpc),
        "status": code_name(error),
        "message": error.message,
        "details": written["details"],
    }
