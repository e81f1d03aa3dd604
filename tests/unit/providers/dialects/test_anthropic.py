"""Errors and listings as Anthropic's clients know them."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.dialect import Dialect, ListedModel
from tollkeeper_server.providers.dialects.anthropic import MESSAGES, SURFACE, UNMETERED

MODEL = ListedModel(
    name="claude", owner="up", created_at=datetime(2026, 11, 21, 12, tzinfo=UTC), capabilities=()
)


def test_a_model_has_a_display_name_and_a_time() -> None:
    assert json.loads(msgspec.json.encode(SURFACE.model(MODEL))) == {
        "type": "model",
        "id": "claude",
        "display_name": "claude",
        "created_at": "2026-11-21T12:00:00Z",
    }


@pytest.mark.parametrize("dialect", [MESSAGES, UNMETERED])
def test_an_error_in_a_stream_is_an_event_named_error(dialect: Dialect) -> None:
    event = dialect.error_event(TollkeeperError(Reason.UPSTREAM_TIMEOUT, "too slow"))

    head, _, data = event.partition(b"data: ")
    assert head == b"event: error\n"
    assert data.endswith(b"\n\n")
    assert json.loads(data) == {"type": "error", "error": {"type": "timeout_error", "message": "too slow"}}


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
    error = SURFACE.error(TollkeeperError(reason, "x"), "req_1")

    assert error == {"type": "error", "error": {"type": kind, "message": "x"}, "request_id": "req_1"}
