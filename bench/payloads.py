"""The requests and answers of the loads: chat completions, plain and streamed.

An event of a stream carries its number and the time when it was sent, so that the receiver can find lost,
misordered and late events. Times are nanoseconds of the machine's monotonic clock.
"""

import re

import msgspec

EVENTS = 50
"""The number of numbered events in a stream."""

INTERVAL_MS = 5
"""The time between two events."""

_TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all. "

EVENT = re.compile(rb'"content": ?"(\d{4}) (\d{20})"')
"""Finds an event's number and time, also if a subject has re-encoded its JSON."""

_CHUNK = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench",'
    b'"choices":[{"index":0,"delta":{"content":"%04d %020d"},"finish_reason":null}]}\n\n'
)
_USAGE = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench",'
    b'"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":50,"total_tokens":70}}\n\n'
)
_STOP = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
)
_DONE = b"data: [DONE]\n\n"


def chat_request(model: str, size: int, *, stream: bool = False) -> bytes:
    """Return a chat request of `size` bytes, or of the least possible size if that is larger."""
    bare = _request(model, "", stream=stream)
    wanted = max(size - len(bare), 1)
    return _request(model, (_TEXT * (wanted // len(_TEXT) + 1))[:wanted], stream=stream)


def _request(model: str, text: str, *, stream: bool) -> bytes:
    return msgspec.json.encode(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
    )


def chat_answer() -> bytes:
    """Return a chat completion in OpenAI's form, about 700 bytes."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": _TEXT * 4,
        "refusal": None,
        "annotations": [],
    }
    return msgspec.json.encode(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "bench",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 80, "total_tokens": 100},
            "service_tier": "default",
        }
    )


def error_answer() -> bytes:
    """Return a provider's error."""
    error = {"message": "The server had an error", "type": "server_error", "param": None, "code": None}
    return msgspec.json.encode({"error": error})


def event(number: int, sent: int) -> bytes:
    """Return a numbered event with the time `sent`, as a chunk of HTTP's chunked coding."""
    return _in_chunk % (number, sent)


def stream_end(*, usage: bool) -> bytes:
    """Return the bytes after the last numbered event, to the end of the answer."""
    last = _STOP + (_USAGE if usage else b"") + _DONE
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last)


_in_chunk = b"%x\r\n%b\r\n" % (len(_CHUNK % (0, 0)), _CHUNK)
