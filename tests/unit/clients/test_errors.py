"""A failed call becomes the error that its status stands for, with all that the gateway said."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import FieldViolation, InvalidArgument, TollkeeperError, errors


def trailers(code: grpc.StatusCode, message: str, *details: Message) -> dict[str, str | bytes]:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return {errors.STATUS_DETAILS: status.SerializeToString()}


def failed(
    code: grpc.StatusCode, message: str | None = "no", sent: dict[str, str | bytes] | None = None
) -> TollkeeperError:
    return errors.from_status(code, message, sent or {}, address="gateway:1", timeout=2.5)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_has_its_error(code: grpc.StatusCode) -> None:
    error = failed(code)

    assert type(error) is errors.BY_CODE.get(code, TollkeeperError)
    assert error.code is code


def test_the_details_are_read() -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="name", description="is too long")
    error = failed(
        grpc.StatusCode.INVALID_ARGUMENT,
        "name: is too long",
        trailers(
            grpc.StatusCode.INVALID_ARGUMENT,
            "name: is too long",
            error_details_pb2.ErrorInfo(reason="invalid_argument", domain="tollkeeper"),
            error_details_pb2.BadRequest(field_violations=[violation]),
            error_details_pb2.RequestInfo(request_id="req_1"),
            error_details_pb2.Help(),
        ),
    )

    assert isinstance(error, InvalidArgument)
    assert str(error) == error.message == "name: is too long"
    assert error.reason == "invalid_argument"
    assert error.violations == (FieldViolation("name", "is too long"),)
    assert error.request_id == "req_1"


@pytest.mark.parametrize("sent", ["req_2", b"req_2"])
def test_the_request_id_may_stand_in_the_trailers(sent: str | bytes) -> None:
    assert failed(grpc.StatusCode.INTERNAL, "no", {"x-request-id": sent}).request_id == "req_2"


def test_a_gateway_that_does_not_answer_is_named() -> None:
    assert (
        failed(grpc.StatusCode.UNAVAILABLE, "refused").message == "no gateway answered at gateway:1: refused"
    )
    assert failed(grpc.StatusCode.DEADLINE_EXCEEDED).message == "gateway:1 gave no answer within 2.5 s"


def test_a_gateway_that_answers_speaks_for_itself() -> None:
    sent = trailers(
        grpc.StatusCode.UNAVAILABLE, "the store", error_details_pb2.ErrorInfo(reason="store_unavailable")
    )

    error = failed(grpc.StatusCode.UNAVAILABLE, "the store", sent)

    assert error.message == "the store"
    assert error.reason == "store_unavailable"


@given(st.binary() | st.text())
def test_details_that_are_garbage_leave_code_and_message(garbage: bytes | str) -> None:
    error = failed(grpc.StatusCode.NOT_FOUND, "no project", {errors.STATUS_DETAILS: garbage})

    assert isinstance(error, errors.NotFound)
    assert error.message == "no project"


def test_an_error_without_words_still_has_some() -> None:
    assert failed(grpc.StatusCode.DATA_LOSS, None).message == "data loss"
