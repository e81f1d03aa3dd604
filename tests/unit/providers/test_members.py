"""Members of an object are found by brackets and strings alone, as a parser finds them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from tollkeeper_server.providers.members import is_whole, iterate_members, scan_members, without_member

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(
    st.text(st.characters(codec="ascii"), max_size=3) | st.just("usage"), _json, max_size=5
)
Layout = dict[str, Any]
_layouts: st.SearchStrategy[Layout] = st.sampled_from(
    [{"separators": (",", ":")}, {"indent": 1}, {"separators": (" , ", " : ")}]
)


@given(_objects, _layouts)
def test_members_are_those_that_a_parser_finds(document: dict[str, object], layout: Layout) -> None:
    written = json.dumps(document, **layout).encode()
    expected = {name: bytes(raw) for name, raw in msgspec.json.decode(written, type=dict[str, Raw]).items()}

    found = [(json.loads(name), written[start:end]) for name, _, start, end in iterate_members(written)]

    assert found == list(expected.items())
    names = [name for name in document if json.dumps(name) == f'"{name}"']
    assert scan_members(written, names) == {name: expected[name] for name in names}
    assert is_whole(written)
    assert not is_whole(written[:-1])
    assert is_whole(written + b" \n")
    assert not is_whole(written + b"x")


@given(_objects, _layouts)
def test_a_member_is_taken_out_and_nothing_else(document: dict[str, object], layout: Layout) -> None:
    written = json.dumps(document, **layout).encode()

    left = without_member(written, "usage")

    assert json.loads(left) == {name: value for name, value in document.items() if name != "usage"}
    if "usage" not in document:
        assert left == written


def test_a_member_that_is_there_twice_goes_twice() -> None:
    assert json.loads(without_member(b'{"a":1,"a":2,"b":3,"a":4}', "a")) == {"b": 3}
    assert without_member(b'{"a":1,"a":2}', "a") == b"{}"


@pytest.mark.parametrize("document", [b"", b"[]", b'"x"', b"\xef\xbb\xbf", b"  ", b"\x00{}", b"null"])
def test_what_is_no_object_has_no_members(document: bytes) -> None:
    assert list(iterate_members(document)) == []
    assert not is_whole(document)


@given(st.binary(max_size=60))
def test_any_bytes_are_survived(document: bytes) -> None:
    for name, begin, start, end in iterate_members(b'{"' + document):
        assert begin + len(name) < start <= end
