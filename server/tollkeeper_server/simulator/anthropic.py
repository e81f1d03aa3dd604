"""Anthropic's endpoints: messages, the count of their tokens, and models."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import wording
from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.chat import Part, count_content
from tollkeeper_server.simulator.reply import EventStream, Json, RefusalError, Reply, as_json, named_event
from tollkeeper_server.simulator.wording import Ending, Wording

MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5")


class Message(Struct, frozen=True):
    """The fields of a message that the token count needs."""

    role: str
    content: str | list[Part]


class Tool(Struct, frozen=True):
    """A tool that the model may call."""

    name: str
    input_schema: Json | None = None


class ToolChoice(Struct, frozen=True):
    """Whether the model may or must call a tool, and which one."""

    type: str = "auto"
    name: str = ""


class MessagesRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    messages: list[Message]
    model: str = ""
    max_tokens: int | None = None
    system: str | list[Part] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


_decoder = msgspec.json.Decoder(MessagesRequest)
_STOP_REASONS = {
    Ending.NATURAL: "end_turn",
    Ending.LENGTH: "max_tokens",
    Ending.STOP_SEQUENCE: "stop_sequence",
}


def create(call: ApiCall) -> Reply:
    """Answer POST /messages."""
    body = _decode(call)
    if body.max_tokens is None:
        raise RefusalError(400, "max_tokens: Field required")
    tool = _chosen(call, body)
    if tool is not None:
        arguments = wording.example(tool.input_schema)
        words = Wording(wording.in_pieces(f"{tool.name} {wording.example_json(tool.input_schema)}"))
        key = call.state.new_id("toolu_", 24)
        block: Json = {"type": "tool_use", "id": key, "name": tool.name, "input": arguments}
        reason = "tool_use"
    else:
        words = call.compose(body.max_tokens, body.stop_sequences or ())
        block, reason = {"type": "text", "text": words.text, "citations": None}, _STOP_REASONS[words.ending]
    ending: Json = {"stop_reason": reason, "stop_sequence": words.stop or None}
    spent = _input_usage(call, body)
    output = words.tokens + call.faults.reasoning
    message: Json = {
        "id": call.state.new_id("msg_", 24),
        "type": "message",
        "role": "assistant",
        "model": body.model,
        "content": [block],
        "stop_reason": None,
        "stop_sequence": None,
    }
    if not body.stream:
        message |= ending
        return as_json(
            message if call.faults.no_usage else message | {"usage": spent | {"output_tokens": output}}
        )
    events = _events(call, message | {"content": []}, block, words, ending, spent, output)
    return EventStream(events, named_event("message_stop", {"type": "message_stop"}))


def count_tokens(call: ApiCall) -> Reply:
    """Answer POST /messages/count_tokens."""
    return as_json({"input_tokens": _count(_decode(call))})


def list_models(_call: ApiCall) -> Reply:
    """Answer GET /models, for Anthropic's clients."""
    data = [_model(name) for name in MODELS]
    return as_json({"data": data, "first_id": MODELS[0], "last_id": MODELS[-1], "has_more": False})


def retrieve_model(call: ApiCall) -> Reply:
    """Answer GET /models/{id}, for Anthropic's clients."""
    return as_json(_model(call.model(call.params[0])))


def _model(name: str) -> Json:
    created = datetime(2025, 9, 29, tzinfo=UTC).isoformat()
    return {"type": "model", "id": name, "display_name": name, "created_at": created, "lifecycle": "active"}


def _decode(call: ApiCall) -> MessagesRequest:
    if not call.request.header(b"anthropic-version"):
        raise RefusalError(400, "anthropic-version: header is required")
    body = call.decode(_decoder)
    call.model(body.model)
    if not body.messages:
        raise RefusalError(400, "messages: at least one message is required")
    return body


def _chosen(call: ApiCall, body: MessagesRequest) -> Tool | None:
    choice = body.tool_choice or ToolChoice()
    if not body.tools or choice.type == "none":
        return None
    if choice.type == "tool":
        return next((tool for tool in body.tools if tool.name == choice.name), body.tools[0])
    return body.tools[0] if choice.type == "any" or call.faults.tool_call else None


def _count(body: MessagesRequest) -> int:
    system = count_content(body.system)
    return system + sum(count_content(message.content) + wording.PER_MESSAGE for message in body.messages)


def _input_usage(call: ApiCall, body: MessagesRequest) -> Json:
    total = _count(body)
    read = min(call.faults.cached, total)
    written = min(call.faults.cache_creation, total - read)
    return {
        "input_tokens": total - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }


def _events(
    call: ApiCall, message: Json, block: Json, words: Wording, ending: Json, spent: Json, output: int
) -> Iterator[bytes]:
    counted = not call.faults.no_usage
    opening = message | {"usage": spent | {"output_tokens": min(1, output)}} if counted else message
    yield named_event("message_start", {"type": "message_start", "message": opening})
    if block["type"] == "tool_use":
        start = block | {"input": {}}
        arguments = msgspec.json.encode(block["input"]).decode()
        middle = len(arguments) // 2
        pieces = [arguments[:middle], arguments[middle:]]
        deltas: Iterator[Json] = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    else:
        start = block | {"text": ""}
        deltas = ({"type": "text_delta", "text": piece} for piece in words.pieces)
    yield _block_event("start", {"content_block": start})
    yield named_event("ping", {"type": "ping"})
    for delta in deltas:
        yield _block_event("delta", {"delta": delta})
    yield _block_event("stop", {})
    parts = max(1, call.faults.message_deltas)
    for part in range(1, parts + 1):
        delta = ending if part == parts else {"stop_reason": None, "stop_sequence": None}
        event: Json = {"type": "message_delta", "delta": delta}
        if counted:
            event["usage"] = {"output_tokens": output * part // parts}
        yield named_event("message_delta", event)


def _block_event(name: str, fields: Json) -> bytes:
    return named_event(f"content_block_{name}", {"type": f"content_block_{name}", "index": 0, **fields})
