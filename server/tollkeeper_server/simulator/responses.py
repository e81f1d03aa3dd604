"""Responses: create, stream, store, retrieve, cancel and delete."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import wording
from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.chat import Function, Part, Tool, choose_function, count_content
from tollkeeper_server.simulator.reply import EventStream, Json, RefusalError, Reply, as_json, named_event
from tollkeeper_server.simulator.state import StoredResponse, now
from tollkeeper_server.simulator.wording import Ending, Wording


class Item(Struct, frozen=True):
    """The fields of an input item that the token count needs."""

    type: str = "message"
    content: str | list[Part] | None = None


class ResponseTool(Struct, frozen=True):
    """A tool; unlike in chat, a function's fields are fields of the tool itself."""

    type: str = "function"
    name: str = ""
    parameters: Json | None = None


class ResponseRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    model: str = ""
    input: str | list[Json] | None = None
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    max_output_tokens: int | None = None
    previous_response_id: str | None = None
    metadata: dict[str, str] | None = None
    tools: list[ResponseTool] | None = None
    tool_choice: str | Json | None = None


_decoder = msgspec.json.Decoder(ResponseRequest)


def create(call: ApiCall) -> Reply:
    """Answer POST /responses."""
    body = call.decode(_decoder)
    model = call.model(body.model)
    if body.previous_response_id is not None:
        _stored(call, body.previous_response_id)
    function = _function(call, body)
    if function is not None:
        arguments = wording.example_json(function.parameters)
        words = Wording(wording.in_pieces(f"{function.name} {arguments}"))
        item: Json = {
            "id": call.state.new_id("fc_", 48),
            "type": "function_call",
            "status": "completed",
            "arguments": arguments,
            "call_id": call.state.new_id("call_", 24),
            "name": function.name,
        }
    else:
        words = call.compose(body.max_output_tokens)
        text: Json = {"type": "output_text", "text": words.text, "annotations": [], "logprobs": []}
        item = {
            "id": call.state.new_id("msg_", 48),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [text],
        }
    response = _response(call, body, model)
    done = response | {"status": "completed", "completed_at": now(), "output": [item]}
    if words.ending is Ending.LENGTH:
        done |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if call.faults.failed:
        error = {"code": "server_error", "message": "The simulator was asked to fail this response."}
        done |= {"status": "failed", "error": error}
    if not call.faults.no_usage:
        done["usage"] = _usage(call, _count(body), words.tokens)
    if body.store is not False:
        stored = StoredResponse(done, _input_items(call, body), bool(body.background))
        call.state.responses.put(str(done["id"]), stored)
    if body.stream:
        events = list(_stream_events(response, item, words))
        last = _event(f"response.{done['status']}", {"response": done}, len(events))
        numbered = (_event(name, fields, sequence) for sequence, (name, fields) in enumerate(events))
        return EventStream(numbered, last)
    if body.background:
        return as_json(response | {"status": "queued"})
    return as_json(done)


def retrieve(call: ApiCall) -> Reply:
    """Answer GET /responses/{id}."""
    return as_json(_stored(call, call.params[0]).response)


def delete(call: ApiCall) -> Reply:
    """Answer DELETE /responses/{id}."""
    _stored(call, call.params[0])
    call.state.responses.remove(call.params[0])
    return as_json({"id": call.params[0], "object": "response", "deleted": True})


def cancel(call: ApiCall) -> Reply:
    """Answer POST /responses/{id}/cancel."""
    stored = _stored(call, call.params[0])
    if not stored.background:
        raise RefusalError(400, "Cannot cancel a synchronous response.", code="invalid_request_error")
    cancelled = stored.response | {"status": "cancelled", "output": []}
    call.state.responses.put(call.params[0], StoredResponse(cancelled, stored.input_items, background=True))
    return as_json(cancelled)


