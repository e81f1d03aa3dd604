"""The outline of an answer says what the answer says, in whatever pieces it comes."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply.meter import BodyMeter
from tollkeeper_server.dataplane.reply.outline import Outline
from tollkeeper_server.domain.usage import Confidence, TokenCounts
from tollkeeper_server.providers.dialects import openai
from tollkeeper_server.providers.estimate import text_bytes

MIB = 1 << 20
USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'
SAID = TokenCounts(prompt=3, completion=4, confidence=Confidence.EXACT)
LONG = b'"' + b"a" * (4 * MIB) + b'"'
MANY_SHORT = b"[" + b'{"a":"b"},' * 20_000 + b"{}]"
NUMBERS = b"[" + b"-0.0123456789, " * 500_000 + b"1]"

_VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20) | st.text('a"\\\n\u00e9', min_size=700, max_size=2500),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["content", "text", "a", "usage"]), inner, max_size=4)
    ),
    max_leaves=10,
)


def outlined(document: bytes, cuts: list[int]) -> Outline:
    """Return the outline of a document that comes in pieces."""
    outline = Outline()
    places = sorted({0, len(document), *(cut % (len(document) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        outline.feed(document[start:end])
    return outline


def shortened(value: object) -> object:
    """Return a value with no text that is long."""
    if isinstance(value, str):
        return value if len(json.dumps(value)) < 1000 else ""
    if isinstance(value, list):
        return [shortened(one) for one in value]
    return {name: shortened(one) for name, one in value.items()} if isinstance(value, dict) else value


@given(
    st.dictionaries(st.sampled_from(["content", "usage", "b"]), _VALUES),
    st.booleans(),
    st.lists(st.integers(0)),
)
def test_all_that_is_short_stays(value: dict[str, object], ascii_only: bool, cuts: list[int]) -> None:
    document = json.dumps(value, ensure_ascii=ascii_only).encode()
    outline = outlined(document, cuts)
    found = bytes(outline.kept)
    assert text_bytes(found) + outline.text_bytes == text_bytes(document)
    if not ascii_only:  # an escape may be cut where a part of a string is left out
        found_value = json.loads(found.decode("utf-8", "replace"), strict=False)
        assert json.dumps(shortened(found_value)).count("{") == json.dumps(shortened(value)).count("{")


def test_what_is_long_takes_little_and_usage_is_read_wherever_it_stands() -> None:
    for filler in LONG, NUMBERS, MANY_SHORT:
        for document in (b'{"x":%b,%b}' % (filler, USAGE), b'{%b,"x":%b}' % (USAGE, filler)):
            meter = BodyMeter(openai.CHAT, b"identity")
            for at in range(0, len(document), 100_000):
                meter.feed(document[at : at + 100_000])
            assert meter.kept <= len(MANY_SHORT) + 1000
            assert meter.tokens(b"{}") == SAID


def test_what_there_is_no_room_for_is_estimated() -> None:
    asked: list[int] = []

    def hold(size: int) -> bool:
        asked.append(size)
        return size <= 100_000

    meter = BodyMeter(openai.CHAT, b"identity", hold=hold)
    document = b'{"x":%b,%b}' % (MANY_SHORT, USAGE)
    for at in range(0, len(document), 10_000):
        meter.feed(document[at : at + 10_000])
    assert meter.tokens(b"{}").confidence is Confidence.ESTIMATED
    assert meter.kept == 0
    assert max(asked) <= 120_000
