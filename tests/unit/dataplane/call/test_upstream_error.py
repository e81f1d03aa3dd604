"""Errors that the gateway acts by: causes of fallbacks, and upstreams that refuse to say usage."""

import gzip
import json

import pytest
from tollkeeper_server.domain.model import FallbackCause
from tollkeeper_server.domain.usage import Confidence

from tests.unit.dataplane.call.scripted import ask, bad, good, model, scene
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

TOO_LONG = b'{"error":{"code":"context_length_exceeded","message":"too long"}}'


async def test_a_fallback_serves_what_is_too_long_for_the_model() -> None:
    causes = frozenset({FallbackCause.CONTEXT_LENGTH})
    bench = scene(
        model("m", "a", fallbacks=("n",), fallback_on=causes),
        model("n", "b"),
        a=[bad(400, TOO_LONG)],
        b=[good()],
    )

    assert (await ask(bench)).status == 200


@pytest.mark.parametrize("causes", [frozenset(), frozenset({FallbackCause.CONTENT})])
async def test_other_refusals_are_passed_on_whole(causes: frozenset[FallbackCause]) -> None:
    bench = scene(
        model("m", "a", fallbacks=("n",), fallback_on=causes),
        model("n", "b"),
        a=[bad(400, TOO_LONG)],
        b=[good()],
    )

    reply = await ask(bench)

    assert (reply.status, reply.body, reply.ended) == (400, TOO_LONG, True)
    assert reply.headers[b"x-tollkeeper-model"] == b"m"


REFUSED = b'{"error":{"message":"Unknown parameter: \'stream_options\'."}}'
EVENTS = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def _stream() -> Answer:
    return Answer((EVENTS,), headers=[(b"content-type", b"text/event-stream")])


def _asked(bench: Bench) -> list[bool]:
    return ["stream_options" in json.loads(body) for body in bench.transport.bodies]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("size", [1, 300_000])
async def test_an_upstream_that_refuses_to_say_usage_is_called_without(status: int, size: int) -> None:
    bench = scene(model("m", "a"), a=[bad(status, REFUSED), _stream(), _stream()])

    reply = await ask(bench, stream=True, prompt="x" * size)

    assert (reply.status, reply.body) == (200, EVENTS)
    assert _asked(bench) == [True, False]
    # It is remembered.
    assert (await ask(bench, stream=True)).body == EVENTS
    assert _asked(bench) == [True, False, False]
    assert [event.tokens.confidence for event in bench.journal.settled] == [Confidence.ESTIMATED] * 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, '{"error": {"message": "Stream options are not supported by this model"}}'),
        (400, '{"error": {"message": "Unknown name \\"streamOptions\\": Cannot find field."}}'),
        (400, '{"error": "unknown field `include_usage`"}'),
        (422, '{"detail": [{"msg": "Extra inputs are not permitted"}]}'),
        (400, '{"message": "Unrecognized request argument supplied", "param": null}'),
        (400, "additionalProperties: additional properties are not allowed"),
        (404, '{"error": "stream_options: no such member"}'),
        (500, "TypeError: create() got an unexpected keyword argument 'stream_options'"),
        (501, '{"error": "stream_options is not implemented"}'),
    ],
)
async def test_a_refusal_is_known_in_other_words(status: int, error: str) -> None:
    bench = scene(model("m", "a"), a=[bad(status, error.encode()), _stream(), _stream()])

    assert (await ask(bench, stream=True)).body == EVENTS
    assert (await ask(bench, stream=True)).body == EVENTS
    assert _asked(bench) == [True, False, False]


async def test_a_refusal_is_known_in_a_content_coding() -> None:
    refusal = bad(400, gzip.compress(REFUSED), (b"content-encoding", b"gzip"))
    bench = scene(model("m", "a"), a=[refusal, _stream()])

    assert (await ask(bench, stream=True)).body == EVENTS


async def test_an_error_that_repeats_the_request_is_no_refusal_of_all_usage() -> None:
    # As FastAPI does, whatever is wrong with it.
    error = b'{"detail":[{"msg":"Field required","input":{"stream_options":{"include_usage":true}}}]}'
    bench = scene(model("m", "a"), a=[bad(422, error), bad(422, error), _stream()])

    assert (await ask(bench, stream=True)).status == 422
    assert (await ask(bench, stream=True)).body == EVENTS
    assert _asked(bench) == [True, False, True]


async def test_what_the_caller_asked_for_itself_is_the_callers_to_be_told() -> None:
    bench = scene(model("m", "a"), a=[bad(400, REFUSED)])

    reply = await ask(bench, stream=True, stream_options={"include_usage": True})

    assert (reply.status, reply.body) == (400, REFUSED)
    assert _asked(bench) == [True]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, b'{"error":"too long"}'),
        (400, b'{"error":{"message":"Unsupported parameter: \'top_k\'","param":"top_k"}}'),
        (404, b'{"error":"unknown parameter"}'),
    ],
)
async def test_an_error_about_something_else_is_passed_on(status: int, error: bytes) -> None:
    bench = scene(model("m", "a"), a=[bad(status, error)])

    reply = await ask(bench, stream=True)

    assert (reply.status, reply.body) == (status, error)
    assert _asked(bench) == [True]


async def test_it_is_called_without_once_only() -> None:
    bench = scene(model("m", "a"), a=[bad(400, REFUSED), bad(400, REFUSED)])

    reply = await ask(bench, stream=True)

    assert (reply.status, reply.body) == (400, REFUSED)
    assert _asked(bench) == [True, False]
