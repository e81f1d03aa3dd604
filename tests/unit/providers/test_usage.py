"""How providers say usage, and what that is in our counts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.usage import (
    Carrier,
    is_usage_chunk,
    read_carrier,
    read_event,
    read_usage,
    says_usage,
    to_tokens,
)

MOST = 1 << 53


def _carrier(document: object) -> Carrier:
    carrier = read_carrier(json.dumps(document).encode())
    assert carrier is not None
    return carrier


def _read(usage: object) -> dict[str, int] | None:
    return read_usage(_carrier({"usage": usage}))


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, {"prompt": 1, "completion": 2}),
        ({"input_tokens": 1, "output_tokens": 2}, {"prompt": 1, "completion": 2}),
        ({"prompt_tokens_details": {"cached_tokens": 3}}, {"cached": 3}),
        ({"input_tokens_details": {"cached_tokens": 3}}, {"cached": 3}),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, {"reasoning": 4}),
        ({"output_tokens_details": {"reasoning_tokens": 4}}, {"reasoning": 4}),
        ({"seconds": 9.5}, {"audio_milliseconds": 9500}),
        ({"seconds": 9}, {"audio_milliseconds": 9000}),
        ({"cache_read_input_tokens": 5}, {"cache_read": 5}),
        ({"cache_creation_input_tokens": 6}, {"cache_written": 6}),
        ({"prompt_tokens": 1, "input_tokens": 2}, {"prompt": 1}),
        ({"prompt_tokens": None, "input_tokens": 2}, {"prompt": 2}),
        ({"prompt_tokens": 0, "input_tokens": 2}, {"prompt": 0}),
        ({"unknown": [], "service_tier": "standard"}, {}),
        ({}, {}),
    ],
)
def test_each_member_is_a_count(usage: object, counts: dict[str, int]) -> None:
    assert _read(usage) == counts


@pytest.mark.parametrize(
    "usage",
    [
        None,
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


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'"x"', b'{"usage":"x"}', b'{"usage":{"\xff":1}}', b'{"message":"\xff"}', b"[" * 100_000],
)
def test_what_is_no_object_with_a_usage_object_carries_nothing(body: bytes) -> None:
    assert read_carrier(body) is None


@pytest.mark.parametrize(
    ("counts", "tokens"),
    [
        ({"prompt": 10, "cached": 4, "completion": 3, "reasoning": 2}, (10, 3, 4, 2)),
        # Anthropic's input excludes what went through its cache.
        ({"prompt": 25, "cache_read": 200, "cache_written": 100}, (325, 0, 200, 0)),
        ({"prompt": 25, "cache_written": 100}, (125, 0, 0, 0)),
        ({}, (0, 0, 0, 0)),
    ],
)
def test_the_prompt_includes_what_was_cached(
    counts: dict[str, int], tokens: tuple[int, int, int, int]
) -> None:
    found = to_tokens(counts, 3)
    assert (found.prompt, found.completion, found.cached, found.reasoning) == tokens
    assert (found.images, found.confidence) == (3, Confidence.EXACT)


def test_an_event_says_usage_at_the_top_or_below_what_it_is_about() -> None:
    usage = {"input_tokens": 1}
    for event in ({"usage": usage}, {"response": {"usage": usage}}, {"message": {"usage": usage}}):
        assert read_event(_carrier(event)) == {"prompt": 1}
    both = {"usage": {"output_tokens": 2}, "message": {"usage": usage}}
    assert read_event(_carrier(both)) == {"prompt": 1, "completion": 2}
    assert read_event(_carrier({"message": "ok", "response": "text", "usage": None})) is None


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
    assert is_usage_chunk(_carrier(chunk)) is expected


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
    tokens = to_tokens(counts, 0)
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
def test_any_bytes_are_a_carrier_or_none(body: bytes) -> None:
    carrier = read_carrier(body)
    counts = read_event(carrier) if carrier is not None else None
    assert counts is None or isinstance(to_tokens(counts, 0), TokenCounts)
