"""Counting the characters of a text that is spoken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.providers import escapes, spoken
from tollkeeper_server.providers.spoken import spoken_characters

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\n🎈ß\x00'), max_size=60)


@given(TEXTS, st.booleans(), st.sampled_from([1, 5, 6, 7, 64]))
def test_a_text_has_as_many_characters_however_it_is_written(text: str, escaped: bool, step: int) -> None:
    """Whatever is looked at in one step."""
    body = json.dumps({"model": "m", "input": text, "voice": "y"}, ensure_ascii=escaped).encode()
    with pytest.MonkeyPatch.context() as patch:
        for module in (escapes, spoken):
            patch.setattr(module, "STEP", step)
        assert spoken_characters(body) == len(text)


@pytest.mark.parametrize(
    ("body", "characters"),
    [
        (b'{"\\u0069nput": "1234"}', 4),
        (b'{"input": "1", "input": "123", "input": "12"}', 3),
        (b'{"voice": {"input": "1234"}, "input": ["1", "2"]}', 0),
        (b'{"instructions": "slowly"}', 0),
        (b'{"a": NaN, "input" : "12"}', 2),
        (b'"input"', 0),
        (b"", 0),
    ],
)
def test_it_is_the_text_of_the_input(body: bytes, characters: int) -> None:
    assert spoken_characters(body) == characters


@given(st.binary(max_size=200))
def test_no_body_fails(body: bytes) -> None:
    assert 0 <= spoken_characters(b'{"input": "' + body) <= len(body) + 1
