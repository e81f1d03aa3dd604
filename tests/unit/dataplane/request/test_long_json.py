"""A long body is read as a short one is, whatever stands where its windows end."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.long_json import WINDOW, JsonPeek, read_long
from tollkeeper_server.dataplane.request.peek import READ_AT_ONCE, Peek, peek_json
from tollkeeper_server.errors import Reason, TollkeeperError

_decode = msgspec.json.Decoder(JsonPeek).decode
_NAMES = st.sampled_from(["model", "stream", "stream_options", "store", "x", "", "mod\u00e9l", "messages"])
_VALUES = st.recursive(
    st.sampled_from([True, False, None, 1, -1.5e9, "a", 'a"\\\n', "\u00e9" * 9, "x" * 40, "[{,:"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)
_MEMBERS = st.lists(st.tuples(_NAMES, _VALUES), max_size=8)


def _write(members: list[tuple[str, object]], *, ascii_only: bool, indent: int | None) -> bytes:
    written = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=ascii_only, indent=indent)}"
        for name, value in members
    )
    return ("{" + ",".join(written) + "}").encode()


_WRITTEN = st.builds(_write, _MEMBERS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
WHOLE = 1000  # no body here has a longer member


def _outcome(read: object, *arguments: object) -> object:
    try:
        return read(*arguments)  # type: ignore[operator]  # it is called with what it takes
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return "wrong" if isinstance(error, msgspec.ValidationError) else "invalid"


def _known(outcome: object) -> object:
    return "refused" if isinstance(outcome, str) else outcome


@settings(max_examples=300)
@given(_WRITTEN, st.sampled_from([32, 64, WHOLE]))
@example(b'{"a":"x","model":"' + b"m" * 40 + b'"}', 32)
def test_valid_bodies_are_read(body: bytes, window: int) -> None:
    found, expected = _outcome(read_long, body, window), _outcome(_decode, body)
    if window == WHOLE or expected == "invalid":
        assert _known(found) == _known(expected)
    if window == WHOLE or isinstance(expected, str):
        return
    assert isinstance(found, JsonPeek)
    assert isinstance(expected, JsonPeek)
    if isinstance(expected.model, str) and found.model != expected.model:
        assert found.model == ""  # no model has a name that is longer than a window
        assert len(expected.model) > window // 6 - 2
    assert found.stream == expected.stream


@settings(max_examples=500)
@given(_WRITTEN, st.data())
def test_what_is_broken_is_refused_as_a_decoder_does(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    kind = data.draw(st.sampled_from(["cut", "leave out", "other", "twice"]))
    sign = data.draw(
        st.sampled_from([b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\x00", b"1", b"\xff"])
    )
    broken = {
        "cut": body[:at],
        "leave out": body[:at] + body[at + 1 :],
        "other": body[:at] + sign + body[at + 1 :],
        "twice": body[:at] + body,
    }[kind]
    expected, found = _outcome(_decode, broken), _outcome(read_long, broken, 50)
    assert isinstance(found, str) is isinstance(expected, str), (broken, expected, found)


LONG = b'{"x":%b,"model":"m","stream":true,"stream_options":{"include_usage":true},"store":true}'


@pytest.mark.parametrize(
    "filler",
    [
        b'"' + b"x" * (2 * READ_AT_ONCE) + b'"',
        b'"' + b'\\"' * READ_AT_ONCE + b'"',
        b'"' + b"\\ud83d\\ude00" * (READ_AT_ONCE // 10) + b'"',
        b"[" + b"1," * READ_AT_ONCE + b"1]",
        b"[" + b"[]," * (READ_AT_ONCE // 2) + b"1]",
        b"[" + b'{"a":[1,{"b":"c"}]},' * (READ_AT_ONCE // 15) + b"1]",
        b'1,"x":1' * (READ_AT_ONCE // 6),
        b"[" * 500 + b"1," * READ_AT_ONCE + b"1" + b"]" * 500,
    ],
)
def test_long_bodies_are_read(filler: bytes) -> None:
    body = LONG.replace(b"%b", filler)
    assert len(body) > READ_AT_ONCE
    expected = Peek("m", streamed=True, wants_usage=True, is_json=True, store=True)
    assert peek_json(body) == expected
    for broken in (
        body[:-1],
        body + b"}",
        body.replace(b"]", b"}", 1) if b"]" in filler else body.replace(b":", b";", 1),
    ):
        with pytest.raises(TollkeeperError) as caught:
            peek_json(broken)
        assert caught.value.reason is Reason.INVALID_JSON


def test_very_long_numbers_are_refused() -> None:
    with pytest.raises(TollkeeperError) as caught:
        peek_json(b'{"model":"m","x":' + b"1" * (2 * READ_AT_ONCE) + b"}")
    assert caught.value.reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("item", [b'"",', b'"a",', b'"12345",', b'{"abcd":1},', b'"1234567890123",'])
def test_items_of_one_length_are_read_wherever_windows_end(item: bytes) -> None:
    items = b"[" + item * (9 * WINDOW // len(item)) + b"1]"
    for length in range(len(item)):
        body = b'{"%b":%b,"model":"m"}' % (b"x" * length, items)
        assert read_long(body).model == "m"
