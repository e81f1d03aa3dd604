"""What a person is told of a failure: all of it, once, and nothing that a terminal obeys."""

import grpc
from tollkeeper import FieldViolation, InvalidArgument, NotFound, TollkeeperError, Unavailable
from tollkeeper.cli.session import explain


def invalid(message: str, *violations: FieldViolation) -> TollkeeperError:
    return InvalidArgument(
        message, code=grpc.StatusCode.INVALID_ARGUMENT, reason="invalid_argument", violations=violations
    )


def test_a_violation_that_the_message_names_is_not_repeated() -> None:
    assert explain(invalid("name: too long", FieldViolation("name", "too long"))) == "name: too long"


def test_violations_that_the_message_leaves_out_are_added() -> None:
    error = invalid("not valid", FieldViolation("name", "too long"), FieldViolation("", "give one of them"))

    assert explain(error) == "not valid\n  name: too long\n  give one of them"


def test_the_request_is_named() -> None:
    error = NotFound("no such project", code=grpc.StatusCode.NOT_FOUND, request_id="req_1")

    assert explain(error) == "no such project (request req_1)"


def test_a_store_that_is_away_is_not_taken_for_a_gateway_that_is_not_there() -> None:
    error = Unavailable("the store", code=grpc.StatusCode.UNAVAILABLE, reason="store_unavailable")

    assert explain(error) == "the store"
    assert "tollkeeper serve" in explain(Unavailable("refused", code=grpc.StatusCode.UNAVAILABLE))


def test_nothing_in_a_message_moves_the_terminal() -> None:
    shown = explain(invalid("\x1b[2J", FieldViolation("a\x07", "b\r")))

    assert all(line.isprintable() for line in shown.splitlines())
