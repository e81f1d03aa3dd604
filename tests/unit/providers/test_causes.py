"""Which error answers name a cause upon which models fall back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.model import FallbackCause
from tollkeeper_server.providers.causes import cause_of, may_name_cause

TOO_LONG, FILTERED = FallbackCause.CONTEXT_LENGTH, FallbackCause.CONTENT


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ({"code": "context_length_exceeded", "message": "too much"}, TOO_LONG),
        (
            {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000"},
            TOO_LONG,
        ),
        ({"code": 400, "message": "This model's maximum context length is 4096 tokens."}, TOO_LONG),
        ({"code": "content_filter", "message": "The response was filtered"}, FILTERED),
        ({"code": "content_policy_violation"}, FILTERED),
        ({"message": "Your request was rejected by our safety system."}, FILTERED),
        ({"code": "invalid_value", "message": "messages must not be empty"}, None),
        ({"code": None, "message": None}, None),
        ("maximum context length exceeded", TOO_LONG),
        ("no such parameter", None),
    ],
)
def test_causes_are_known_by_code_or_by_words(error: object, cause: FallbackCause | None) -> None:
    assert cause_of(json.dumps({"error": error}).encode()) is cause


def test_a_bare_message_is_looked_at() -> None:
    assert cause_of(b'{"object":"error","message":"maximum context length is 8192"}') is TOO_LONG


@given(st.binary(max_size=60))
def test_garbage_names_nothing(body: bytes) -> None:
    assert cause_of(body) is None


def test_only_refusals_of_the_request_are_looked_into() -> None:
    assert [status for status in (200, 400, 401, 404, 413, 422, 429, 500) if may_name_cause(status)] == [
        400,
        413,
        422,
    ]
