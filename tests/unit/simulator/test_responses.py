"""Responses."""

import json

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.responses import FunctionToolParam

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}


async def test_usage_counts_words(openai: AsyncOpenAI) -> None:
    response = await openai.responses.create(
        model="m",
        instructions="be kind",
        input="what is a toll",
        extra_headers={"x-simulate": "events=6,reasoning=4,cached=2"},
    )
    assert len(response.output_text.split()) == 6
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.input_tokens == 2 + 4 + 3
    assert response.usage.input_tokens_details.cached_tokens == 2
    assert response.usage.output_tokens == 10
    assert response.usage.output_tokens_details.reasoning_tokens == 4
    counted = await openai.responses.input_tokens.count(
        model="m", instructions="be kind", input="what is a toll"
    )
    assert counted.input_tokens == response.usage.input_tokens


async def test_a_stream_tells_the_response_in_order(openai: AsyncOpenAI) -> None:
    stream = await openai.responses.create(
        model="m", input="hi", stream=True, extra_headers={"x-simulate": "events=2"}
    )
    events = [event async for event in stream]
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 2
    assert last.response.output_text == "".join(
        event.delta for event in events if event.type == "response.output_text.delta"
    )


async def test_a_limit_leaves_a_response_incomplete(openai: AsyncOpenAI) -> None:
    async with openai.responses.stream(model="m", input="hi", max_output_tokens=3) as stream:
        last = [event async for event in stream][-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details is not None
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 3


async def test_a_failed_response_says_so(openai: AsyncOpenAI) -> None:
    stream = await openai.responses.create(
        model="m", input="hi", stream=True, extra_headers={"x-simulate": "failed"}
    )
    last = [event async for event in stream][-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"


async def test_a_required_function_is_called(openai: AsyncOpenAI) -> None:
    stream = await openai.responses.create(
        model="m", input="hi", tools=[WEATHER], tool_choice="required", stream=True
    )
    last = [event async for event in stream][-1]
    assert last.type == "response.completed"
    assert last.sequence_number == 6
    item = last.response.output[0]
    assert item.type == "function_call"
    assert json.loads(item.arguments) == {"city": "simulated"}


async def test_a_response_can_be_read_again_until_it_is_deleted(openai: AsyncOpenAI) -> None:
    made = await openai.responses.create(model="m", input=[{"role": "user", "content": "hi there"}])
    again = await openai.responses.retrieve(made.id)
    assert again.output_text == made.output_text
    items = await openai.responses.input_items.list(made.id)
    assert items.data[0].type == "message"
    await openai.responses.delete(made.id)
    with pytest.raises(NotFoundError):
        await openai.responses.retrieve(made.id)


async def test_what_is_not_stored_cannot_be_read(openai: AsyncOpenAI) -> None:
    made = await openai.responses.create(model="m", input="hi", store=False)
    with pytest.raises(NotFoundError):
        await openai.responses.retrieve(made.id)


async def test_only_a_background_response_can_be_cancelled(openai: AsyncOpenAI) -> None:
    slow = await openai.responses.create(model="m", input="hi", background=True)
    assert slow.status == "queued"
    assert (await openai.responses.cancel(slow.id)).status == "cancelled"
    quick = await openai.responses.create(model="m", input="hi")
    with pytest.raises(BadRequestError):
        await openai.responses.cancel(quick.id)
