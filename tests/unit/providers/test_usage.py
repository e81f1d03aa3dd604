"""How providers say usage, and what that is in our counts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tollkeeper_server.domain.usage import Confidence, Tokens
from tollkeeper_server.providers.usage import (
    Carrier,
    Count,
    decode_carrier,
    is_usage_chunk,
    read_event,
    read_usage,
    says_usage,
    to_tokens,
)

MOST = 1 << 53


def _read(usage: object) -> dict[Count, int] | None:
    return read_usage(Raw(json.dumps(usage).encode()))


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, {Count.PROMPT: 1, Count.COMPLETION: 2}),
        ({"input_tokens": 1, "output_tokens": 2}, {Count.PROMPT: 1, Count.COMPLETION: 2}),
        ({"prompt_tokens_details": {"cached_tokens": 3}}, {Count.CACHED: 3}),
        ({"input_tokens_details": {"cached_tokens": 3}}, {Count.CACHED: 3}),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, {Count.REASONING: 4}),
        ({"output_tokens_details": {"reasoning_tokens": 4}}, {Count.REASONING: 4}),
        ({"seconds": 9.5}, {Count.AUDIO_MILLISECONDS: 9500}),
        ({"seconds": 9}, {Count.AUDIO_MILLISECONDS: 9000}),
        ({"cache_read_input_tokens": 5}, {Count.CACHE_READ: 5}),
        ({"cache_creation_input_tokens": 6}, {Count.CACHE_WRITTEN: 6}),
        ({"prompt_tokens": 1, "input_tokens": 2}, {Count.PROMPT: 1}),
        ({"prompt_tokens": None, "input_tokens": 2}, {Count.PROMPT: 2}),
        ({"prompt_tokens": 0, "input_tokens": 2}, {Count.PROMPT: 0}),
        ({"unknown": [], "service_tier": "standard"}, {}),
        ({}, {}),
    ],
)
def test_each_member_is_a_count(usage: object, counts: dict[Count, int]) -> None:
    assert _read(usage) == counts


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "text",
        [],
        5,
        {"prompt_tokens": "12"},
        {"prompt_tokens": True},
        {"prompt_tokens": {}},
        {"prompt_tokens_details": 5},
        {"prompt_tokens_details": {"cached_tokens": "x"}},
        {"prompt_tokens": 1, "completion_tokens": []},
    ],
)
def test_an_object_with_a_count_that_is_no_number_says_nothing(usage: object) -> None:
    assert _read(usage) is None


def test_members_that_count_nothing_are_not_looked_at() -> None:
    assert read_usage(Raw(b'{"prompt_tokens":1,"note":"\xff","cost":1e999}')) == {Count.PROMPT: 1}


@pytest.mark.parametrize(
    ("counts", "tokens"),
    [
        ({Count.PROMPT: 10, Count.CACHED: 4, Count.COMPLETION: 3, Count.REASONING: 2}, (10, 3, 4, 2)),
        # Anthropic's input excludes what went through its cache.
        ({Count.PROMPT: 25, Count.CACHE_READ: 200, Count.CACHE_WRITTEN: 100}, (325, 0, 200, 0)),
        ({Count.PROMPT: 25, Count.CACHE_WRITTEN: 100}, (125, 0, 0, 0)),
        ({}, (0, 0, 0, 0)),
    ],
)
def test_the_prompt_includes_what_was_cached(
    counts: dict[Count, int], tokens: tuple[int, int, int, int]
) -> None:
    found = to_tokens(counts)
    assert (found.prompt, found.completion, found.cached, found.reasoning) == tokens
    assert found.confidence is Confidence.EXACT


def test_an_event_says_usage_at_the_top_or_below_what_it_is_about() -> None:
    usage = {"input_tokens": 1}
    for event in ({"usage": usage}, {"response": {"usage": usage}}, {"message": {"usage": usage}}):
        assert read_event(decode_carrier(json.dumps(event))) == {Count.PROMPT: 1}
    both = {"usage": {"output_tokens": 2}, "message": {"usage": usage}}
    assert read_event(decode_carrier(json.dumps(both))) == {Count.PROMPT: 1, Count.COMPLETION: 2}
    assert read_event(decode_carrier(b'{"message":"ok","response":"text","usage":null}')) is None


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        ({"choices": [], "usage": {"prompt_tokens": 1}}, True),
        ({"choices": [], "usage": None}, False),
        ({"choices": [], "usage": {"prompt_tokens": "garbage"}}, False),
        ({"choices": [{}], "usage": {"prompt_tokens": 1}}, False),
        ({"usage": {"prompt_tokens": 1}}, False),
    ],
)
def test_a_usage_chunk_has_no_choice(chunk: object, expected: bool) -> None:
    assert is_usage_chunk(decode_carrier(json.dumps(chunk))) is expected


def test_usage_that_is_null_is_none() -> None:
    assert says_usage(b'data: {"usage": {"a":1}}')
    assert not says_usage(b'data: {"usage":null}')
    assert not says_usage(b'data: {"content":"\\"usage\\":{}"}')
    assert read_event(Carrier()) is None


_numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none()
_details = st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), _numbers) | st.none()
_usages = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": _numbers,
        "completion_tokens": _numbers,
        "input_tokens": _numbers,
        "output_tokens": _numbers,
        "prompt_tokens_details": _details,
        "output_tokens_details": _details,
        "cache_read_input_tokens": _numbers,
        "cache_creation_input_tokens": _numbers,
        "seconds": _numbers,
    },
)


@given(_usages)
def test_whatever_numbers_come_counts_are_whole_and_in_bounds(usage: dict[str, object]) -> None:
    counts = _read(usage)

    assert counts is not None
    tokens = to_tokens(counts)
    for count in (
        tokens.prompt,
        tokens.completion,
        tokens.cached,
        tokens.reasoning,
        tokens.audio_milliseconds,
    ):
        assert type(count) is int
        assert 0 <= count <= MOST


@given(st.binary(max_size=80))
def test_any_bytes_are_usage_or_none(body: bytes) -> None:
    counts = read_usage(Raw(body))
    assert counts is None or isinstance(to_tokens(counts), Tokens)
