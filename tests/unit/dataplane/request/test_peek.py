"""What is read of a body, and how bodies that can't be read are refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.peek import (
    MAX_MODEL_LENGTH,
    Peek,
    is_json,
    media_type,
    peek_any,
    peek_json,
)
from tollkeeper_server.errors import Reason, TollkeeperError


def test_model_stream_and_the_wish_for_usage_are_found() -> None:
    body = b'{"x":[{"model":"no"}],"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}'

    assert Peek("gpt-4o", streamed=True, wants_usage=True, is_json=True) == peek_json(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", Peek(None, is_json=True)),
        (b'{"model":null}', Peek(None, is_json=True)),
        (b'{"model":{"id":"a","speed":"fast"}}', Peek(None, is_json=True)),
        (b'{"model":"a","model":"b"}', Peek("b", is_json=True)),
        (b'{"mod\\u0065l":"a"}', Peek("a", is_json=True)),
        (b'\n{"model" :\t"\\u00e9"}\r\n', Peek("\u00e9", is_json=True)),
        (b'{"model":"a","stream":null,"stream_options":null}', Peek("a", is_json=True)),
        (b'{"model":"a","stream":false}', Peek("a", is_json=True)),
        (b'{"model":"a","seed":1' + b"0" * 5000 + b"}", Peek("a", is_json=True)),
        (b'{"model":"a","x":' + b"[" * 500 + b"]" * 500 + b"}", Peek("a", is_json=True)),
    ],
)
def test_unusual_json_is_read(body: bytes, expected: Peek) -> None:
    assert expected == peek_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\x00",
        b"{}\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"model":"a\x00"}',
        b'{"temperature":NaN}',
        b'{"temperature":Infinity}',
        b"{'model':'a'}",
        b'{"model":"a",}',
        b'{"model":"\xff"}',
        b'{"model":"\\ud800"}',
        b'{"x":' + b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        peek_json(body)
    assert Reason.INVALID_JSON is caught.value.reason
    assert caught.value.outcome.http == 400


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"[" * 100_000,
        b'"canary"',
        b'{"model":1}',
        b'{"model":["canary"]}',
        b'{"stream":"canary"}',
        b'{"stream_options":["canary"]}',
        b'{"stream_options":{"include_usage":"canary"}}',
        b'{"model":""}',
        b'{"model":"a\\u0000"}',
        b'{"model":"a\\nb"}',
        b'{"model":"' + b"a" * (MAX_MODEL_LENGTH + 1) + b'"}',
    ],
)
def test_what_is_not_as_expected_is_told_so_without_its_value(body: bytes) -> None:
    with pytest.raises(TollkeeperError) as caught:
        peek_json(body)
    assert Reason.INVALID_ARGUMENT is caught.value.reason
    assert "canary" not in caught.value.message


@given(
    st.binary(max_size=80) | st.text('{}[]":,\\model stream_options1truenull', max_size=80).map(str.encode)
)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    reason, found = None, None
    try:
        found = peek_any(body, b"application/json")
    except TollkeeperError as error:
        reason = error.reason
    assert reason in {None, Reason.INVALID_JSON, Reason.INVALID_ARGUMENT}
    if found is not None and body:
        assert isinstance(json.loads(body.decode(errors="surrogateescape")), dict)
        assert found.model is None or found.model


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    model=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.isprintable),
    rest=st.dictionaries(st.text().filter(lambda n: n not in {"model", "stream", "stream_options"}), _values),
    ascii_only=st.booleans(),
)
def test_the_model_is_found_whatever_stands_beside_it(
    model: str, rest: dict[str, object], ascii_only: bool
) -> None:
    body = json.dumps({**rest, "model": model, "stream": True}, ensure_ascii=ascii_only)
    try:
        encoded = body.encode()
    except UnicodeEncodeError:
        return
    if "\\ud" in body:  # a lone surrogate is no JSON to exchange (RFC 8259, 8.2)
        return
    assert Peek(model, streamed=True, is_json=True) == peek_json(encoded)


def test_other_media_are_not_looked_at() -> None:
    assert Peek(None) == peek_any(b'{"model":"a"}', b"text/plain")
    assert Peek(None) == peek_any(b"", b"application/json")
    assert Peek(None) == peek_any(b"\x00\x01", b"")


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b" application/problem+json ;x=y", True),
        (b"text/json", True),
        (b"text/plain", False),
        (b"multipart/form-data; boundary=application/json", False),
        (b"", False),
    ],
)
def test_json_has_many_names(content_type: bytes, expected: bool) -> None:
    assert expected is is_json(media_type(content_type))
