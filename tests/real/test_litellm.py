"""LiteLLM's proxy, asked directly and through the gateway, event for event."""

from dataclasses import replace

import pytest
from tollkeeper import Confidence

from tests.integration.compare import Pair, told

_MESSAGES = [{"role": "user", "content": "Count the tokens."}]
_ZEROS = b',"usage":{"completion_tokens":0,"prompt_tokens":0,"total_tokens":0}'
_ASKED = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "mock", "messages": _MESSAGES}),
        ("/v1/completions", {"model": "mock", "prompt": "Count the tokens."}),
        ("/v1/embeddings", {"model": "mock-embedding", "input": "Count the tokens."}),
    ],
)
def test_an_answer(litellm: Pair, path: str, body: dict[str, object]) -> None:
    both = litellm.ask(path, body)
    assert both.direct.status == 200
    assert told(both.through) == told(both.direct)
    usage = both.direct.json()["usage"]
    assert isinstance(usage, dict)
    assert both.usage.confidence is Confidence.EXACT
    assert both.usage.prompt_tokens == usage["prompt_tokens"]
    assert both.usage.completion_tokens == usage["completion_tokens"]


@pytest.mark.parametrize("asked", [{}, _ASKED], ids=["plain", "usage asked"])
def test_a_stream_of_chat(litellm: Pair, asked: dict[str, object]) -> None:
    body = {"model": "mock", "messages": _MESSAGES, "stream": True, **asked}
    both = litellm.ask("/v1/chat/completions", body)
    assert both.direct.status == 200
    assert (b'"usage"' in both.direct.body) == bool(asked)
    assert told(both.through) == told(both.direct)
    assert both.usage.streamed
    assert both.usage.confidence is Confidence.EXACT
    assert both.usage.completion_tokens == 7
    assert both.usage.prompt_tokens > 5


@pytest.mark.parametrize("asked", [{}, _ASKED], ids=["plain", "usage asked"])
def test_a_stream_of_completions(litellm: Pair, asked: dict[str, object]) -> None:
    body = {"model": "mock", "prompt": "Count the tokens.", "stream": True, **asked}
    both = litellm.ask("/v1/completions", body)
    assert both.direct.status == 200
    # Not asked for usage, the proxy says zeros in every event. The gateway asks, and gets what is true.
    assert (_ZEROS in both.direct.body) == (not asked)
    expected = told(both.direct)
    assert told(both.through) == replace(
        expected, events=[one.replace(_ZEROS, b"") for one in expected.events]
    )
    assert both.usage.confidence is Confidence.EXACT
    assert both.usage.completion_tokens == 7
    assert both.usage.prompt_tokens > 5


def test_what_it_says_of_the_account_stays_here(litellm: Pair) -> None:
    both = litellm.ask("/v1/chat/completions", {"model": "mock", "messages": _MESSAGES})
    direct, through = ({name for name, _ in answer.headers} for answer in (both.direct, both.through))
    assert direct - through == {"x-litellm-key-spend", "x-litellm-model-api-base"}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("model", "status"),
    [("mock-limit", 429), ("mock-window", 400), ("mock-broken", 500), ("mock-overloaded", 529)],
)
def test_an_error(litellm: Pair, model: str, status: int, streamed: bool) -> None:
    body = {"model": model, "messages": _MESSAGES, "stream": streamed}
    both = litellm.ask("/v1/chat/completions", body)
    assert both.direct.status == status
    assert told(both.through) == told(both.direct)
    assert both.usage.status == status
    assert (both.usage.prompt_tokens, both.usage.completion_tokens) == (0, 0)


def test_a_body_that_the_proxy_refuses(litellm: Pair) -> None:
    both = litellm.ask("/v1/chat/completions", {"model": "mock"})
    assert both.direct.status >= 400
    assert told(both.through) == told(both.direct)
