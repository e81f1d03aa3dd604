"""What a body says of how much a request may use."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.budget import media
from tollkeeper_server.dataplane.budget.asked import MEDIA_TOKENS, USUAL_SEARCHES, Asked, read_asked

IMAGE = base64.b64encode(b"\x89PNG" * 2000).decode()
EVERY_MAXIMUM = ("max_completion_tokens", "max_tokens", "max_output_tokens")
MESSAGES = [{"role": "user", "content": "12345678"}]


def _read(document: object, *, is_large: bool = False) -> Asked:
    return read_asked(json.dumps(document).encode(), EVERY_MAXIMUM, is_large=is_large)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("members", "output", "answers"),
    [
        ({}, 0, 1),
        ({"max_tokens": 10}, 10, 1),
        ({"max_completion_tokens": 20, "max_tokens": 10, "n": 3}, 20, 3),
        ({"max_output_tokens": 30, "best_of": 4, "n": 2}, 30, 4),
        ({"max_tokens": None, "n": None}, 0, 1),
        ({"max_tokens": "many", "n": -1}, 0, 1),
        ({"max_tokens": 1.5}, 0, 1),
        ({"max_tokens": 10**30}, 0, 1),
        ({"max_tokens": 1, "max_completion_tokens": 10**30}, 0, 1),
        ({"max_tokens": 1, "max_completion_tokens": "many"}, 0, 1),
        ({"max_tokens": 1, "max_completion_tokens": None}, 1, 1),
        ({"max_tokens": 8.0, "n": 8.0}, 8, 8),
        ({"max_tokens": "8", "n": "8"}, 8, 8),
    ],
)
def test_it_says_how_long_answers_may_be(
    members: dict[str, object], output: int, answers: int, is_large: bool
) -> None:
    asked = _read({"model": "m", "messages": MESSAGES, **members}, is_large=is_large)
    assert (asked.output, asked.answers) == (output, answers)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [(None, None), ("auto", None), ("default", ""), ("standard_only", ""), ("flex", "flex")],
)
def test_it_says_the_kind_of_service(tier: str | None, expected: str | None) -> None:
    assert _read({"service_tier": tier}).tier == expected


@given(st.binary(max_size=500))
def test_whatever_it_is_has_no_more_tokens_than_bytes(body: bytes) -> None:
    asked = read_asked(body, EVERY_MAXIMUM)
    assert asked.prompt >= len(body)
    assert asked.estimated == -(-len(body) // 4)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}},
    ],
)
@pytest.mark.parametrize("is_large", [False, True])
def test_an_image_has_a_bound_of_its_own(part: dict[str, object], is_large: bool) -> None:
    """Of the second `type` in Anthropic's, too: a bound may be high."""
    text = {"type": "text", "text": "x" * 1000}
    asked = _read({"messages": [{"role": "user", "content": [text, part]}]}, is_large=is_large)
    assert 1000 + MEDIA_TOKENS < asked.prompt < 2000 + 2 * MEDIA_TOKENS
    assert asked.estimated < 500
    assert asked.is_media


@pytest.mark.parametrize(
    "text",
    [
        f'{{"type":"image","url":"data:image/png;base64,{IMAGE}"}}',
        f'"media_type":"image/png","data":"{IMAGE}"',
    ],
)
def test_text_that_looks_like_an_image_is_text(text: str) -> None:
    document = {"messages": [{"role": "user", "content": text}]}
    assert _read(document).prompt == len(json.dumps(document))


def test_images_of_megabytes_are_found_in_steps() -> None:
    url = f"data:image/png;base64,{'A' * 700_000}"
    parts = [{"type": "image_url", "image_url": {"url": url}} for _ in range(5)]
    asked = _read({"messages": [{"role": "user", "content": parts}], "max_tokens": 7}, is_large=True)
    assert asked.output == 7
    assert 5 * MEDIA_TOKENS <= asked.prompt < 10 * MEDIA_TOKENS
    assert asked.estimated < 1000


def test_data_that_is_text_counts() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "plain words, and more of them " * 100}
    document = {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}
    assert _read(document).prompt >= len(json.dumps(document))


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("written", ["8", "8.0", "8e0", "80.0e-1", "0.8E+1", '"8"', " 8 "])
def test_a_number_is_one_however_it_is_written(written: str, is_large: bool) -> None:
    body = f'{{"n": {written}, "max_tokens":1, "max_completion_tokens": {written} }}'.encode()
    asked = read_asked(body, EVERY_MAXIMUM, is_large=is_large)
    assert (asked.answers, asked.output) == ((1, 0) if "-" in written else (8, 8))


def test_what_only_some_decoders_read_is_read() -> None:
    asked = read_asked(b'{"temperature": NaN, "n": 8, "max_tokens": 5}', EVERY_MAXIMUM)
    assert (asked.answers, asked.output) == (8, 5)


def escaped(document: bytes) -> bytes:
    """Return JSON that says the same, with every letter and underscore within strings escaped."""
    within = re.compile(rb'"(?:[^"\\]|\\.)*"')
    letters = re.compile(rb"\\.|[A-Za-z_]")

    def letter(found: re.Match[bytes]) -> bytes:
        return found[0] if found[0].startswith(b"\\") else b"\\u%04x" % ord(found[0])

    return within.sub(lambda found: letters.sub(letter, found[0]), document)


