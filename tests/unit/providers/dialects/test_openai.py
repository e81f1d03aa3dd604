"""Errors and listings as OpenAI's clients know them, and what of a stream means something."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from tollkeeper_server.domain.model import Capability
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.dialect import Dialect, ListedModel
from tollkeeper_server.providers.dialects.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    IMAGES,
    RESPONSES,
    SPEECH,
    SURFACE,
    UNMETERED,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ERROR = TollkeeperError(Reason.MODEL_NOT_FOUND, "no model", field="model")
OBJECT = {"message": "no model", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}


def test_an_error_has_a_message_a_type_a_parameter_and_a_code() -> None:
    assert SURFACE.error(ERROR, "req_1") == {"error": OBJECT}


@pytest.mark.parametrize("dialect", [CHAT, COMPLETIONS, IMAGES, SPEECH, UNMETERED])
def test_an_error_in_a_stream_is_an_error_object(dialect: Dialect) -> None:
    head, _, data = dialect.error_event(ERROR).partition(b"data: ")

    assert head == b""
    assert data.endswith(b"\n\n")
    assert json.loads(data) == {"error": OBJECT}


def test_an_error_in_a_responses_stream_is_an_event_of_its_kind() -> None:
    head, _, data = RESPONSES.error_event(ERROR).partition(b"data: ")

    assert head == b"event: error\n"
    assert json.loads(data) == {
        "type": "error",
        "code": "model_not_found",
        "message": "no model",
        "param": None,
        "sequence_number": 0,
    }


def test_a_list_holds_its_models_in_order() -> None:
    listed = [
        ListedModel(
            name=name,
            owner="up",
            created_at=NOON,
            capabilities=frozenset({Capability.RESPONSES, Capability.CHAT_COMPLETIONS}),
        )
        for name in ("b", "a")
    ]

    found = json.loads(msgspec.json.encode(SURFACE.models(listed)))

    assert found["object"] == "list"
    assert [entry["id"] for entry in found["data"]] == ["b", "a"]
    assert found["data"][0] == SURFACE.model(listed[0])
    assert found["data"][0]["capabilities"] == ["chat_completions", "responses"]


def test_an_upstreams_own_error_closes_a_stream_that_has_an_end() -> None:
    event = CHAT.error_event(ERROR)

    assert CHAT.closes(event)
    assert COMPLETIONS.closes(event)
    assert not EMBEDDINGS.closes(event)
    assert RESPONSES.closes(RESPONSES.error_event(ERROR))


def test_a_reason_to_finish_is_one_only_if_it_says_something() -> None:
    assert CHAT.finishes(b'data: {"choices":[{"finish_reason":"stop"}]}')
    assert not CHAT.finishes(b'data: {"choices":[{"finish_reason":null}]}')
