"""Searches are counted among what a response has put out, however that is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.providers.searches import count_done, count_searches
from tollkeeper_server.providers.usage import read_carrier, read_event

USAGE = {"input_tokens": 1, "output_tokens": 1}
KINDS = st.sampled_from(["web_search_call", "file_search_call", "message", "x_search_call"])
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"type": KINDS, "text": st.text() | st.just('"web_search_call"')},
        optional={
            "status": st.sampled_from(["completed", "in_progress", "searching", "incomplete", "failed"]),
            "action": st.sampled_from([{"type": "search"}, {"type": "open_page"}, {"type": "find_in_page"}]),
            "score": st.sampled_from([0.5, float("nan")]),
            "results": st.just([{"type": "web_search_call"}]),
        },
    ),
    max_size=6,
)


def _is_search(item: dict[str, object], kind: str) -> bool:
    action = item.get("action", {"type": "search"})
    return (
        item["type"] == kind
        and item.get("status", "completed") == "completed"
        and action == {"type": "search"}
    )


@given(ITEMS)
def test_each_search_that_has_completed_counts_once(items: list[dict[str, object]]) -> None:
    """A number that is none, as servers in Python write it, hides nothing."""
    written = json.dumps(items).encode()
    found = {
        name: count
        for name, kind in (("searches", "web_search_call"), ("file_searches", "file_search_call"))
        if (count := sum(_is_search(item, kind) for item in items))
    }
    assert count_searches(written) == found

    done: dict[str, int] = {}
    for item in items:
        event = json.dumps({"type": "response.output_item.done", "item": item}).encode()
        for name, count in count_done(event).items():
            done[name] = done.get(name, 0) + count
    assert done == found


@pytest.mark.parametrize(
    "output", [b"", b"null", b'"web_search_call"', b"{}", b"[", b'[{"type":"web_search_call"']
)
def test_what_is_no_list_of_items_has_no_searches(output: bytes) -> None:
    assert count_searches(output) == {}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_item.added", "item": {"type": "web_search_call"}},
        {"type": "response.output_item.done", "item": "web_search_call"},
        {"type": "response.output_item.done"},
        {"type": "response.web_search_call.completed"},
    ],
)
def test_what_does_not_say_that_a_search_is_done_is_none(event: object) -> None:
    assert count_done(json.dumps(event).encode()) == {}


@pytest.mark.parametrize(
    ("status", "usage", "counts"),
    [
        ("completed", USAGE, {"input": 1, "completion": 1, "searches": 1}),
        ("incomplete", None, {"searches": 1}),
        ("cancelled", None, {"searches": 1}),
        # It will say so again.
        ("in_progress", None, None),
    ],
)
def test_a_response_says_its_searches_once_it_has_ended(
    status: str, usage: object, counts: dict[str, int] | None
) -> None:
    response = {"status": status, "output": [{"type": "web_search_call"}], "usage": usage}
    assert read_event(read_carrier(json.dumps(response).encode())) == counts
    event = {"type": f"response.{status}", "response": response}
    assert read_event(read_carrier(json.dumps(event).encode())) == counts