def input_items(call: ApiCall) -> Reply:
    """Answer GET /responses/{id}/input_items."""
    items = _stored(call, call.params[0]).input_items
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return as_json({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": False})


def count_tokens(call: ApiCall) -> Reply:
    """Answer POST /responses/input_tokens."""
    body = call.decode(_decoder)
    call.model(body.model)
    return as_json({"object": "response.input_tokens", "input_tokens": _count(body)})


def _stored(call: ApiCall, key: str) -> StoredResponse:
    stored = call.state.responses.get(key)
    if stored is None:
        raise RefusalError(404, f"Response with id '{key}' not found.", param="id")
    return stored


def _function(call: ApiCall, body: ResponseRequest) -> Function | None:
    tools = [
        Tool(function=Function(tool.name, tool.parameters))
        for tool in body.tools or ()
        if tool.type == "function"
    ]
    choice = body.tool_choice
    if isinstance(choice, dict):
        choice = {"function": {"name": choice.get("name")}}
    return choose_function(tools, choice, call.faults.tool_call)


def _count(body: ResponseRequest) -> int:
    instructions = wording.count(body.instructions or "")
    if body.input is None:
        return instructions
    if isinstance(body.input, str):
        return instructions + wording.count(body.input) + wording.PER_MESSAGE
    items = [_item(raw) for raw in body.input]
    return instructions + sum(count_content(item.content) + wording.PER_MESSAGE for item in items)


def _item(raw: Json) -> Item:
    try:
        return msgspec.convert(raw, Item)
    except msgspec.ValidationError as error:
        message = f"Invalid type or value: {error}"
        raise RefusalError(400, message, code="invalid_type", param="input") from None


def _input_items(call: ApiCall, body: ResponseRequest) -> list[Json]:
    if body.input is None:
        return []
    if isinstance(body.input, str):
        text = {"type": "input_text", "text": body.input}
        items: list[Json] = [{"type": "message", "role": "user", "content": [text]}]
    else:
        items = [{"type": "message", **item} for item in body.input]
    return [{"id": call.state.new_id("msg_", 48), "status": "completed", **item} for item in items]


def _usage(call: ApiCall, prompt: int, completion: int) -> Json:
    completion += call.faults.reasoning
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": min(call.faults.cached, prompt), "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": call.faults.reasoning},
        "total_tokens": prompt + completion,
    }


def _response(call: ApiCall, body: ResponseRequest, model: str) -> Json:
    return {
        "id": call.state.new_id("resp_", 48),
        "object": "response",
        "created_at": now(),
        "status": "in_progress",
        "background": bool(body.background),
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.store is not False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": body.tool_choice or "auto",
        "tools": [
            {"strict": True, "description": None, **msgspec.to_builtins(tool)} for tool in body.tools or ()
        ],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": body.metadata or {},
    }


def _event(name: str, fields: Json, sequence: int) -> bytes:
    return named_event(name, {"type": name, "sequence_number": sequence} | fields)


def _stream_events(response: Json, item: Json, words: Wording) -> Iterator[tuple[str, Json]]:
    where: Json = {"item_id": item["id"], "output_index": 0}
    yield "response.created", {"response": response}
    yield "response.in_progress", {"response": response}
    empty: Json = {"arguments": ""} if "arguments" in item else {"content": []}
    begun = item | {"status": "in_progress"} | empty
    yield "response.output_item.added", {"output_index": 0, "item": begun}
    if "arguments" in item:
        yield "response.function_call_arguments.delta", {**where, "delta": item["arguments"]}
        done = {**where, "arguments": item["arguments"], "name": item["name"]}
        yield "response.function_call_arguments.done", done
    else:
        where["content_index"] = 0
        part: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield "response.content_part.added", {**where, "part": part}
        for piece in words.pieces:
            yield "response.output_text.delta", {**where, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**where, "text": words.text, "logprobs": []}
        yield "response.content_part.done", {**where, "part": part | {"text": words.text}}
    yield "response.output_item.done", {"output_index": 0, "item": item}
