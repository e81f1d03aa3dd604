"""llama-cpp-python's server, asked directly and through the gateway, event for event."""

import uuid

import pytest
from tollkeeper import Confidence

from tests.integration.compare import Pair, told

_CHAT = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Count the tokens."}],
    "max_tokens": 12,
    "temperature": 0,
}
_COMPLETION = {"model": "tiny", "prompt": "The gateway", "max_tokens": 12, "temperature": 0}
_ASKED = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", _CHAT), ("/v1/completions", _COMPLETION)]
)
def test_an_answer(llama_cpp: Pair, path: str, body: dict[str, object]) -> None:
    both = llama_cpp.ask(path, body)
    assert both.direct.status == 200
    assert told(both.through) == told(both.direct)
    usage = both.direct.json()["usage"]
    assert isinstance(usage, dict)
    assert both.usage.confidence is Confidence.EXACT
    assert both.usage.prompt_tokens == usage["prompt_tokens"]
    assert both.usage.completion_tokens == usage["completion_tokens"]


@pytest.mark.parametrize("asked", [{}, _ASKED], ids=["plain", "usage asked"])
@pytest.mark.parametrize(
    ("path", "body"), [("/v1/chat/completions", _CHAT), ("/v1/completions", _COMPLETION)]
)
def test_a_stream_without_usage_is_estimated(
    llama_cpp: Pair, path: str, body: dict[str, object], asked: dict[str, object]
) -> None:
    both = llama_cpp.ask(path, {**body, "stream": True, **asked})
    assert both.direct.status == 200
    assert len(told(both.direct).events) > 3
    assert told(both.through) == told(both.direct)
    assert both.usage.streamed
    assert both.usage.confidence is Confidence.ESTIMATED
    assert both.usage.prompt_tokens > 0
    assert both.usage.completion_tokens > 0


def test_a_stream_until_the_model_ends_it(llama_cpp: Pair) -> None:
    both = llama_cpp.ask("/v1/chat/completions", {**_CHAT, "max_tokens": None, "stream": True})
    assert told(both.direct).events[-2:] != []
    assert told(both.through) == told(both.direct)
    assert (both.usage.status, both.usage.error_code) == (200, "")


@pytest.mark.parametrize("given", ["Count", ["Count", "the tokens"]], ids=["one", "several"])
def test_embeddings(llama_cpp: Pair, given: object) -> None:
    both = llama_cpp.ask("/v1/embeddings", {"model": "tiny", "input": given})
    assert both.direct.status == 200
    assert told(both.through) == told(both.direct)
    usage = both.direct.json()["usage"]
    assert isinstance(usage, dict)
    assert both.usage.confidence is Confidence.EXACT
    assert (both.usage.prompt_tokens, both.usage.completion_tokens) == (usage["prompt_tokens"], 0)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", {**_CHAT, "messages": "nothing"}, 500),
        ("/v1/completions", {**_COMPLETION, "prompt": "many " * 600}, 400),
        ("/v1/embeddings", {"model": "tiny"}, 500),
        ("/v1/moderations", {"model": "tiny", "input": "what this server has not"}, 404),
    ],
)
def test_an_error(llama_cpp: Pair, path: str, body: dict[str, object], status: int) -> None:
    both = llama_cpp.ask(path, body)
    assert both.direct.status == status
    assert told(both.through) == told(both.direct)
    assert both.usage.status == status
    assert (both.usage.prompt_tokens, both.usage.completion_tokens) == (0, 0)


def test_the_callers_own_id(llama_cpp: Pair) -> None:
    both = llama_cpp.ask("/v1/chat/completions", _CHAT, ("x-request-id", str(uuid.uuid4())))
    assert both.direct.status == 200
    assert told(both.through) == told(both.direct)


def test_an_id_that_is_no_uuid_is_refused_without_a_body(llama_cpp: Pair) -> None:
    both = llama_cpp.ask("/v1/chat/completions", _CHAT, ("x-request-id", "order-17"))
    assert (both.direct.status, both.direct.body) == (400, b"")
    assert (both.through.status, both.through.body) == (400, b"")
    assert both.usage.status == 400