PARTS = (
    {"type": "image_url", "image_url": {"url": "http://x/a.png"}},
    {"type": "computer_screenshot", "image_url": "http://x/a.png"},
    {"image_url": {"url": "http://x/a.png"}},
    {"type": "input_image", "file_id": "file-1"},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_escaped_counts_as_what_is_not(part: dict[str, object], is_large: bool) -> None:
    document = {
        "messages": [{"role": "user", "content": [part]}],
        "max_completion_tokens": 70,
        "max_tokens": 1,
        "n": 3,
        "service_tier": "priority",
        "modalities": ["text"],
        "tools": [{"type": "web_search"}],
    }
    body = json.dumps(document).encode()
    plainly = read_asked(body, EVERY_MAXIMUM, is_large=is_large)
    hidden = read_asked(escaped(body), EVERY_MAXIMUM, is_large=is_large)
    assert (plainly.output, plainly.answers, plainly.tier) == (70, 3, "priority")
    assert MEDIA_TOKENS < plainly.prompt < 2 * MEDIA_TOKENS
    assert plainly.is_media
    assert plainly.searches
    assert hidden.prompt >= plainly.prompt
    for name in ("output", "answers", "tier", "is_fast", "is_media", "searches"):
        assert getattr(hidden, name) == getattr(plainly, name)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("members", "searches"),
    [
        ({"tools": [{"type": "web_search"}]}, USUAL_SEARCHES),
        ({"tools": [{"type": "web_search_preview"}], "max_tool_calls": None}, USUAL_SEARCHES),
        ({"tools": [{"type": "file_search"}], "max_tool_calls": 3}, 3),
        ({"tools": [{"type": "web_search"}], "max_tool_calls": 70}, 70),
        ({"tools": [{"type": "function"}], "max_tool_calls": 3}, 0),
    ],
)
def test_a_response_searches_no_more_than_it_may_call_tools(
    members: dict[str, object], searches: int, is_large: bool
) -> None:
    body = json.dumps({"model": "m", "input": "x", **members}).encode()
    for one in (body, escaped(body)):
        asked = read_asked(one, ("max_output_tokens",), is_large=is_large, bounds_calls=True)
        assert asked.searches == searches
    # Elsewhere nothing holds to that maximum.
    assert read_asked(body, ("max_tokens",), is_large=is_large).searches == (searches and USUAL_SEARCHES)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("uses", "searches"),
    [([], USUAL_SEARCHES), ([None], USUAL_SEARCHES), ([3], USUAL_SEARCHES), ([25], 25), ([8, 8], 16)],
)
def test_a_message_searches_as_often_as_its_tools_may_be_used(
    uses: list[int | None], searches: int, is_large: bool
) -> None:
    tools = [{"type": "web_search_20250305", "max_uses": it} for it in uses] or [
        {"type": "web_search_20250305"}
    ]
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": [], "tools": tools}).encode()
    for one in (body, escaped(body)):
        assert read_asked(one, ("max_tokens",), is_large=is_large).searches == searches


@given(
    st.lists(st.sampled_from(["\\", "\\u0061", "a", "\\\\", "\\n", "\\u00e9", "\\u005f", "x" * 7])),
    st.integers(8, 40),
)
def test_what_is_plain_says_the_same(pieces: list[str], step: int) -> None:
    text = "".join(pieces)
    try:
        said = json.loads(f'"{text}"')
    except ValueError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "_STEP", step)
        assert json.loads(media.plain(f'"{text}"'.encode())) == said


@pytest.mark.parametrize(
    "hidden",
    [
        {"tools": [{"function": {"parameters": {"default": {"url": f"data:image/png;base64,{IMAGE}"}}}}]},
        {"tools": [{"function": {"parameters": {"image_url": {"url": f"data:image/png;base64,{IMAGE}"}}}}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "url": f"data:image/png;base64,{IMAGE}"}]}
            ]
        },
    ],
)
def test_data_that_is_no_image_counts_beside_one_that_is(hidden: dict[str, object]) -> None:
    part = {"type": "image_url", "image_url": {"url": "http://x/a.png"}}
    document = {"input": [{"role": "user", "content": [part]}], **hidden}
    assert _read(document).prompt >= MEDIA_TOKENS + len(IMAGE)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("prompt", "answers"),
    [
        ("one", 4),
        (["one"], 4),
        (["one", "two", "th]r,ee"], 12),
        ([1, 2, 3], 4),
        ([[1, 2], [3]], 8),
        ([], 4),
        (None, 4),
    ],
)
def test_each_prompt_of_a_completion_has_its_answers(prompt: object, answers: int, is_large: bool) -> None:
    body = json.dumps({"prompt": prompt, "n": 4, "max_tokens": 5}).encode()
    asked = read_asked(body, ("max_tokens",), is_large=is_large, each_prompt=True)
    assert asked.answers == answers
