"""Chat completions."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import stream_usage, wording
from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.faults import Faults
from tollkeeper_server.simulator.reply import (
    DONE,
    Dialect,
    EventStream,
    Json,
    RefusalError,
    Reply,
    as_json,
    data_event,
)
from tollkeeper_server.simulator.state import now
from tollkeeper_server.simulator.stream_usage import StreamUsage
from tollkeeper_server.simulator.wording import Ending, Wording

FINGERPRINT = "fp_tollkeeper0"
_MAX_CHOICES = 128


class Part(Struct, frozen=True):
    """A part of a message; `text` is empty in a part of another type."""

    type: str = "text"
    text: str = ""


class Message(Struct, frozen=True):
    """The fields of a message that the token count needs."""

    role: str
    content: str | list[Part] | None = None


class Function(Struct, frozen=True):
    """A function that the model may call."""

    name: str
    parameters: Json | None = None


class Tool(Struct, frozen=True):
    """A tool; the simulator calls functions only."""

    type: str = "function"
    function: Function | None = None


class StreamOptions(Struct, frozen=True):
    """Options of a stream."""

    include_usage: bool = False


class JsonSchema(Struct, frozen=True):
    """The schema an answer shall have."""

    schema_: Json | None = msgspec.field(default=None, name="schema")


class ResponseFormat(Struct, frozen=True):
    """The form that the answer must have."""

    type: str = "text"
    json_schema: JsonSchema | None = None


class ChatRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    messages: list[Message]
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | Json | None = None
    response_format: ResponseFormat | None = None


_decoder = msgspec.json.Decoder(ChatRequest)


def count_content(content: str | Sequence[Part] | None) -> int:
    """Return the number of tokens in the content of a message."""
    if content is None:
        return 0
    if isinstance(content, str):
        return wording.count(content)
    return sum(wording.count(part.text) if part.text else wording.PER_ATTACHMENT for part in content)


def usage(prompt: int, completion: int, faults: Faults) -> Json:
    """Return a usage object; `completion` is without the reasoning tokens, which are added here."""
    completion += faults.reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": min(faults.cached, prompt), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": faults.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def stops_of(stop: str | list[str] | None) -> list[str]:
    """Return the stop sequences of a request as a list."""
    return [stop] if isinstance(stop, str) else stop or []


def choose_function(tools: Sequence[Tool] | None, choice: str | Json | None, wanted: bool) -> Function | None:
    """Return the chosen function; the first one if a call is required or `wanted`; else None."""
    functions = [tool.function for tool in tools or () if tool.function is not None]
    if not functions or choice == "none":
        return None
    if isinstance(choice, dict) and isinstance(named := choice.get("function"), dict):
        return next((function for function in functions if function.name == named.get("name")), functions[0])
    return functions[0] if wanted or choice == "required" else None


def complete(call: ApiCall) -> Reply:
    """Answer POST /chat/completions."""
    body = call.decode(_decoder)
    model = call.model(body.model)
    if not body.messages:
        raise RefusalError(400, "Invalid 'messages': empty array.", code="empty_array", param="messages")
    choices = 1 if body.n is None else body.n
    if not 1 <= choices <= _MAX_CHOICES:
        raise RefusalError(400, f"Invalid 'n': {choices}.", code="invalid_value", param="n")
    prompt = sum(count_content(message.content) + wording.PER_MESSAGE for message in body.messages)
    function = choose_function(body.tools, body.tool_choice, call.faults.tool_call)
    head: Json = {
        "id": call.state.new_id("chatcmpl-", 28),
        "object": "chat.completion.chunk" if body.stream else "chat.completion",
        "created": now(),
        "model": model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    if function is not None:
        arguments = wording.example_json(function.parameters)
        words = Wording(wording.in_pieces(f"{function.name} {arguments}"))
        message, finish = (
            _call_message(function.name, arguments, call.state.new_id("call_", 24)),
            "tool_calls",
        )
    else:
        limit = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
        words = call.compose(limit, stops_of(body.stop), _formatted(body.response_format))
        message = {"role": "assistant", "content": words.text, "refusal": None, "annotations": []}
        finish = "length" if words.ending is Ending.LENGTH else "stop"
    spent = usage(prompt, words.tokens * choices, call.faults)
    if not body.stream:
        head["choices"] = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
            for index in range(choices)
        ]
        return as_json(head if call.faults.no_usage else head | {"usage": spent})
    asked = body.stream_options is not None and body.stream_options.include_usage
    where = stream_usage.place(spent, asked, call.faults, {"index": 0, "delta": {}})
    deltas = _call_deltas(message) if function is not None else _text_deltas(words)
    events = _chunks(head, where, deltas, finish, choices)
    opening = [data_event(_PROMPT_FILTER)] if call.dialect is Dialect.AZURE else []
    closing = [data_event(head | where.closing)] if where.closing else []
    return EventStream(_chain(opening, events, closing), DONE)


# Azure's first event is the verdict of its content filter, without choices and usage.
_PROMPT_FILTER: Json = {
    "choices": [],
    "created": 0,
    "id": "",
    "model": "",
    "object": "",
    "prompt_filter_results": [
        {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
    ],
}


def _chain(*parts: list[bytes] | Iterator[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield from part


def _formatted(form: ResponseFormat | None) -> str:
    if form is None or form.type not in ("json_object", "json_schema"):
        return ""
    schema = form.json_schema.schema_ if form.json_schema is not None else None
    return wording.example_json(schema or {"properties": {"answer": {"type": "string"}}})


def _call_message(name: str, arguments: str, key: str) -> Json:
    called = {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [called]}


def _text_deltas(words: Wording) -> list[Json]:
    opening: Json = {"role": "assistant", "content": "", "refusal": None}
    contents: list[Json] = [{"content": piece} for piece in words.pieces]
    return [opening, *contents]


def _call_deltas(message: Json) -> list[Json]:
    calls = message["tool_calls"]
    assert isinstance(calls, list)
    called = calls[0]
    arguments = called["function"]["arguments"]
    opening = called | {"index": 0, "function": called["function"] | {"arguments": ""}}
    middle = len(arguments) // 2
    return [
        {"role": "assistant", "content": None, "tool_calls": [opening], "refusal": None},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[:middle]}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[middle:]}}]},
    ]


def _chunks(
    head: Json, where: StreamUsage, deltas: Sequence[Json], finish: str, choices: int
) -> Iterator[bytes]:
    for delta in deltas:
        for index in range(choices):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            yield data_event({**head, **where.each, "choices": [choice]})
    for index in range(choices):
        choice = {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}
        yield data_event({**head, **where.finish, "choices": [choice]})
