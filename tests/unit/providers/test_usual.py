"""The usual usage object has the counts that the general reader finds, or is left to that."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.token_counts import to_tokens
from tollkeeper_server.providers.usage import read_carrier, read_event
from tollkeeper_server.providers.usual import read_usual

_counts = st.integers(0, 50) | st.sampled_from([2**53, 2**60, -1])
_odd: st.SearchStrategy[Any] = st.sampled_from([None, "7", 1.5, True, [], {}])
_details = st.dictionaries(
    st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens", "text_tokens"]), _counts | _odd
)
_usage = st.fixed_dictionaries(
    {"prompt_tokens": _counts, "completion_tokens": _counts},
    optional={
        "total_tokens": _counts,
        "prompt_tokens_details": _details | st.none(),
        "completion_tokens_details": _details | st.none(),
        "cache_read_input_tokens": _counts,
        "reasoning_tokens": _counts,
        "seconds": _counts,
    },
)


def _nothing() -> TokenCounts:
    raise AssertionError("nothing is to be estimated where prompt and completion are said")


def _read(body: bytes) -> TokenCounts:
    counts = read_event(read_carrier(body))
    assert counts is not None
    return to_tokens(counts, 0, completes=True, estimate=_nothing)


@given(_usage, st.booleans(), st.dictionaries(st.sampled_from(["meta", "message", "choices"]), st.just([])))
def test_the_usual_object_has_the_same_counts(
    usage: dict[str, Any], adds_up: bool, rest: dict[str, Any]
) -> None:
    if adds_up and isinstance(usage["prompt_tokens"], int):
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    body = json.dumps({**rest, "usage": usage}).encode()

    usual = read_usual(body)

    assert usual is None or usual == _read(body)


def test_openais_own_object_is_usual() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 2,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    assert read_usual(json.dumps({"choices": [], "usage": usage}).encode()) == TokenCounts(
        prompt=10, completion=7, cached=4, reasoning=2, confidence=Confidence.EXACT
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":3}}',
        b'{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"x_groq":{"usage":null}}',
        b'{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"input_tokens":5}}',
        b'{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}',
        b'{"usage":{"prompt_tokens":0,"completion_tokens":2,"total_tokens":2}}',
        b'{"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2}}',
        b'{"usage":null}',
        b"[]",
        b"",
    ],
)
def test_any_other_is_left_to_the_general_reader(body: bytes) -> None:
    assert read_usual(body) is None
