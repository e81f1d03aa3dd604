"""One table says how every refusal and failure looks at every door."""

import pytest
from tollkeeper_server.errors import (
    TABLE,
    FieldViolation,
    GrpcCode,
    OpenAIType,
    Reason,
    ShouldRetry,
    StoreUnavailableError,
    TollkeeperError,
    invalid_argument,
)


def test_every_reason_has_an_outcome() -> None:
    assert set(TABLE) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_an_outcome_is_one_that_clients_understand(reason: Reason) -> None:
    outcome = TABLE[reason]

    assert 400 <= outcome.http <= 599
    assert str(reason).replace("_", "").isalnum()
    assert str(reason) == str(reason).lower()


@pytest.mark.parametrize(
    ("reason", "http", "kind"),
    [
        (Reason.INVALID_API_KEY, 401, OpenAIType.AUTHENTICATION),
        (Reason.PROJECT_INACTIVE, 403, OpenAIType.PERMISSION),
        (Reason.MODEL_NOT_ALLOWED, 403, OpenAIType.PERMISSION),
        (Reason.MODEL_NOT_FOUND, 404, OpenAIType.INVALID_REQUEST),
        (Reason.ENDPOINT_NOT_SUPPORTED, 405, OpenAIType.INVALID_REQUEST),
        (Reason.INVALID_JSON, 400, OpenAIType.INVALID_REQUEST),
        (Reason.BODY_TOO_LARGE, 413, OpenAIType.INVALID_REQUEST),
        (Reason.REQUEST_LIMIT_EXCEEDED, 429, OpenAIType.QUOTA),
        (Reason.RATE_LIMIT_EXCEEDED, 429, OpenAIType.RATE_LIMIT),
        (Reason.UPSTREAM_CREDENTIALS, 502, OpenAIType.UPSTREAM),
        (Reason.UPSTREAM_UNREACHABLE, 502, OpenAIType.UPSTREAM),
        (Reason.UPSTREAM_TIMEOUT, 504, OpenAIType.UPSTREAM),
        (Reason.NO_UPSTREAM, 503, OpenAIType.SERVER),
        (Reason.STORE_UNAVAILABLE, 503, OpenAIType.SERVER),
        (Reason.CLIENT_GONE, 499, OpenAIType.INVALID_REQUEST),
    ],
)
def test_failures_look_as_the_openai_surface_recommends(reason: Reason, http: int, kind: OpenAIType) -> None:
    assert (TABLE[reason].http, TABLE[reason].openai_type) == (http, kind)


@pytest.mark.parametrize("reason", list(Reason))
def test_what_will_not_change_is_not_tried_again(reason: Reason) -> None:
    outcome = TABLE[reason]
    lasting = outcome.http < 500 and outcome.http not in {408, 499}
    lasting = lasting and outcome.openai_type is not OpenAIType.RATE_LIMIT

    assert outcome.should_retry is not ShouldRetry.YES or outcome.http == 503
    if lasting:
        assert outcome.should_retry is ShouldRetry.NO


def test_an_upstream_that_is_slow_is_not_asked_three_times() -> None:
    assert TABLE[Reason.UPSTREAM_TIMEOUT].should_retry is ShouldRetry.NO


def test_a_missing_store_never_looks_like_a_bad_token() -> None:
    error = StoreUnavailableError("the store")

    assert error.outcome.http == 503
    assert error.outcome.grpc is GrpcCode.UNAVAILABLE
    assert error.outcome.should_retry is ShouldRetry.YES
    assert error.retry_after == 1


def test_an_error_is_its_message() -> None:
    error = TollkeeperError(Reason.INVALID_ARGUMENT, "name is empty; give one", field="name")

    assert str(error) == error.message == "name is empty; give one"
    assert (error.field, error.retry_after, error.violations) == ("name", None, ())


def test_the_message_has_the_field_in_front_and_the_wrong_field_the_reason_alone() -> None:
    error = invalid_argument("rules[0].path", "must begin with a slash: /v1/*")

    assert error.message == "rules[0].path: must begin with a slash: /v1/*"
    assert error.wrong_fields == (FieldViolation("rules[0].path", "must begin with a slash: /v1/*"),)
    assert TollkeeperError(Reason.INVALID_ARGUMENT, "the body is empty").wrong_fields == ()
    several = (FieldViolation("a", "is empty"), FieldViolation("b", "is too long"))
    told = TollkeeperError(
        Reason.INVALID_ARGUMENT, "a: is empty; b: is too long", field="a", violations=several
    )
    assert told.wrong_fields == several
