"""Counting tokens where the provider did not."""

import json
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.usage import estimated_tokens
from tollkeeper_server.providers import estimate
from tollkeeper_server.providers.estimate import (
    chat_text_bytes,
    completion_text_bytes,
    delta_bytes,
    prompt_tokens,
    text_bytes,
)


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_bytes_are_a_token(size: int, tokens: int) -> None:
    assert estimated_tokens(size) == tokens


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b'{"prompt":"12345678"}', 2),
        (b'{"prompt":["1234","5678"]}', 2),
        (b'{"system":"1234","messages":[{"role":"user","content":"1234"}]}', 2),
        (b'{"instructions":"1234","input":[{"type":"input_text","text":"1234"}]}', 2),
        (b'{"messages":[{"content":[{"type":"text","text":"1234"},{"image_url":{"url":"data:AAAA"}}]}]}', 1),
        (b'{"messages":[{"content":[{"type":"image","source":{"data":"AAAAAAAA"}}]}]}', 0),
        ('{"prompt":"éé"}'.encode(), 1),
        (b'{"temperature":1,"tools":"12345678"}', 0),
        (b'{"prompt":[1,2,3]}', 0),
        (b"[]", 0),
        (b"{}", 0),
        (b'"x"', 0),
        (b"", 0),
        (b"not json", 2),
        (b'{"prompt":' + b"[" * 60 + b'"1234"' + b"]" * 60 + b"}", 1),
        (b'{"prompt":' + b"[" * 100 + b"1" + b"]" * 100 + b"}", 0),
    ],
)
def test_the_prompt_is_what_people_wrote(body: bytes, tokens: int) -> None:
    assert prompt_tokens(body) == tokens


def test_nesting_without_end_is_counted_by_its_size() -> None:
    assert prompt_tokens(b"[" * 100_000) == 25_000


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (b'{"content":"1234"}', 4),
        (b'{"content" : "12\\"34"}', 6),
        (b'{"content":null,"arguments":"{\\"a\\":1}"}', 9),
        (b'{"delta":{"type":"text_delta","text":"1234"}}', 4),
        (b'{"type":"text","id":"1234"}', 0),
        (b'{"content":"unfinished', 0),
    ],
)
def test_text_is_what_the_model_wrote(answer: bytes, size: int) -> None:
    assert text_bytes(answer) == size


def test_of_a_responses_stream_only_deltas_are_new() -> None:
    assert delta_bytes(b'data: {"delta":"1234"}\n\ndata: {"text":"1234"}\n\n') == 4


@given(st.binary())
def test_anything_can_be_estimated(body: bytes) -> None:
    assert prompt_tokens(body) >= 0
    assert text_bytes(body) <= len(body)


_FUNCTIONS = st.fixed_dictionaries({"arguments": st.text(max_size=8)})
_CALLS = st.lists(st.fixed_dictionaries({"index": st.just(0), "function": _FUNCTIONS}), max_size=2)
_DELTAS: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.fixed_dictionaries({"content": st.text(max_size=8)}),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": st.text(max_size=8)}),
    st.fixed_dictionaries({"reasoning_content": st.text(max_size=8), "content": st.none()}),
    st.fixed_dictionaries({"tool_calls": _CALLS}),
    st.just({}),
)


@given(st.lists(st.lists(_DELTAS, max_size=2), max_size=4), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_of_a_chats_chunks_all_text_is_counted(
    chunks: list[list[dict[str, object]]], separators: tuple[str, str]
) -> None:
    piece = b"".join(
        b"data: %b\n\n"
        % json.dumps(
            {"id": "x", "choices": [{"index": i, "delta": d} for i, d in enumerate(deltas)]},
            separators=separators,
        ).encode()
        for deltas in chunks
    )
    assert chat_text_bytes(piece) == text_bytes(piece)


_REASONS = st.sampled_from(['"stop"', "null", '""', None])


@given(
    st.lists(st.tuples(st.text(max_size=6), _REASONS, st.booleans()), max_size=6),
    st.sampled_from([(chat_text_bytes, "delta", '{{"content":{}}}'), (completion_text_bytes, "text", "{}")]),
)
def test_chunks_that_are_sure_not_to_end_have_no_reason(
    choices: list[tuple[str, str | None, bool]], kind: tuple[Callable[[bytes], int], str, str]
) -> None:
    count, member, form = kind
    piece = b""
    for text, reason, first in choices:
        parts = [f'"{member}":' + form.format(json.dumps(text))]
        if reason is not None:
            parts.insert(0 if first else 1, f'"finish_reason":{reason}')
        piece += b'data: {"choices":[{' + ",".join(parts).encode() + b"}]}\n\n"

    size = count(piece)

    assert (~size if size < 0 else size) == text_bytes(piece)
    if size < 0:
        assert all(reason == "null" for _, reason, _ in choices)


_TEXTS = st.text(max_size=12)


@given(_TEXTS, _TEXTS, st.booleans())
def test_the_size_of_a_prompt_is_that_of_its_text(one: str, two: str, plainly: bool) -> None:
    request = {
        "model": two,
        "messages": [{"role": one, "content": one}, {"content": [{"type": "text", "text": two}]}],
        "instructions": two,
    }
    body = json.dumps(request, ensure_ascii=plainly).encode("utf-8", "surrogatepass")

    assert prompt_tokens(body) == estimated_tokens(len((one + two + two).encode()))


@given(
    st.binary(max_size=12).filter(lambda it: b'"' not in it and b"\\" not in it and min(it, default=32) > 31)
)
def test_bytes_that_are_no_text_count_as_any_others(strange: bytes) -> None:
    plain = b'{"messages":[{"role":"user","content":"' + b"a" * 400 + b'"}]}'
    for place in (b'"role":"', b'"content":"', b'{"messages"'):
        odd = plain.replace(
            place, place + strange if place != b'{"messages"' else b'{"' + strange + b'x":1,"messages"'
        )
        assert 100 <= prompt_tokens(odd) <= 100 + estimated_tokens(len(strange))


@pytest.mark.parametrize("part", [b"[],", b"{},", b" " * 60, b'"",', b'{"a":"b"},', b'"\\u00e9\\n",', b"1,"])
def test_a_large_prompt_is_counted_in_linear_time_and_constant_memory(part: bytes) -> None:
    body = b'{"messages":[' + part * 300_000 + b'"1234"]}'
    tracemalloc.start()
    try:
        assert prompt_tokens(body) >= 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(body)


def test_a_prompt_of_very_many_parts_is_counted_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b'{"messages":[' + b'"abcdefgh",' * 20_000 + b"[]]}"
    exactly = prompt_tokens(body)
    escapes = json.dumps({"prompt": "é\n" * 20_000}).encode()
    assert prompt_tokens(escapes) == 15_000

    monkeypatch.setattr(estimate, "MAX_MARKS", 10_000)

    assert exactly == 40_000
    assert exactly <= prompt_tokens(body) <= exactly + 2
    assert 15_000 <= prompt_tokens(escapes) <= 2 * 15_000 + 2
