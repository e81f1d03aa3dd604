"""The real Anthropic SDK, with nothing changed but the base URL."""

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam
from tollkeeper import Confidence

from tests.integration.process import PROVIDER_KEY, Gateway, Simulator

MODEL = "claude-of-the-tests"  # the SDK warns of real names once they are deprecated
MESSAGES: list[MessageParam] = [{"role": "user", "content": "one two three"}]


def sdk(gateway: Gateway, token: str, simulate: str = "") -> Anthropic:
    headers = {"x-simulate": simulate} if simulate else {}
    return Anthropic(base_url=gateway.data, api_key=token, max_retries=0, default_headers=headers)


def test_a_message_is_answered_and_accounted_for(gateway: Gateway, simulator: Simulator, token: str) -> None:
    with sdk(gateway, token, "cached=2,cache-creation=3") as client:
        raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=MESSAGES)
        message = raw.parse()
    event = gateway.event_of(raw.headers["x-request-id"])
    assert event.upstream == "sim-anthropic"
    assert event.prompt_tokens == message.usage.input_tokens + 2 + 3 == 6
    assert (event.cached_tokens, event.completion_tokens) == (2, message.usage.output_tokens)
    assert event.confidence is Confidence.EXACT
    received = simulator.last_request()
    assert received.header("x-api-key") == PROVIDER_KEY
    assert token not in str(received.headers)


def test_a_streamed_message_is_accounted_for(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token, "message-deltas=3") as client:
        raw = client.messages.with_raw_response.create(
            model=MODEL, max_tokens=50, messages=MESSAGES, stream=True
        )
        events = list(raw.parse())
    assert events[-1].type == "message_stop"
    outputs = [event.usage.output_tokens for event in events if event.type == "message_delta"]
    stored = gateway.event_of(raw.headers["x-request-id"])
    assert stored.completion_tokens == outputs[-1]
    assert (stored.streamed, stored.confidence) == (True, Confidence.EXACT)


def test_a_cut_stream_raises(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token, "cut=4") as client, pytest.raises(anthropic.APIError, match="incomplete"):
        list(client.messages.create(model=MODEL, max_tokens=50, messages=MESSAGES, stream=True))


def test_errors_have_anthropics_shape(gateway: Gateway) -> None:
    with sdk(gateway, "sk-tk-unknown") as client, pytest.raises(anthropic.AuthenticationError) as refused:
        client.messages.create(model=MODEL, max_tokens=5, messages=MESSAGES)
    body = refused.value.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert body["error"]["type"] == "authentication_error"


def test_tokens_are_counted_and_models_listed(gateway: Gateway, token: str) -> None:
    with sdk(gateway, token) as client:
        assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0
        assert [model.id for model in client.models.list()] == ["gpt-4", "gpt-4o"]
