"""Completions, the API before chat completions."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from tollkeeper_server.simulator import stream_usage, wording
from tollkeeper_server.simulator.call import ApiCall
from tollkeeper_server.simulator.chat import FINGERPRINT, StreamOptions, stops_of, usage
from tollkeeper_server.simulator.reply import DONE, EventStream, Json, Reply, as_json, data_event
from tollkeeper_server.simulator.state import now
from tollkeeper_server.simulator.stream_usage import StreamUsage
from tollkeeper_server.simulator.wording import Ending, Wording


class CompletionRequest(Struct, frozen=True):
    """The fields of a request's body that the answer depends on."""

    prompt: str | list[str | int | list[int]] | None = None
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None


_decoder = msgspec.json.Decoder(CompletionRequest)


def count_inputs(inputs: str | list[str | int | list[int]] | None) -> list[int]:
    """Return the token count of each input. `inputs` is a text or a list of texts, tokens or token lists."""
    if inputs is None:
        return [0]
    if isinstance(inputs, str):
        return [wording.count(inputs)]
    if inputs and all(isinstance(item, int) for item in inputs):
        return [len(inputs)]
    return [
        wording.count(item) if isinstance(item, str) else 1 if isinstance(item, int) else len(item)
        for item in inputs
    ]


def complete(call: ApiCall) -> Reply:
    """Answer POST /completions."""
    body = call.decode(_decoder)
    model = call.model(body.model)
    prompts = count_inputs(body.prompt)
    choices = (body.n or 1) * len(prompts)
    words = call.compose(body.max_tokens, stops_of(body.stop))
    finish = "length" if words.ending is Ending.LENGTH else "stop"
    spent = usage(sum(prompts), words.tokens * choices, call.faults)
    head: Json = {
        "id": call.state.new_id("cmpl-", 28),
        "object": "text_completion",
        "created": now(),
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }
    if not body.stream:
        head["choices"] = [
            {"index": index, "text": words.text, "logprobs": None, "finish_reason": finish}
            for index in range(choices)
        ]
        return as_json(head if call.faults.no_usage else head | {"usage": spent})
    asked = body.stream_options is not None and body.stream_options.include_usage
    where = stream_usage.place(spent, asked, call.faults, {"index": 0})
    return EventStream(_chunks(head, where, words, finish, choices), DONE)


def _chunks(head: Json, where: StreamUsage, words: Wording, finish: str, choices: int) -> Iterator[bytes]:
    for piece in words.pieces:
        for index in range(choices):
            choice = {"index": index, "text": piece, "logprobs": None, "finish_reason": None}
            yield data_event({**head, **where.each, "choices": [choice]})
    for index in range(choices):
        choice = {"index": index, "text": "", "logprobs": None, "finish_reason": finish}
        yield data_event({**head, **where.finish, "choices": [choice]})
    if where.closing is not None:
        yield data_event(head | where.closing)
