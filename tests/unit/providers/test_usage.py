"""How providers say usage, and what that is in our counts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tollkeeper_server.dataplane.reply.meter import BodyMeter, StreamMeter
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.dialects.anthropic import MESSAGES
from tollkeeper_server.providers.token_counts import to_tokens
from tollkeeper_server.providers.usage import (
    MAX_COUNT,
    Carrier,
    is_usage_chunk,
    merge,
    read_carrier,
    read_event,
    read_usage,
    says_usage,
)

from tests.unit.providers.shapes import SHAPES, Shape

WHOLE = [name for name, shape in SHAPES.items() if shape.answer is not None]
STREAMED = [name for name, shape in SHAPES.items() if shape.events]


def _carrier(document: object) -> Carrier:
    return read_carrier(json.dumps(document).encode())


def _read(usage: object) -> dict[str, int] | None:
    return read_usage(_carrier({"usage": usage}).usage)


def _tokens(counts: dict[str, int], *, completes: bool = True) -> TokenCounts:
    return to_tokens(counts, 3, completes=completes, estimate=TokenCounts)


def _expected(shape: Shape) -> TokenCounts:
    return TokenCounts(
        prompt=shape.prompt,
        completion=shape.completion,
        cached=shape.cached,
        reasoning=shape.reasoning,
        audio_milliseconds=shape.audio,
        confidence=Confidence.EXACT if shape.exact else Confidence.ESTIMATED,
        details=shape.details,
    )


def _whole(shape: Shape, body: bytes) -> TokenCounts:
    meter = BodyMeter(shape.dialect, b"identity")
    meter.feed(body)
    return meter.tokens(b"{}")


@pytest.mark.parametrize("name", WHOLE)
def test_each_provider_is_understood(name: str) -> None:
    assert _whole(SHAPES[name], SHAPES[name].body) == _expected(SHAPES[name])


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", STREAMED)
def test_each_providers_stream_is_understood(name: str, together: bool) -> None:
    shape = SHAPES[name]
    meter = StreamMeter(shape.dialect)
    for piece in [b"".join(shape.pieces)] if together else shape.pieces:
        meter.feed(piece)

    if name != "Cohere's chat, streamed":  # it has an end of its own
        assert meter.ended
        assert meter.tokens(b"{}") == _expected(shape)
    else:
        assert meter.tokens(b"{}").completion == shape.completion


ODD = ["NaN", "-Infinity", "null", '"12"', "[]", "[1]", "{}", "true", "-5", "1e400", '"\\ud800"', "\udcff"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", WHOLE)
def test_one_odd_member_anywhere_hides_no_other(name: str, odd: str) -> None:
    shape = SHAPES[name]
    strange = odd.encode("utf-8", "surrogateescape")
    usage, where = ("meta", b'"meta": {') if b'"usage"' not in shape.body else ("usage", b'"usage": {')

    inside = shape.body.replace(where, where + b'"strange": ' + strange + b", ")
    assert _whole(shape, inside) == _expected(shape), usage
    beside = b'{"strange": {"deep": [' + strange + b', {"usage": {}}]}, ' + shape.body[1:]
    assert _whole(shape, beside) == _expected(shape)
    assert _whole(shape, b"\xef\xbb\xbf \n" + beside + b"\n") == _expected(shape)


@given(st.data())
def test_an_odd_count_changes_its_own_count_alone(data: st.DataObject) -> None:
    numbers = st.integers(1, 1000)
    usage = data.draw(
        st.fixed_dictionaries(
            {
                "prompt_tokens": numbers,
                "completion_tokens": numbers,
                "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": numbers}),
                "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": numbers}),
            }
        )
    )
    expected = _read(usage)
    assert expected is not None
    path, count = data.draw(
        st.sampled_from(
            [
                (["prompt_tokens"], "prompt"),
                (["completion_tokens"], "completion"),
                (["prompt_tokens_details"], "cached"),
                (["prompt_tokens_details", "cached_tokens"], "cached"),
                (["completion_tokens_details", "reasoning_tokens"], "reasoning"),
            ]
        )
    )
    place: dict[str, Any] = usage
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "ODD"
    odd = data.draw(st.sampled_from(ODD)).encode("utf-8", "surrogateescape")
    document = json.dumps({"usage": usage}).encode().replace(b'"ODD"', odd)

    assert read_usage(read_carrier(document).usage) == {
        name: number for name, number in expected.items() if name != count
    }


@given(st.lists(st.dictionaries(st.sampled_from(["prompt", "completion"]), st.integers(0, 9)), min_size=1))
def test_counts_of_a_stream_never_shrink(events: list[dict[str, int]]) -> None:
    merged: dict[str, int] = {}
    for event in events:
        merged = merge(merged, event)
    for name in merged:
        assert merged[name] == max(event.get(name, 0) for event in events)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, {"prompt": 1, "completion": 2}),
        ({"input_tokens": 1, "output_tokens": 2}, {"input": 1, "completion": 2}),
        ({"prompt_tokens_details": {"cached_tokens": 3}}, {"cached": 3}),
        ({"input_tokens_details": {"cached_tokens": 3}}, {"cached": 3}),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, {"reasoning": 4}),
        ({"output_tokens_details": {"reasoning_tokens": 4}}, {"reasoning": 4}),
        ({"seconds": 9.5}, {"audio": 9500}),
        ({"seconds": 9}, {"audio": 9000}),
        ({"cache_read_input_tokens": 5}, {"read": 5}),
        ({"cache_creation_input_tokens": 6}, {"written": 6}),
        (
            {"cache_creation_input_tokens": 6, "cache_creation": {"ephemeral_5m_input_tokens": 9}},
            {"written": 6},
        ),
        ({"prompt_tokens": 1, "input_tokens": 2}, {"prompt": 1, "input": 2}),
        ({"prompt_tokens": None, "input_tokens": 2}, {"input": 2}),
        ({"prompt_tokens": "1", "completion_tokens": 2}, {"completion": 2}),
        ({"cached_tokens": 0, "prompt_cache_hit_tokens": 2}, {"cached": 2}),
        ({"prompt_tokens": 12.0, "completion_tokens": 1e300}, {"prompt": 12}),
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
        {"prompt_tokens": -1},
        {"unknown": [], "service_tier": "standard"},
        {},
        [{"prompt_tokens": 1}],
    ],
)
def test_an_object_without_a_count_says_nothing(usage: object) -> None:
    assert _read(usage) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'"x"', b'{"usage":"x"}', b'{"usage":{"\xff":1}}', b'{"message":"\xff"}', b"[" * 100_000],
)
def test_what_is_no_object_with_a_usage_object_carries_nothing(body: bytes) -> None:
    assert read_event(read_carrier(body)) is None


@pytest.mark.parametrize(
    ("counts", "tokens"),
    [
        ({"prompt": 10, "cached": 4, "completion": 3, "reasoning": 2}, (10, 3, 4, 2)),
        ({"prompt": 0, "input": 2, "completion": 3}, (2, 3, 0, 0)),
        # Anthropic's input excludes what went through its cache.
        ({"input": 25, "read": 200, "written": 100, "completion": 0}, (325, 0, 200, 0)),
        ({"input": 25, "written": 100, "completion": 0}, (125, 0, 0, 0)),
        # The responses' input includes it, whoever says it a second time.
        ({"input": 25, "cached": 20, "read": 20, "completion": 1}, (25, 1, 20, 0)),
        # A total says what one of the two left out.
        ({"prompt": 10, "total": 13}, (10, 3, 0, 0)),
        ({"completion": 3, "total": 13}, (10, 3, 0, 0)),
        # A part is not larger than the whole.
        ({"prompt": 10, "completion": 3, "total": 13, "cached": 90, "reasoning": 90}, (10, 3, 10, 3)),
        ({"prompt": 10, "completion": 3, "reasoning": 5}, (10, 8, 0, 5)),
        ({"prompt": 5, "completion": 3, "read": 20, "total": 8}, (25, 3, 20, 0)),
        ({"prompt": 5, "completion": 3, "read": 20}, (25, 3, 20, 0)),
        # LiteLLM's proxy has counted what was read within the prompt, and what was written beside it.
        ({"prompt": 120, "completion": 4, "read": 119, "written": 21, "total": 124}, (141, 4, 119, 0)),
        # A total that is larger than the completion alone says the prompt that a zero does not.
        ({"prompt": 0, "completion": 3, "total": 13}, (10, 3, 0, 0)),
        ({"prompt": 0, "completion": 3, "total": 13, "reasoning": 2}, (10, 3, 0, 2)),
    ],
)
def test_the_prompt_includes_what_was_cached_and_completion_the_reasoning(
    counts: dict[str, int], tokens: tuple[int, int, int, int]
) -> None:
    found = _tokens(counts)
    assert (found.prompt, found.completion, found.cached, found.reasoning) == tokens
    assert (found.images, found.confidence) == (3, Confidence.EXACT)


@pytest.mark.parametrize(
    ("counts", "completes", "exact"),
    [
        ({"prompt": 1, "completion": 2}, True, True),
        ({"prompt": 1}, True, False),
        ({"completion": 1}, True, False),
        ({"total": 1}, True, False),
        ({"cached": 1}, True, False),
        ({"prompt": 1}, False, True),
        ({"total": 1}, False, True),
        ({"completion": 1}, False, False),
        ({"audio": 1}, True, True),
    ],
)
def test_exact_is_what_was_said_or_follows(counts: dict[str, int], completes: bool, exact: bool) -> None:
    found = _tokens(counts, completes=completes)
    assert (found.confidence is Confidence.EXACT) is exact


def test_a_total_alone_bounds_what_is_estimated() -> None:
    guess = TokenCounts(prompt=4, completion=9, confidence=Confidence.ESTIMATED)

    found = to_tokens({"total": 10}, 0, completes=True, estimate=lambda: guess)

    assert (found.prompt, found.completion, found.confidence) == (4, 6, Confidence.ESTIMATED)


@pytest.mark.parametrize(
    ("counts", "tokens", "exact"),
    [
        ({"prompt": 5, "completion": 0, "total": 5}, (5, 9), False),
        ({"prompt": 0, "completion": 7, "total": 7}, (4, 7), False),
        ({"prompt": 5, "completion": 0, "total": 0}, (5, 9), False),
        ({"prompt": 5, "begun": 1}, (5, 9), False),
        ({"prompt": 5, "begun": 12}, (5, 12), False),
        ({"prompt": 5, "begun": 12, "completion": 8}, (5, 8), True),
    ],
)
def test_a_zero_beside_text_is_no_count(counts: dict[str, int], tokens: tuple[int, int], exact: bool) -> None:
    guess = TokenCounts(prompt=4, completion=9, confidence=Confidence.ESTIMATED)

    found = to_tokens(counts, 0, completes=True, estimate=lambda: guess)

    assert (found.prompt, found.completion) == tokens
    assert (found.confidence is Confidence.EXACT) is exact


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {}}, {"usage": {"output_tokens": 0}}])
def test_what_a_message_has_as_it_begins_is_not_its_completion(usage: dict[str, Any]) -> None:
    events = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word " * 100}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **usage},
        {"type": "message_stop"},
    ]
    meter = StreamMeter(MESSAGES)
    for event in events:
        meter.feed(b"data: " + json.dumps(event).encode() + b"\n\n")

    tokens = meter.tokens(b"{}")

    assert (tokens.prompt, tokens.completion, tokens.confidence) == (25, 125, Confidence.ESTIMATED)


def test_an_event_says_usage_at_the_top_or_below_what_it_is_about() -> None:
    usage = {"input_tokens": 1}
    for event in ({"usage": usage}, {"response": {"usage": usage}}, {"message": {"usage": usage}}):
        assert read_event(_carrier(event)) == {"input": 1}
    both = {"usage": {"output_tokens": 2}, "message": {"usage": usage}}
    assert read_event(_carrier(both)) == {"input": 1, "completion": 2}
    assert read_event(_carrier({"message": "ok", "response": "text", "usage": None})) is None


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        ({"choices": [], "usage": {"prompt_tokens": 1}}, True),
        ({"choices": [], "usage": None}, False),
        ({"choices": [], "usage": {"prompt_tokens": "garbage"}}, True),
        ({"choices": [{"index": 1}], "usage": {"prompt_tokens": 1}}, True),
        ({"choices": [{"index": 0, "delta": {}}, {"index": 1, "text": "x"}], "usage": {"a": 1}}, False),
        ({"choices": [{"index": 0, "text": ""}], "usage": {"prompt_tokens": 1}}, False),
        ({"choices": "text", "usage": {"prompt_tokens": 1}}, False),
        ({"usage": {"prompt_tokens": 1}}, True),
    ],
)
def test_a_usage_chunk_has_no_choice_that_says_anything(chunk: object, expected: bool) -> None:
    assert is_usage_chunk(_carrier(chunk), after_end=lambda: False) is expected


@pytest.mark.parametrize(
    ("choice", "silent"),
    [
        ({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}, True),
        ({"index": 0, "delta": {"content": ""}, "native_finish_reason": None, "logprobs": None}, True),
        ({"index": 0, "text": "", "finish_reason": None}, True),
        ({"index": 0, "delta": {"role": "assistant", "content": "x"}}, False),
        ({"index": 0, "text": "x"}, False),
        ({"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}, False),
        ({"index": 0, "delta": {"content": "", "annotations": [1]}}, False),
    ],
)
def test_a_beginning_after_the_end_says_nothing(choice: object, silent: bool) -> None:
    carrier = _carrier({"choices": [choice], "usage": {"prompt_tokens": 1}})

    assert is_usage_chunk(carrier, after_end=lambda: True) is silent
    assert not is_usage_chunk(carrier, after_end=lambda: False)


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
    tokens = _tokens(_read(usage) or {})
    for count in (
        tokens.prompt,
        tokens.completion,
        tokens.cached,
        tokens.reasoning,
        tokens.audio_milliseconds,
    ):
        assert type(count) is int
        assert 0 <= count <= MAX_COUNT


@given(st.binary(max_size=80))
def test_any_bytes_are_a_carrier_or_none(body: bytes) -> None:
    counts = read_event(read_carrier(body))
    assert counts is None or isinstance(_tokens(counts), TokenCounts)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_beside_a_usage_object_are_survived(before: bytes, after: bytes) -> None:
    document = b'{"a":"' + before + b'","usage":{"prompt_tokens":1},"b":' + after + b"}"

    assert isinstance(read_event(read_carrier(document)), dict | None)


def test_a_large_document_that_no_decoder_takes_is_read_in_linear_time() -> None:
    for part in (b"[]", b'"\\"', b'{"a":1}', b'"', b"\\", b"[", b'{"usage":'):
        document = b'{"x":[NaN,' + part * 200_000 + b'],"usage":{"prompt_tokens":1}}'
        counts = read_event(read_carrier(document))
        assert counts is None or counts == {"prompt": 1}


def test_a_usage_object_without_end_is_none() -> None:
    assert read_event(read_carrier(b'{"usage":{"prompt_tokens":11,"completion_tokens":7')) is None
    assert read_usage(Raw(b'{"a":NaN,"prompt_tokens":11,"completion_tokens":7')) == {"prompt": 11}
