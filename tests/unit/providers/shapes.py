"""How providers say usage, in answers and streams of our own making, and what that is in our counts."""

import json
from dataclasses import dataclass, field

from tollkeeper_server.domain.usage import TokenDetails
from tollkeeper_server.providers.dialect import Dialect
from tollkeeper_server.providers.dialects.anthropic import MESSAGES
from tollkeeper_server.providers.dialects.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    IMAGES,
    OTHER,
    OTHER_TEXT,
    RESPONSES,
    SPEECH,
    TRANSCRIPTION,
)


@dataclass(frozen=True)
class Shape:
    """A usage object, and what it says. `around` puts it where the provider does, in each event of a stream.

    A stream has its events; else the answer is whole.
    """

    dialect: Dialect
    prompt: int
    completion: int
    answer: object = None
    events: list[object] = field(default_factory=list)
    cached: int = 0
    reasoning: int = 0
    audio: int = 0
    exact: bool = True
    details: TokenDetails | None = None

    @property
    def body(self) -> bytes:
        """The answer as JSON."""
        return json.dumps(self.answer).encode()

    @property
    def pieces(self) -> list[bytes]:
        """The events of the stream."""
        return [
            b"data: " + (one.encode() if isinstance(one, str) else json.dumps(one).encode()) + b"\n\n"
            for one in self.events
        ]


def _chat(usage: object, **more: object) -> dict[str, object]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage, **more}


def _chunk(finish: str | None = None, **more: object) -> dict[str, object]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": finish}], **more}


def _last(usage: object) -> list[object]:
    return [
        _chunk(usage=None),
        _chunk("stop", usage=None),
        {"id": "c", "choices": [], "usage": usage},
        "[DONE]",
    ]


def _message(usage: object) -> dict[str, object]:
    return {"id": "msg_1", "type": "message", "content": [], "stop_reason": "end_turn", "usage": usage}


def _message_events(start: object, *deltas: object) -> list[object]:
    return [
        {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": start}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        *({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": one} for one in deltas),
        {"type": "message_stop"},
    ]


_OPENAI = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 6, "audio_tokens": 0},
}
_RESPONSES = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 123,
}
_XAI = {
    "prompt_tokens": 10,
    "completion_tokens": 2,
    "total_tokens": 112,
    "completion_tokens_details": {"reasoning_tokens": 100},
}
_DEEPSEEK = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "total_tokens": 107,
    "prompt_cache_hit_tokens": 64,
    "prompt_cache_miss_tokens": 36,
}
_MOONSHOT = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55, "cached_tokens": 40}
_LITELLM = {
    "prompt_tokens": 1000,
    "completion_tokens": 10,
    "total_tokens": 1010,
    "prompt_tokens_details": {"cached_tokens": 900},
    "cache_read_input_tokens": 900,
    "cache_creation_input_tokens": 50,
}
_COHERE = {
    "billed_units": {"input_tokens": 5.0, "output_tokens": 418.0},
    "tokens": {"input_tokens": 71.0, "output_tokens": 418.0},
    "cached_tokens": 3.0,
}
_ANTHROPIC = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
    "output_tokens": 12,
    "server_tool_use": {"web_search_requests": 2},
    "service_tier": "standard",
}
_SEARCHED = [
    {"type": "reasoning", "summary": []},
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
    {"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "http://x"}},
    {"type": "web_search_call", "status": "failed", "action": {"type": "search", "query": "x"}},
    {"type": "web_search_call", "status": "completed"},
    {"type": "file_search_call", "status": "completed", "queries": ["x"], "results": None},
    {"type": "message", "content": [{"type": "output_text", "text": '{"type":"web_search_call"}'}]},
]
_SEARCHES = TokenDetails(web_searches=2, file_searches=1)
_FIFTY = TokenDetails(cache_written=50)
_HEARD = TokenDetails(audio_prompt=2)
_WRITTEN = TokenDetails(cache_written=100, cache_written_hour=40, web_searches=2)
_EMBEDDED = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}]}

