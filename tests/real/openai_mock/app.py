"""The mock as an ASGI application: the least answer that the SDK's types allow, streams with every event."""

import functools
import json
import types
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import parse_qs

from openai._legacy_response import HttpxBinaryResponseContent
from openai.types.chat import ChatCompletionChunk
from openai.types.completion import Completion

from tests.real.openai_mock.example import example
from tests.real.openai_mock.received import RECEIVED_PATH, Received
from tests.real.openai_mock.specification import Operation, read_operations

Message = MutableMapping[str, Any]
_received = Received()
_STREAM_FIELD = b'name="stream"\r\n\r\ntrue'
_ENDED_BY_DONE = (ChatCompletionChunk, Completion)


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Answer one request; 404 for one that the SDK does not know."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    path, query = scope["raw_path"].decode(), scope["query_string"].decode()
    if path == RECEIVED_PATH:
        status, kind, answer = 200, "application/json", _received.take()
    else:
        _received.add(scope["method"], f"{path}?{query}", scope["headers"], body)
        status, kind, answer = _answer(scope["method"], path, query, body)
    headers = [(b"content-type", kind.encode())] if kind else []
    headers.append((b"content-length", b"%d" % len(answer)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _answer(method: str, path: str, query: str, body: bytes) -> tuple[int, str, bytes]:
    operation = find(method, path, query)
    if operation is None:
        return 404, "application/json", b'{"error":{"message":"unknown operation"}}'
    if operation.event is not None and (operation.always_streams or _asks_for_a_stream(body, query)):
        return 200, "text/event-stream", _stream(operation)
    return _plain(operation)


@functools.cache
def _operations() -> list[tuple[Operation, Callable[[str], object]]]:
    return [(operation, operation.pattern.fullmatch) for operation in read_operations()]


@functools.lru_cache(4096)
def find(method: str, path: str, query: str) -> Operation | None:
    """Return the operation of a request whose path begins with `/v1`, None if there is none."""
    below = path.removeprefix("/v1")
    given = set(query.split("&"))
    for operation, matches in _operations():
        if (
            operation.method == method
            and matches(below)
            and (not operation.query or operation.query in given)
        ):
            return operation
    return None


def _asks_for_a_stream(body: bytes, query: str) -> bool:
    if "true" in parse_qs(query).get("stream", ()):
        return True
    try:
        said = json.loads(body)
    except ValueError:
        return _STREAM_FIELD in body
    return isinstance(said, dict) and said.get("stream") is True


@functools.cache
def _plain(operation: Operation) -> tuple[int, str, bytes]:
    answer = operation.answers[0]
    if answer is type(None):
        return 204, "", b""
    if answer is HttpxBinaryResponseContent:
        return 200, "application/octet-stream", b"\x00\xffbytes"
    if answer is str:
        return 200, "text/plain", b"text"
    said = example(answer)
    for other in map(example, operation.answers[1:]):
        if isinstance(said, dict) and isinstance(other, dict):
            said = {**said, **other}
    return 200, "application/json", json.dumps(said).encode()


@functools.cache
def _stream(operation: Operation) -> bytes:
    events = b""
    for kind in _variants(operation.event):
        said = example(kind)
        assert isinstance(said, dict)
        name = said.get("event") or said.get("type")
        data = said["data"] if "event" in said else said  # an event of assistants is told by its line `event`
        events += b"event: %s\n" % str(name).encode() if name else b""
        events += b"data: %s\n\n" % json.dumps(data).encode()
    return events + (b"data: [DONE]\n\n" if operation.event in _ENDED_BY_DONE else b"")


def _variants(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Annotated:
        return _variants(get_args(kind)[0])
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
