"""Pages of lists, as upstreams give them and as callers get them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.reply.kept_page import (
    OPENAI_FORM,
    TOKENS,
    Form,
    read_page,
    read_thing,
    write_page,
)
from tollkeeper_server.dataplane.request.list_query import page_name


def _page(**members: object) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("page", "goes_on", "next_page"),
    [
        (_page(data=[]), False, ""),
        (_page(object="list", data=[], has_more=True), True, ""),
        (_page(data=[], has_more=False, first_id=None, last_id=None), False, ""),
        (_page(data=[], has_more=None), False, ""),
        (_page(data=[], next_page="page_x"), True, "page_x"),
        (_page(data=[], next_page=None, has_more=True), False, ""),
    ],
)
def test_a_page_says_whether_it_goes_on(page: bytes, goes_on: bool, next_page: str) -> None:
    read = read_page(page)
    assert (read.goes_on, read.next_page) == (goes_on, next_page)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b'["file-1"]',
        b'[{"name":"x"}]',
        b'{"data":{"id":"file-1"}}',
        b'{"data":["file-1"]}',
        b'{"data":[{"name":"x"}]}',
        b'{"data":[{"id":7}]}',
        b'{"data":[{"id":"a"},{"id":null}]}',
        b'{"files":[{"id":"file-1"}],"batches":[{"id":"batch-1"}]}',
        b'{"files":[{"id":"file-1"}],"batches":["batch-1"]}',
        b'{"total":7}',
        b'{"data":[{"id":"a"}',
        b'{"data":[],"has_more":"yes"}',
        b'{"data":[],"next_page":7}',
        b"<html>",
        b"\xff",
        b'{"data":' + b"[" * 100_000,
    ],
)
def test_what_is_no_list_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError, match="its answer"):
        read_page(answer)


def test_things_stay_as_the_upstream_wrote_them() -> None:
    written = b'{"id": "file-1",  "n":1.50, "created_at":7, "x":{"id":"y"}}'
    page = read_page(b'{"data":[' + written + b'],"has_more":false,"total":99}')

    answer = write_page(page.things, page.form, goes_on=True)

    assert answer == b'{"data":[' + written + b'],"has_more":true}'


def test_a_page_has_the_members_that_the_upstreams_have() -> None:
    things = read_page(_page(data=[{"id": "a"}, {"id": "b"}])).things
    whole = json.loads(write_page(things, OPENAI_FORM, goes_on=True))
    assert {**whole, "data": 0} == {
        "object": "list", "data": 0, "first_id": "a", "last_id": "b", "has_more": True
    }  # fmt: skip
    pages = Form(frozenset({"data", "next_page"}), "data", "next_page")
    assert json.loads(write_page(things, pages, goes_on=True))["next_page"] == page_name("b")
    assert json.loads(write_page(things, pages, goes_on=False)) == {
        "data": [{"id": "a"}, {"id": "b"}], "next_page": None
    }  # fmt: skip
    assert json.loads(write_page((), OPENAI_FORM, goes_on=False)) == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("page", "ids", "next_page"),
    [
        ([{"id": "ag_1"}], ["ag_1"], ""),
        ([], [], ""),
        ({"items": [{"id": "a"}], "warnings": []}, ["a"], ""),
        ({"batches": [{"batch_id": "b", "name": "x/y"}], "pagination_token": "t"}, ["b"], "t"),
        ({"batches": [{"id": "b"}], "next_page_token": ""}, ["b"], ""),
        ({"files": [{"name": "files/a", "mimeType": "x"}], "nextPageToken": "t"}, ["files/a"], "t"),
        ({"operations": [{"name": "batches/a", "metadata": {}}]}, ["batches/a"], ""),
        ({"results": [{"id": "a", "name": "files/b"}], "count": 1, "next": None}, ["a"], ""),
        ({}, [], ""),
        ({"nextPageToken": "t"}, [], "t"),
    ],
)
def test_lists_have_the_forms_of_other_apis(page: object, ids: list[str], next_page: str) -> None:
    read = read_page(json.dumps(page).encode())
    assert [thing.id for thing in read.things] == ids
    assert read.next_page == next_page
    token = next((name for name in TOKENS if isinstance(page, dict) and name in page), "")
    shown = json.loads(write_page(read.things, read.form, goes_on=bool(next_page)))
    if isinstance(page, dict):
        expected: dict[str, Any] = {name: it for name, it in page.items() if isinstance(it, list) and it}
        if ids and next_page:
            expected[token] = page_name(ids[-1])
        assert shown == expected
    else:
        assert shown == page


@pytest.mark.parametrize(
    ("made", "seconds"),
    [
        ({"created_at": 1700000000}, 1_700_000_000),
        ({"created": 1700000000.5}, 1_700_000_000.5),
        ({"created_at": "2023-11-14T22:13:20Z"}, 1_700_000_000),
        ({"created_at": "2023-11-14T22:13:20"}, 1_700_000_000),
        ({"created_at": "2023-11-14T23:13:20.250+01:00"}, 1_700_000_000.25),
        ({"created_at": "yesterday"}, None),
        ({"created_at": [1]}, None),
        ({"createTime": "2023-11-14T22:13:20.123456789Z"}, 1_700_000_000.123456),
        ({}, None),
    ],
)
def test_when_a_thing_was_made(made: dict[str, object], seconds: float | None) -> None:
    assert read_thing(_page(id="a", **made)).made_at == seconds


@given(st.binary(max_size=60))
def test_no_answer_is_too_odd(answer: bytes) -> None:
    for beginning in (b"", b'{"data":[', b'{"data":[{"id":"a"'):
        try:
            read_page(beginning + answer)
        except ValueError:
            continue