SHAPES: dict[str, Shape] = {
    "OpenAI chat": Shape(CHAT, 19, 10, _chat(_OPENAI), cached=4, reasoning=6, details=_HEARD),
    "OpenAI chat, streamed": Shape(
        CHAT, 19, 10, events=_last(_OPENAI), cached=4, reasoning=6, details=_HEARD
    ),
    "OpenAI completions": Shape(
        COMPLETIONS,
        5,
        7,
        {
            "choices": [{"text": "x"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
        },
    ),
    "OpenAI responses": Shape(
        RESPONSES, 36, 87, {"id": "r", "status": "completed", "usage": _RESPONSES}, cached=8, reasoning=64
    ),
    "OpenAI responses that search": Shape(
        RESPONSES,
        36,
        87,
        {"id": "r", "status": "completed", "output": _SEARCHED, "usage": _RESPONSES},
        cached=8,
        reasoning=64,
        details=_SEARCHES,
    ),
    "OpenAI responses that search, streamed": Shape(
        RESPONSES,
        36,
        87,
        events=[
            {
                "type": "response.output_item.added",
                "item": {"type": "web_search_call", "status": "in_progress"},
            },
            {"type": "response.web_search_call.completed", "output_index": 1},
            *({"type": "response.output_item.done", "output_index": 1, "item": it} for it in _SEARCHED),
            {
                "type": "response.completed",
                "response": {"id": "r", "status": "completed", "output": _SEARCHED, "usage": _RESPONSES},
            },
        ],
        cached=8,
        reasoning=64,
        details=_SEARCHES,
    ),
    "OpenAI responses that search, streamed by a server whose end lists nothing": Shape(
        RESPONSES,
        36,
        87,
        events=[
            *({"type": "response.output_item.done", "output_index": 1, "item": it} for it in _SEARCHED),
            {"type": "response.completed", "response": {"id": "r", "output": [], "usage": _RESPONSES}},
        ],
        cached=8,
        reasoning=64,
        details=_SEARCHES,
    ),
    "OpenAI responses, streamed": Shape(
        RESPONSES,
        36,
        87,
        events=[
            {"type": "response.created", "response": {"id": "r", "usage": None}},
            {"type": "response.output_text.delta", "delta": "Hi"},
            {"type": "response.completed", "response": {"id": "r", "usage": _RESPONSES}},
        ],
        cached=8,
        reasoning=64,
    ),
    "OpenAI embeddings": Shape(
        EMBEDDINGS, 8, 0, {**_EMBEDDED, "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    ),
    "OpenAI images": Shape(
        IMAGES,
        50,
        50,
        {
            "created": 1,
            "data": [],
            "usage": {
                "total_tokens": 100,
                "input_tokens": 50,
                "output_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            },
        },
        details=TokenDetails(image_prompt=40),
    ),
    "OpenAI transcription": Shape(
        TRANSCRIPTION,
        14,
        45,
        {
            "text": "x",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                "output_tokens": 45,
                "total_tokens": 59,
            },
        },
        details=TokenDetails(audio_prompt=14),
    ),
    "OpenAI transcription by duration": Shape(
        TRANSCRIPTION, 0, 0, {"text": "x", "usage": {"type": "duration", "seconds": 9.5}}, audio=9500
    ),
    "a transcription with its duration": Shape(
        TRANSCRIPTION, 0, 0, {"task": "transcribe", "duration": 9.5, "text": "x", "segments": []}, audio=9500
    ),
    "a transcription with its duration, and usage": Shape(
        TRANSCRIPTION, 0, 0, {"duration": 9.47, "text": "x", "usage": {"seconds": 10}}, audio=10_000
    ),
    "OpenAI speech, streamed": Shape(
        SPEECH,
        14,
        101,
        events=[
            {"type": "speech.audio.delta", "audio": "aGk="},
            {
                "type": "speech.audio.done",
                "usage": {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115},
            },
        ],
    ),
    "Azure, filters first": Shape(
        CHAT,
        19,
        10,
        events=[{"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, *_last(_OPENAI)],
        cached=4,
        reasoning=6,
        details=_HEARD,
    ),
    "Anthropic": Shape(MESSAGES, 325, 12, _message(_ANTHROPIC), cached=200, details=_WRITTEN),
    "Anthropic, nested cache creation alone": Shape(
        MESSAGES,
        125,
        12,
        _message(
            {"input_tokens": 25, "output_tokens": 12, "cache_creation": {"ephemeral_5m_input_tokens": 100}}
        ),
        details=TokenDetails(cache_written=100),
    ),
    "Anthropic, context compacted": Shape(
        MESSAGES,
        203_000,
        4_500,
        _message(
            {
                "input_tokens": 23_000,
                "output_tokens": 1_000,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                    {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
                ],
            }
        ),
    ),
    "Anthropic, streamed": Shape(
        MESSAGES,
        325,
        15,
        events=_message_events(_ANTHROPIC, {"output_tokens": 15}),
        cached=200,
        details=_WRITTEN,
    ),
    "Anthropic, zeros after": Shape(
        MESSAGES,
        120,
        9,
        events=_message_events(
            {
                "input_tokens": 15,
                "output_tokens": 1,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 5,
            },
            {
                "input_tokens": 0,
                "output_tokens": 9,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": None,
            },
        ),
        cached=100,
        details=TokenDetails(cache_written=5),
    ),
    "Anthropic, zeros before": Shape(
        MESSAGES,
        15,
        9,
        events=_message_events(
            {"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 15, "output_tokens": 9}
        ),
    ),
    "Mistral": Shape(CHAT, 13, 4, _chat({"prompt_tokens": 13, "completion_tokens": 4, "total_tokens": 17})),
    "Mistral, audio": Shape(
        CHAT,
        13,
        4,
        _chat({"prompt_audio_seconds": 3, "prompt_tokens": 13, "completion_tokens": 4, "total_tokens": 17}),
        audio=3000,
    ),
    "Mistral, audio that is an object": Shape(
        CHAT, 13, 4, _chat({"prompt_audio_seconds": {}, "prompt_tokens": 13, "completion_tokens": 4})
    ),
    "Mistral, streamed into the last chunk": Shape(
        CHAT,
        13,
        4,
        events=[_chunk(), _chunk("stop", usage={"prompt_tokens": 13, "completion_tokens": 4}), "[DONE]"],
    ),
    "Groq": Shape(
        CHAT,
        18,
        9,
        events=[
            _chunk(),
            _chunk(
                "stop",
                x_groq={
                    "id": "req_1",
                    "usage": {
                        "queue_time": 0.02,
                        "prompt_tokens": 18,
                        "prompt_time": 0.001,
                        "completion_tokens": 9,
                        "total_tokens": 27,
                    },
                },
            ),
            "[DONE]",
        ],
    ),
    "DeepSeek": Shape(CHAT, 100, 7, _chat(_DEEPSEEK), cached=64),
    "DeepSeek, streamed into the last chunk": Shape(
        CHAT, 100, 7, events=[_chunk(), _chunk("stop", usage=_DEEPSEEK), "[DONE]"], cached=64
    ),
    "Moonshot": Shape(CHAT, 50, 5, _chat(_MOONSHOT), cached=40),
    "Moonshot, streamed into a choice": Shape(
        CHAT,
        50,
        5,
        events=[
            _chunk(),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": _MOONSHOT}]},
            "[DONE]",
        ],
        cached=40,
    ),
    "xAI, reasoning beside": Shape(CHAT, 10, 102, _chat(_XAI), reasoning=100),
    "xAI, reasoning within": Shape(CHAT, 10, 102, _chat({**_XAI, "completion_tokens": 102}), reasoning=100),
    "xAI, reasoning beside, streamed": Shape(CHAT, 10, 102, events=_last(_XAI), reasoning=100),
    "Cohere's chat": Shape(CHAT, 5, 418, {"id": "c", "message": {}, "usage": _COHERE}, cached=3),
    "Cohere's chat, streamed": Shape(
        CHAT,
        5,
        418,
        events=[
            {"type": "content-delta", "delta": {"message": {"content": {"text": "Hi"}}}},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE}},
        ],
        cached=3,
    ),
    "Cohere's first chat": Shape(
        CHAT,
        74,
        6,
        {
            "text": "Hi",
            "meta": {
                "api_version": {"version": "1"},
                "billed_units": {"input_tokens": 74, "output_tokens": 6},
                "tokens": {"input_tokens": 80, "output_tokens": 6},
            },
        },
    ),
    "Cohere's embeddings": Shape(
        EMBEDDINGS, 12, 0, {"embeddings": {}, "meta": {"billed_units": {"input_tokens": 12.0}}}
    ),
    "Voyage": Shape(EMBEDDINGS, 355, 0, {**_EMBEDDED, "usage": {"total_tokens": 355}}),
    "Jina": Shape(EMBEDDINGS, 6, 0, {**_EMBEDDED, "usage": {"total_tokens": 6, "prompt_tokens": 6}}),
    "OpenRouter": Shape(
        CHAT,
        194,
        2,
        events=_last(
            {
                "prompt_tokens": 194,
                "completion_tokens": 2,
                "total_tokens": 196,
                "cost": 0.95,
                "is_byok": False,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100, "audio_tokens": 0},
                "cost_details": {"upstream_inference_cost": None},
                "completion_tokens_details": {"reasoning_tokens": 0},
            }
        ),
        details=TokenDetails(cache_written=100),
    ),
    "Gemini, thoughts in the total alone": Shape(
        CHAT, 9, 555, _chat({"completion_tokens": 35, "prompt_tokens": 9, "total_tokens": 564})
    ),
    "Gemini, running usage": Shape(
        CHAT,
        9,
        35,
        events=[
            _chunk(usage={"completion_tokens": 5, "prompt_tokens": 9, "total_tokens": 14}),
            _chunk("stop", usage={"completion_tokens": 35, "prompt_tokens": 9, "total_tokens": 44}),
            "[DONE]",
        ],
    ),
    "vLLM": Shape(
        CHAT,
        15,
        4,
        _chat(
            {"prompt_tokens": 15, "total_tokens": 19, "completion_tokens": 4, "prompt_tokens_details": None},
            prompt_logprobs=None,
            kv_transfer_params=None,
        ),
    ),
    "SGLang": Shape(
        CHAT,
        15,
        40,
        _chat(
            {
                "prompt_tokens": 15,
                "total_tokens": 55,
                "completion_tokens": 40,
                "prompt_tokens_details": {"cached_tokens": 7},
                "reasoning_tokens": 30,
            }
        ),
        cached=7,
        reasoning=30,
    ),
    "llama.cpp": Shape(
        CHAT,
        11,
        5,
        events=[
            _chunk(),
            _chunk("stop"),
            {
                "choices": [],
                "usage": {"completion_tokens": 5, "prompt_tokens": 11, "total_tokens": 16},
                "timings": {"cache_n": 3, "prompt_n": 8, "predicted_n": 5},
            },
            "[DONE]",
        ],
    ),
    "Ollama": Shape(
        CHAT, 26, 298, _chat({"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324})
    ),
    "LiteLLM's proxy, both shapes": Shape(CHAT, 1000, 10, _chat(_LITELLM), cached=900, details=_FIFTY),
    "LiteLLM's proxy, usage in the last chunk": Shape(
        CHAT,
        1000,
        10,
        events=[_chunk(), _chunk("stop", usage=_LITELLM), "[DONE]"],
        cached=900,
        details=_FIFTY,
    ),
    "LiteLLM's proxy, usage beside a choice that says nothing": Shape(
        CHAT,
        1000,
        10,
        events=[_chunk(), _chunk("stop"), {"choices": [{"index": 0}], "usage": _LITELLM}, "[DONE]"],
        cached=900,
        details=_FIFTY,
    ),
    "LiteLLM's proxy, embeddings": Shape(
        EMBEDDINGS,
        10,
        0,
        {"data": [], "usage": {"completion_tokens": 0, "prompt_tokens": 10, "total_tokens": 0}},
    ),
    "a proxy that leaves the cache out of the prompt": Shape(
        CHAT,
        950,
        10,
        _chat({**_LITELLM, "prompt_tokens": 50, "total_tokens": 960, "cache_creation_input_tokens": 0}),
        cached=900,
    ),
    "TEI's embeddings": Shape(
        EMBEDDINGS, 512, 0, {**_EMBEDDED, "usage": {"prompt_tokens": 512, "total_tokens": 512}}
    ),
    "a compacted response": Shape(
        OTHER_TEXT,
        5000,
        400,
        {"object": "response.compaction", "usage": {"input_tokens": 5000, "output_tokens": 400}},
    ),
    "rerank by vLLM": Shape(
        OTHER, 62, 0, {"results": [], "usage": {"prompt_tokens": 62, "total_tokens": 62}}
    ),
    "rerank by Jina and Voyage": Shape(OTHER, 815, 0, {"results": [], "usage": {"total_tokens": 815}}),
    "rerank of unknown origin": Shape(OTHER, 62, 0, {"results": [], "usage": {"prompt_tokens": 62}}),
    "Mistral's moderation": Shape(
        OTHER, 9, 0, {"results": [], "usage": {"prompt_tokens": 9, "total_tokens": 9, "completion_tokens": 0}}
    ),
    "a run of an assistant, streamed": Shape(
        OTHER_TEXT,
        123,
        9,
        events=[
            {"id": "run_1", "object": "thread.run", "usage": None},
            {"id": "run_1", "usage": {"prompt_tokens": 123, "completion_tokens": 9, "total_tokens": 132}},
            "[DONE]",
        ],
    ),
}
