"""A body refers to what its members name, however deep and in whatever spelling."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request import references
from tollkeeper_server.dataplane.request.form_references import names_references, other_references
from tollkeeper_server.dataplane.request.references import (
    MAX_REFERENCES,
    Reference,
    Referred,
    chat_may_refer,
    may_refer,
    walk_references,
)
from tollkeeper_server.errors import TollkeeperError

NAMES = st.sampled_from(
    ["file_id", "FILE_ID", "previous_response_id", "conversation", "container", "assistant_id"]
)
OTHERS = st.sampled_from(["a", "input", "content", "tools", "source", "x y", "größe", '"', "\\"])
SCALARS = st.sampled_from([None, True, 7, 1.5, "", "file_id", '"file_id":"x"', "{[", "]}", "\\"])
JSONS: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(OTHERS, inner, max_size=3),
    max_leaves=8,
)


def _found(body: bytes) -> list[Reference]:
    found = Referred()
    for _ in walk_references(body, found):
        pass
    return found.all()


def _ids(body: bytes, *, own: bool = True) -> list[str]:
    return [it.id for it in _found(body) if it.must_be_own is own]


@given(JSONS, st.lists(OTHERS | st.integers(0, 2), max_size=6), NAMES, st.integers(0, 63), st.booleans())
def test_a_reference_is_found_at_any_depth_and_in_any_spelling(
    beside: Any, way: list[Any], name: str, escaped: int, pretty: bool
) -> None:
    value: Any = {"before": beside, name: "thing_1", "after": beside}
    if "content" in way and "input" in way[way.index("content") :]:
        way = []  # where Anthropic has what a model gave a tool
    for step in reversed(way):
        value = [beside] * step + [value, beside] if isinstance(step, int) else {step: value, "z": beside}
    spelt = "".join(
        f"\\u{ord(letter):04x}" if escaped >> at & 1 else letter for at, letter in enumerate(name)
    )
    body = (
        json.dumps({"body": value}, indent=1 if pretty else None).replace(f'"{name}"', f'"{spelt}"').encode()
    )
    assert json.loads(body) == {"body": value}
    assert "thing_1" in _ids(body)
    assert may_refer(body)
    if name == "file_id":
        assert chat_may_refer(body, is_anthropics=False)


@given(JSONS)
def test_a_body_without_such_members_refers_to_nothing(value: Any) -> None:
    assert _found(json.dumps({"body": value}).encode()) == []


@given(st.binary(max_size=60))
def test_no_body_is_too_odd(body: bytes) -> None:
    _found(body)
    _found(b'{"file_id":' + body)
    for steps, _ in other_references(b"application/x-www-form-urlencoded", body, Referred()):
        list(steps)


@pytest.mark.parametrize(
    "value", ['"x\\ud800"', '"' + "x" * 5000 + '"', '"\\u00e9"', '"größe"', '"\\u0000"'], ids=str.__len__
)
def test_an_id_that_can_not_be_one_is_unknown_and_not_left_out(value: str) -> None:
    (found,) = _found(f'{{"file_id":{value}}}'.encode())
    assert found.must_be_own


def test_each_thing_is_looked_up_once_and_what_must_be_own_comes_first() -> None:
    body = b'{"input":[{"type":"message","id":"a"},{"file_id":"b"},{"file_id":"b"},{"file_id":"a"}]}'
    assert [(it.id, it.must_be_own) for it in _found(body)] == [("b", True), ("a", True)]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"file_ids": [*map(str, range(MAX_REFERENCES + 1))]}),
        json.dumps({"input": [{"type": "x", "id": str(number)} for number in range(MAX_REFERENCES + 1)]}),
        "{" + ",".join(f'"id":"{number}"' for number in range(MAX_REFERENCES + 1)) + "}",
    ],
    ids=["ids", "items", "one object"],
)
def test_more_references_than_so_many_are_refused(body: str) -> None:
    with pytest.raises(TollkeeperError, match=r"send fewer|give it once"):
        _found(body.encode())


def test_calls_are_no_things_and_may_be_any_number() -> None:
    body = json.dumps({"input": [{"call_id": str(number)} for number in range(MAX_REFERENCES + 1)]})
    assert _found(body.encode()) == []


def test_names_of_the_table_are_as_they_are_looked_for() -> None:
    """A name that a first look misses is never found."""
    for name in references._NAMES:
        assert may_refer(json.dumps({name: "x"}).encode())


@pytest.mark.parametrize(
    ("name", "refers"),
    [(b"file_id", True), (b"images[][file_id]", True), (b"model", False), (b"user_id", False)],
)
def test_a_field_of_a_form_counts_by_its_name(name: bytes, refers: bool) -> None:
    assert names_references(frozenset({b"model", name})) is refers
