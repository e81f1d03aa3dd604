"""What is said, and how it is counted."""

import json

from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.simulator.wording import Ending, compose, count, example, example_json, in_pieces


@given(st.integers(0, 300), st.none() | st.integers(0, 300))
def test_a_reply_has_the_words_asked_for_up_to_the_limit(words: int, limit: int | None) -> None:
    reply = compose(words, limit=limit)
    expected = words if limit is None else min(words, limit)
    assert reply.tokens == count(reply.text) == expected
    assert (reply.ending is Ending.LENGTH) == (limit is not None and limit < words)


@given(st.text())
def test_pieces_are_the_words(text: str) -> None:
    assert "".join(in_pieces(text)) == " ".join(text.split())
    assert len(in_pieces(text)) == count(text)


@given(st.lists(st.text(min_size=1, max_size=4), max_size=4))
def test_no_stop_sequence_is_ever_said(stops: list[str]) -> None:
    reply = compose(30, stops=stops)
    assert not any(stop in reply.text for stop in stops)
    assert (reply.ending is Ending.STOP_SEQUENCE) == (reply.stop != "")


def test_the_first_stop_sequence_ends_the_reply() -> None:
    reply = compose(30, stops=["simulator", "comes"])
    assert (reply.text, reply.stop) == ("This answer", "comes")


def test_padding_makes_a_long_word_and_no_more_of_them() -> None:
    reply = compose(3, pad=1000)
    assert len(reply.pieces[0]) == 1000
    assert reply.tokens == count(reply.text) == 3


def test_an_example_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "kind": {"enum": ["a", "b"]},
            "maybe": {"type": ["integer", "null"]},
            "inner": {"type": "object", "properties": {"on": {"type": "boolean"}}},
            "list": {"type": "array"},
        },
    }
    expected = {"name": "simulated", "kind": "a", "maybe": 1, "inner": {"on": True}, "list": []}
    assert example(schema) == expected
    assert json.loads(example_json(schema)) == expected
    assert example(None) == {}
