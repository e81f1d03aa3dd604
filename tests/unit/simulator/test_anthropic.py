"""Messages, as Anthropic's client sees them."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from anthropic import AsyncAnthropic, AuthenticationError, BadRequestError, NotFoundError
from anthropic.types import MessageParam, ToolParam

from tests.unit.simulator.conftest import Start
from tests.unit.simulator.running import Running

MESSAGES: list[MessageParam] = [{"role": "user", "content": "what is a toll"}]
INPUT_TOKENS = 4 + 3
WEATHER: ToolParam = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
async def anthropic(simulator: Running) -> AsyncIterator[AsyncAnthropic]:
    """Anthropic's client of `simulator`; it does not retry."""
    async with AsyncAnthropic(base_url=simulator.url, api_key="any", max_retries=0) as client:
        yield client


async def test_usage_tells_cached_tokens_apart(anthropic: AsyncAnthropic) -> None:
    message = await anthropic.messages.create(
        model="claude",
        max_tokens=100,
        system="be brief",
        messages=MESSAGES,
        extra_headers={"x-simulate": "events=5,cached=3,cache-creation=2"},
    )
    usage = message.usage
    assert usage.input_tokens == INPUT_TOKENS + 2 - 3 - 2
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (3, 2)
    assert usage.output_tokens == 5
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    assert len(message.content[0].text.split()) == 5


async def test_a_stream_says_what_the_whole_answer_says(anthropic: AsyncAnthropic) -> None:
    whole = await anthropic.messages.create(model="claude", max_tokens=9, messages=MESSAGES)
    async with anthropic.messages.stream(model="claude", max_tokens=9, messages=MESSAGES) as stream:
        streamed = await stream.get_final_message()
    assert streamed.content[0].type == whole.content[0].type == "text"
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens == 9
    assert streamed.usage.input_tokens == INPUT_TOKENS
    assert streamed.stop_reason == whole.stop_reason == "max_tokens"


async def test_the_counts_of_a_stream_are_cumulative(anthropic: AsyncAnthropic) -> None:
    stream = await anthropic.messages.create(
        model="claude",
        max_tokens=100,
        messages=MESSAGES,
        stream=True,
        extra_headers={"x-simulate": "events=9,message-deltas=3"},
    )
    events = [event async for event in stream]
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-5:] == ["content_block_stop", *["message_delta"] * 3, "message_stop"]
    assert [event.usage.output_tokens for event in events if event.type == "message_delta"] == [3, 6, 9]


async def test_a_stop_sequence_is_named(anthropic: AsyncAnthropic) -> None:
    message = await anthropic.messages.create(
        model="claude", max_tokens=100, messages=MESSAGES, stop_sequences=["comes"]
    )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "comes")
    assert message.usage.output_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_used(anthropic: AsyncAnthropic, stream: bool) -> None:
    if stream:
        async with anthropic.messages.stream(
            model="claude", max_tokens=99, messages=MESSAGES, tools=[WEATHER], tool_choice={"type": "any"}
        ) as events:
            streamed = await events.get_final_message()
        used, reason = streamed.content[0].to_dict(), streamed.stop_reason
    else:
        whole = await anthropic.messages.create(
            model="claude", max_tokens=99, messages=MESSAGES, tools=[WEATHER], tool_choice={"type": "any"}
        )
        used, reason = whole.content[0].to_dict(), whole.stop_reason
    assert used["type"] == "tool_use"
    assert used["input"] == {"city": "simulated"}
    assert reason == "tool_use"


async def test_counting_agrees_with_the_usage(anthropic: AsyncAnthropic) -> None:
    counted = await anthropic.messages.count_tokens(model="claude", messages=MESSAGES, system="be brief")
    assert counted.input_tokens == INPUT_TOKENS + 2


async def test_errors_have_anthropics_shape(anthropic: AsyncAnthropic, http: httpx2.AsyncClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        await anthropic.messages.create(model="no-such-model", max_tokens=1, messages=MESSAGES)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "not_found_error"
    reply = await http.post("/v1/messages", json={"model": "claude", "max_tokens": 1, "messages": []})
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "anthropic-version: header is required"
    assert reply.headers["request-id"] == reply.json()["request_id"]


async def test_max_tokens_is_required(anthropic: AsyncAnthropic) -> None:
    with pytest.raises(BadRequestError, match="max_tokens"):
        await anthropic.post("/v1/messages", body={"model": "c", "messages": MESSAGES}, cast_to=object)


async def test_the_key_is_checked(start: Start) -> None:
    running = await start(api_key="right")
    async with AsyncAnthropic(base_url=running.url, api_key="wrong", max_retries=0) as anthropic:
        with pytest.raises(AuthenticationError):
            await anthropic.messages.create(model="c", max_tokens=1, messages=MESSAGES)
        message = await anthropic.with_options(api_key="right").messages.create(
            model="c", max_tokens=1, messages=MESSAGES
        )
        assert message.usage.output_tokens == 1


async def test_models(anthropic: AsyncAnthropic) -> None:
    assert [model.id async for model in anthropic.models.list()] == ["claude-sonnet-4-5", "claude-haiku-4-5"]
