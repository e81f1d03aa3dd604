"""What servers of OpenAI's API do that OpenAI does not: a caller gets what a direct call gets.

The simulator has learnt each of these from a real server; `make test-real` asks those servers themselves.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tollkeeper import Confidence

from tests.integration.compare import Both, Pair, gateway_before, told
from tests.integration.process import Simulator

WORDS = 5
PROMPT = "count every token"
CHAT = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "stream": True}
CHAT_TOKENS = 3 + 3
COMPLETION = {"model": "m", "prompt": PROMPT, "stream": True}
ZEROS = b',"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'
ASKED = {"stream_options": {"include_usage": True}}
KINDS = [("/v1/chat/completions", CHAT, CHAT_TOKENS), ("/v1/completions", COMPLETION, 3)]
PLAIN = {"model": "m", "messages": CHAT["messages"]}


@pytest.fixture(scope="module")
def pair(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The simulator, and a gateway in front of it."""
    with gateway_before(f"http://{simulator.address}", "sk-any", tmp_path_factory.mktemp("pair")) as both:
        yield both


def _simulate(*directives: str) -> tuple[str, str]:
    return "x-simulate", ",".join((f"events={WORDS}", *directives))


@pytest.mark.parametrize("asked", [{}, ASKED], ids=["plain", "usage asked"])
@pytest.mark.parametrize("place", ["alone", "beside", "merged"])
@pytest.mark.parametrize(("path", "body", "prompt"), KINDS)
def test_usage_wherever_a_stream_says_it(
    pair: Pair, path: str, body: dict[str, object], prompt: int, place: str, asked: dict[str, object]
) -> None:
    both = pair.ask(path, body | asked, _simulate(f"usage={place}"))
    assert (b"prompt_tokens" in both.direct.body) == bool(asked)
    assert told(both.through) == told(both.direct)
    assert both.usage.confidence is Confidence.EXACT
    assert (both.usage.prompt_tokens, both.usage.completion_tokens) == (prompt, WORDS)


@pytest.mark.parametrize("asked", [{}, ASKED], ids=["plain", "usage asked"])
@pytest.mark.parametrize(("path", "body"), [kind[:2] for kind in KINDS])
def test_a_stream_without_the_usage_that_it_was_asked_for(
    pair: Pair, path: str, body: dict[str, object], asked: dict[str, object]
) -> None:
    both = pair.ask(path, body | asked, _simulate("no-usage"))
    assert b"prompt_tokens" not in both.direct.body
    assert told(both.through) == told(both.direct)
    _is_estimated(both)


@pytest.mark.parametrize("asked", [{}, ASKED], ids=["plain", "usage asked"])
@pytest.mark.parametrize(("path", "body"), [kind[:2] for kind in KINDS])
def test_zeros_are_no_usage(pair: Pair, path: str, body: dict[str, object], asked: dict[str, object]) -> None:
    both = pair.ask(path, body | asked, _simulate("usage=zeros"))
    assert ZEROS in both.direct.body
    expected = told(both.direct)
    if not asked:  # what answers the gateway's own question is hidden, whatever it says
        expected = replace(expected, events=[one.replace(ZEROS, b"") for one in expected.events])
    assert told(both.through) == expected
    _is_estimated(both)


def _is_estimated(both: Both) -> None:
    assert both.usage.confidence is Confidence.ESTIMATED
    assert both.usage.prompt_tokens > 0
    assert both.usage.completion_tokens > 0


def test_empty_lines_after_the_end(pair: Pair) -> None:
    both = pair.ask("/v1/chat/completions", CHAT, _simulate("blank-lines=1"))
    assert both.direct.body.endswith(b"[DONE]\n\n\n")
    assert told(both.through) == told(both.direct)
    assert both.usage.confidence is Confidence.EXACT


@pytest.mark.parametrize("status", [200, 418, 429, 529])
def test_a_status_without_its_text(pair: Pair, status: int) -> None:
    both = pair.ask("/v1/chat/completions", PLAIN, _simulate("no-phrase", f"status={status}"))
    assert both.direct.status == status
    assert told(both.through) == told(both.direct)
    assert both.usage.status == status


def test_a_server_that_wants_uuids_gets_no_id_of_ours(pair: Pair) -> None:
    both = pair.ask("/v1/chat/completions", PLAIN, _simulate("uuid-ids"))
    assert (both.direct.status, both.through.status) == (200, 200)


def test_a_server_that_wants_uuids_gets_the_callers(pair: Pair) -> None:
    both = pair.ask("/v1/chat/completions", PLAIN, _simulate("uuid-ids"), ("x-request-id", str(uuid.uuid4())))
    assert (both.direct.status, both.through.status) == (200, 200)


def test_a_refusal_without_a_body_comes_back_as_it_is(pair: Pair) -> None:
    both = pair.ask("/v1/chat/completions", PLAIN, _simulate("uuid-ids"), ("x-request-id", "order-17"))
    assert (both.direct.status, both.direct.body) == (400, b"")
    assert told(both.through) == told(both.direct)
    assert (both.usage.status, both.usage.prompt_tokens, both.usage.completion_tokens) == (400, 0, 0)
