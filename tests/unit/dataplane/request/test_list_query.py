"""How much of a list a query asks for, and from where on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.request.list_query import (
    ListQuery,
    page_name,
    read_list_query,
    read_page_name,
    with_position,
)
from tollkeeper_server.errors import Reason, TollkeeperError


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("", ListQuery()),
        ("limit=5&after=file-1", ListQuery(5, "file-1", field="after", size_name="limit")),
        (
            "before=vs_1&order=asc",
            ListQuery(None, "vs_1", backwards=True, field="before", order="asc", rest="order=asc"),
        ),
        ("after_id=msgbatch_1", ListQuery(None, "msgbatch_1", field="after_id")),
        ("before_id=msgbatch_1", ListQuery(None, "msgbatch_1", backwards=True, field="before_id")),
        ("purpose=a%26b&%61fter=file%2D1", ListQuery(None, "file-1", field="after", rest="purpose=a%26b")),
        ("AFTER=file-1&Limit=7", ListQuery(7, "file-1", field="after", size_name="Limit")),
        (
            "metadata[after]=x&x=1;after=file-1",
            ListQuery(None, "file-1", field="after", rest="metadata[after]=x&x=1"),
        ),
        ("after=&limit=", ListQuery()),
        ("page=2&page_size=50&purpose=x", ListQuery(50, number=2, rest="purpose=x")),
        ("page=0", ListQuery(100, number=0)),
        (f"page={page_name('file-1')}", ListQuery(None, "file-1", by_page=True, field="page")),
        (
            f"pageToken={page_name('files/1')}&pageSize=7",
            ListQuery(7, "files/1", by_page=True, field="pagetoken", size_name="pageSize"),
        ),
        (
            f"page_token={page_name('b')}&page_size=7&order_by=x",
            ListQuery(7, "b", by_page=True, field="page_token", size_name="page_size", rest="order_by=x"),
        ),
        (
            f"pagination_token={page_name('b')}",
            ListQuery(None, "b", by_page=True, field="pagination_token"),
        ),
    ],
)
def test_what_a_query_asks_for(query: str, read: ListQuery) -> None:
    assert read_list_query(query) == read


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=10001", "limit"),
        ("limit=1.5", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=a&after=b", "after"),
        ("after=a&AFTER=b", "after"),
        ("after=a&before=b", "before"),
        ("after=a&after_id=b", "after_id"),
        ("page=page_", "page"),
        ("page=page_8J%2BYgA", "page"),
        ("page=anything", "page"),
        ("page=-1", "page"),
        ("page=1&page_size=0", "page_size"),
    ],
)
def test_what_contradicts_itself_is_refused(query: str, field: str) -> None:
    with pytest.raises(TollkeeperError) as refused:
        read_list_query(query)
    assert (refused.value.reason, refused.value.field) == (Reason.INVALID_ARGUMENT, field)


@given(st.text(min_size=1, max_size=40))
def test_a_page_has_one_name(last_id: str) -> None:
    try:
        last_id.encode()
    except UnicodeEncodeError:
        return
    assert read_page_name(page_name(last_id)) == last_id


@given(st.text(alphabet="&=;after_id%26limtbcpge0123", max_size=60))
def test_what_goes_up_has_one_position(query: str) -> None:
    """Whatever the caller wrote, an upstream reads the gateway's own position and no other."""
    try:
        read = read_list_query(query)
    except TollkeeperError:
        return
    again = read_list_query(with_position(read.rest, 50, "after", "file-1"))
    assert (again.limit, again.cursor, again.backwards, again.by_page) == (50, "file-1", False, False)
    assert again.rest == read.rest
