"""Answers as providers give them, by dialect, with what they used."""

import json
from dataclasses import dataclass

from msgspec import structs
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects import anthropic, openai

DIALECTS = [it for module in (openai, anthropic) for it in vars(module).values() if isinstance(it, Dialect)]


def exact(details: TokenDetails | None = None, **counts: int) -> TokenCounts:
    """Return what a provider said."""
    return structs.replace(TokenCounts(confidence=Confidence.EXACT, details=details), **counts)


@dataclass(frozen=True)
class Recording:
    """An answer of an endpoint, and its usage."""

    dialect: Dialect
    body: bytes
    tokens: TokenCounts


_CHAT_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 6, "accepted_prediction_tokens": 0},
}
_CHAT_TOKENS = exact(prompt=19, completion=10, cached=4, reasoning=6)
_RESPONSES_USAGE = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 123,
}
_RESPONSES_TOKENS = exact(prompt=36, completion=87, cached=8, reasoning=64)
_IMAGES_USAGE = {
    "total_tokens": 100,
    "input_tokens": 50,
    "output_tokens": 50,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
_MESSAGES_USAGE: dict[str, object] = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 200,
    "output_tokens": 1,
    "service_tier": "standard",
}


def _recording(dialect: Dialect, document: object, tokens: TokenCounts) -> Recording:
    return Recording(dialect, json.dumps(document, indent=1).encode(), tokens)


BODIES = {
    "chat": _recording(
        openai.CHAT,
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "gpt-4o-2024-08-06",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}
            ],
            "usage": _CHAT_USAGE,
            "system_fingerprint": None,
        },
        _CHAT_TOKENS,
    ),
    "completions": _recording(
        openai.COMPLETIONS,
        {
            "object": "text_completion",
            "choices": [{"text": " ok", "index": 0, "logprobs": None, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
        },
        exact(prompt=5, completion=7),
    ),
    "embeddings": _recording(
        openai.EMBEDDINGS,
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.0023, -0.009]}],
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        },
        exact(prompt=8),
    ),
    "responses": _recording(
        openai.RESPONSES,
        {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
            ],
            "usage": _RESPONSES_USAGE,
        },
        _RESPONSES_TOKENS,
    ),
    "gpt-image": _recording(
        openai.IMAGES,
        {"created": 1, "data": [{"b64_json": "aGk="}, {"b64_json": "aGk="}], "usage": _IMAGES_USAGE},
        exact(TokenDetails(image_prompt=40), prompt=50, completion=50, images=2),
    ),
    "dall-e": _recording(
        openai.IMAGES,
        {"created": 1, "data": [{"url": "http://x"}, {"url": "http://y"}]},
        TokenCounts(images=2),
    ),
    "transcription by tokens": _recording(
        openai.TRANSCRIPTION,
        {
            "text": "Imagine",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                "output_tokens": 45,
                "total_tokens": 59,
            },
        },
        exact(TokenDetails(audio_prompt=14), prompt=14, completion=45),
    ),
    "transcription by duration": _recording(
        openai.TRANSCRIPTION,
        {"text": "Imagine", "usage": {"type": "duration", "seconds": 9.5}},
        exact(audio_milliseconds=9500),
    ),
    "transcription as text": Recording(openai.TRANSCRIPTION, b"Imagine\n", TokenCounts()),
    "messages": _recording(
        anthropic.MESSAGES,
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "Hi!"}],
            "stop_reason": "end_turn",
            "usage": _MESSAGES_USAGE | {"output_tokens": 12},
        },
        exact(TokenDetails(cache_written=100), prompt=325, completion=12, cached=200),
    ),
}


def event(data: object, name: str | None = None, line: str = "\n") -> bytes:
    """Return one event of a stream."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = f"event: {name}{line}" if name else ""
    return f"{head}data: {text}{line}{line}".encode()


def _chunk(content: str | None = None, finish: str | None = None, **more: object) -> dict[str, object]:
    delta = {} if content is None else {"content": content}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


CHAT_USAGE_CHUNK = {"id": "chatcmpl-1", "choices": [], "usage": _CHAT_USAGE}
FILTER_CHUNK = {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}


def chat_events(line: str = "\n") -> list[bytes]:
    """Return the events of a chat stream, Azure's filter results first, usage last but one."""
    return [
        event(FILTER_CHUNK, line=line),
        event(_chunk("", usage=None), line=line),
        event(_chunk("Hello", usage=None), line=line),
        event(_chunk(' "usage":{} data: [DONE]\n\n é'), line=line),
        f": ping{line}{line}".encode(),
        event(_chunk(None, "stop", usage=None), line=line),
        event(CHAT_USAGE_CHUNK, line=line),
        event("[DONE]", line=line),
    ]


def unasked(events: list[bytes]) -> list[bytes]:
    """Return the events of a chat stream as they are if its usage was not asked for."""
    chunks = {event(CHAT_USAGE_CHUNK, line=line) for line in ("\n", "\r\n", "\r")}
    return [one.replace(b',"usage":null', b"") for one in events if one not in chunks]


def _named(data: dict[str, object]) -> bytes:
    return event(data, str(data["type"]))


RESPONSES_EVENTS = [
    _named(
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "usage": None}}
    ),
    _named({"type": "response.output_text.delta", "delta": "Hello", "sequence_number": 3}),
    _named({"type": "response.output_text.done", "text": "Hello", "sequence_number": 4}),
    _named(
        {
            "type": "response.completed",
            "response": {"id": "resp_1", "status": "completed", "usage": _RESPONSES_USAGE},
        }
    ),
]
MESSAGES_EVENTS = [
    _named({"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": _MESSAGES_USAGE}}),
    _named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    _named({"type": "ping"}),
    _named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
    _named({"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 9}}),
    _named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15}}),
    _named({"type": "message_stop"}),
]
STREAMS: dict[str, tuple[Dialect, list[bytes], TokenCounts]] = {
    "chat": (openai.CHAT, chat_events(), _CHAT_TOKENS),
    "chat with CRLF": (openai.CHAT, chat_events("\r\n"), _CHAT_TOKENS),
    "completions": (
        openai.COMPLETIONS,
        [
            event({"choices": [{"text": "ok", "finish_reason": None}], "usage": None}),
            event({"choices": [{"text": "", "finish_reason": "stop"}], "usage": None}),
            event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
            event("[DONE]"),
        ],
        exact(prompt=3, completion=2),
    ),
    "responses": (openai.RESPONSES, RESPONSES_EVENTS, _RESPONSES_TOKENS),
    "messages": (
        anthropic.MESSAGES,
        MESSAGES_EVENTS,
        exact(TokenDetails(cache_written=100), prompt=325, completion=15, cached=200),
    ),
    "images": (
        openai.IMAGES,
        [
            _named({"type": "image_generation.partial_image", "b64_json": "aGk=", "partial_image_index": 0}),
            _named({"type": "image_generation.completed", "b64_json": "aGk=", "usage": _IMAGES_USAGE}),
        ],
        exact(TokenDetails(image_prompt=40), prompt=50, completion=50, images=1),
    ),
    "transcription": (
        openai.TRANSCRIPTION,
        [
            event({"type": "transcript.text.delta", "delta": "Imagine"}),
            event(
                {
                    "type": "transcript.text.done",
                    "text": "Imagine",
                    "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 31},
                }
            ),
        ],
        exact(prompt=14, completion=31),
    ),
    "speech": (
        openai.SPEECH,
        [
            event({"type": "speech.audio.delta", "audio": "aGk="}),
            event({"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 101}}),
        ],
        exact(prompt=14, completion=101),
    ),
}
