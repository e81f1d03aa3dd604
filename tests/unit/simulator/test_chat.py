"""Chat completions, as OpenAI's and Azure's clients see them."""

import json

import httpx2
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.unit.simulator.running import Running

MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "be brief please"},
    {"role": "user", "content": [{"type": "text", "text": "what is a toll"}]},
]
PROMPT_TOKENS = 3 + 4 + 2 * 3
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


async def test_usage_counts_words(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, extra_headers={"x-simulate": "events=7,cached=5,reasoning=2"}
    )
    text = completion.choices[0].message.content
    assert text is not None
    assert len(text.split()) == 7
    assert completion.model == "gpt-4o"
    assert completion.choices[0].finish_reason == "stop"
    usage = completion.usage
    assert usage is not None
    assert usage.prompt_tokens == PROMPT_TOKENS
    assert usage.completion_tokens == 9
    assert usage.total_tokens == PROMPT_TOKENS + 9
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 5
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 2


async def test_a_stream_says_what_the_whole_answer_says(openai: AsyncOpenAI) -> None:
    whole = await openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    stream = await openai.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert told == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}])
async def test_a_stream_carries_usage_only_on_request(
    http: httpx2.AsyncClient, options: dict[str, object]
) -> None:
    body = {"model": "m", "messages": MESSAGES, "stream": True, **options}
    reply = await http.post("/v1/chat/completions", json=body)
    assert b"usage" not in reply.content
    assert reply.content.endswith(b"data: [DONE]\n\n")


async def test_with_usage_every_chunk_has_the_field(http: httpx2.AsyncClient) -> None:
    body = {"model": "m", "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
    reply = await http.post("/v1/chat/completions", json=body)
    chunks = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: {")]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 24


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_cuts_the_reply(http: httpx2.AsyncClient, name: str) -> None:
    reply = await http.post("/v1/chat/completions", json={"model": "m", "messages": MESSAGES, name: 4})
    choice = reply.json()["choices"][0]
    assert (len(choice["message"]["content"].split()), choice["finish_reason"]) == (4, "length")
    assert reply.json()["usage"]["completion_tokens"] == 4


async def test_a_stop_sequence_ends_the_reply(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(model="m", messages=MESSAGES, stop=["comes"])
    assert completion.choices[0].message.content == "This answer"
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_several_choices_are_all_counted(openai: AsyncOpenAI, stream: bool) -> None:
    if not stream:
        completion = await openai.chat.completions.create(model="m", messages=MESSAGES, n=3)
        assert [choice.index for choice in completion.choices] == [0, 1, 2]
        assert completion.usage is not None
        assert completion.usage.completion_tokens == 3 * 24
        return
    events = await openai.chat.completions.create(model="m", messages=MESSAGES, n=3, stream=True)
    ended = [c.index async for chunk in events for c in chunk.choices if c.finish_reason]
    assert ended == [0, 1, 2]


async def test_a_required_tool_is_called(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(
        model="m", messages=MESSAGES, tools=[WEATHER], tool_choice="required"
    )
    assert completion.choices[0].finish_reason == "tool_calls"
    calls = completion.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert json.loads(calls[0].function.arguments) == {"city": "simulated", "days": 1}


async def test_a_tool_call_streams_its_arguments_in_parts(openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(
        model="m",
        messages=MESSAGES,
        tools=[WEATHER],
        stream=True,
        extra_headers={"x-simulate": "tool-call"},
    )
    arguments, finish = "", None
    async for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            arguments += call.function.arguments or ""
        finish = chunk.choices[0].finish_reason or finish
    assert json.loads(arguments) == {"city": "simulated", "days": 1}
    assert finish == "tool_calls"


async def test_tools_are_left_alone_unless_asked_for(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(model="m", messages=MESSAGES, tools=[WEATHER])
    assert completion.choices[0].message.tool_calls is None


async def test_json_is_answered_with_json(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(
        model="m", messages=MESSAGES, response_format={"type": "json_object"}
    )
    assert json.loads(completion.choices[0].message.content or "") == {"answer": "simulated"}


async def test_azure_names_the_deployment_in_the_path(simulator: Running) -> None:
    async with AsyncAzureOpenAI(
        azure_endpoint=simulator.url, api_version="2024-10-21", api_key="key", max_retries=0
    ) as azure:
        completion = await azure.chat.completions.create(model="my-deployment", messages=MESSAGES)
        stream = await azure.chat.completions.create(model="my-deployment", messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
    assert completion.model == "my-deployment"
    assert chunks[0].choices == []
    assert chunks[0].model_extra is not None
    assert "prompt_filter_results" in chunks[0].model_extra


async def test_an_unknown_model_is_not_found(openai: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        await openai.chat.completions.create(model="no-such-model", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "hello"}, "messages"),
        ({"model": "m", "messages": MESSAGES, "n": 0}, "n"),
        ({"model": 5, "messages": MESSAGES}, "model"),
    ],
)
async def test_a_bad_field_is_named(openai: AsyncOpenAI, body: object, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        await openai.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
