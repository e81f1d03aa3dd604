"""Errors in the shape that the caller's SDK knows."""

import json

import pytest
from tollkeeper_server.dataplane.reply.respond import error_body
from tollkeeper_server.errors import Reason, TollkeeperError

from tests.unit.dataplane.parts import exchange

ERROR = TollkeeperError(Reason.MODEL_NOT_FOUND, 'no model "x"', field="model")


def test_openais_clients_get_openais_shape() -> None:
    assert json.loads(error_body(ERROR, exchange())) == {
        "error": {
            "message": 'no model "x"',
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"])
def test_anthropics_clients_get_anthropics_shape(path: str) -> None:
    caller = exchange(path)

    assert json.loads(error_body(ERROR, caller)) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": 'no model "x"'},
        "request_id": caller.request_id,
    }


def test_anthropics_clients_are_known_by_their_header_on_paths_that_are_shared() -> None:
    caller = exchange("/v1/models", "GET", [(b"anthropic-version", b"2023-06-01")])

    assert json.loads(error_body(ERROR, caller))["type"] == "error"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.INVALID_JSON, "invalid_request_error"),
        (Reason.INVALID_API_KEY, "authentication_error"),
        (Reason.PROJECT_INACTIVE, "permission_error"),
        (Reason.BODY_TOO_LARGE, "request_too_large"),
        (Reason.REQUEST_LIMIT_EXCEEDED, "rate_limit_error"),
        (Reason.INTERNAL, "api_error"),
        (Reason.UPSTREAM_UNREACHABLE, "api_error"),
        (Reason.STORE_UNAVAILABLE, "overloaded_error"),
        (Reason.UPSTREAM_TIMEOUT, "timeout_error"),
        (Reason.ENDPOINT_NOT_SUPPORTED, "invalid_request_error"),
    ],
)
def test_anthropics_types_go_with_the_status(reason: Reason, kind: str) -> None:
    error = json.loads(error_body(TollkeeperError(reason, "x"), exchange("/v1/messages")))["error"]

    assert error["type"] == kind
