"""Lists over REST as CSV."""

import csv
import io

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.messages.sheets import csv_of
from tollkeeper_server.domain.usage import UsageAttempt
from tollkeeper_server.doors.rest import csv as csv_door
from tollkeeper_server.doors.rest.csv import NEXT_PAGE

from tests.contract.entities import an_event
from tests.unit.management.plane import Plane

CSV = {"accept": "text/csv"}


def read(answer: httpx2.Response) -> list[dict[str, str]]:
    """Return the rows of an answer, by column."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


async def test_events_are_a_download(plane: Plane, http: httpx2.AsyncClient) -> None:
    event = msgspec.structs.replace(
        an_event(),
        model_asked='=cmd|" /C calc"!A0,\n"größte"',
        attempts=(UsageAttempt("azure", error_code="upstream_timeout", milliseconds=30),),
    )
    await plane.store.usage.add([event])
    answer = await http.get("/manage/usage/events", headers=CSV)
    (row,) = read(answer)
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-events.csv"'
    assert NEXT_PAGE not in answer.headers
    assert row["id"] == event.id
    assert row["model_asked"] == '\'=cmd|" /C calc"!A0,\n"größte"'
    assert (row["status"], row["streamed"], row["started_at"]) == ("504", "true", "2026-03-04T12:00:00Z")
    assert '"upstream_timeout"' in row["attempts"]
    assert answer.text.count("\r\n") == 2


async def test_a_summary_has_a_column_for_each_number(plane: Plane, http: httpx2.AsyncClient) -> None:
    await plane.store.usage.add([an_event()])
    query = "group_by=model&percentiles=true&start_time=2026-03-04T00:00:00Z"
    answer = await http.get(f"/manage/usage/summary?{query}", headers=CSV)
    (row,) = read(answer)
    assert (row["model"], row["requests"], row["previous.requests"]) == ("gpt-5", "1", "")
    assert abs(int(row["duration.p95_microseconds"]) / 4_000_000_000 - 1) < 0.016


async def test_a_download_has_all_pages_up_to_a_bound(
    plane: Plane, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_door, "_largest_page", lambda _: 3)
    monkeypatch.setattr(csv_door, "MOST_ROWS", 6)
    events = [an_event() for _ in range(8)]
    await plane.store.usage.add(events)
    first = await http.get("/manage/usage/events", headers=CSV)
    token = first.headers[NEXT_PAGE]
    second = await http.get("/manage/usage/events", params={"page_token": token}, headers=CSV)
    assert NEXT_PAGE not in second.headers
    expected = sorted((event.id for event in events), reverse=True)
    assert [row["id"] for row in read(first)] == expected[:6]
    assert [row["id"] for row in read(second)] == expected[6:]
    page = await http.get("/manage/usage/events", params={"page_size": 2}, headers=CSV)
    assert [row["id"] for row in read(page)] == expected[:2]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("text/csv;q=0.9, application/json;q=0.5", "text/csv"),
        ("application/json, text/csv", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ],
)
async def test_json_is_answered_unless_csv_is_asked_for(
    http: httpx2.AsyncClient, accept: str, kind: str
) -> None:
    for path in ("/manage/usage/events", "/manage/projects", "/manage/tokens"):
        answer = await http.get(path, headers={"accept": accept})
        assert answer.headers["content-type"].startswith(kind), path


async def test_a_link_can_ask_for_csv(http: httpx2.AsyncClient) -> None:
    """It goes before what is accepted, and stands beside other parameters of lists, of nothing else."""
    for query, kind in (("alt=csv&page_size=5", "text/csv"), ("page_size=5&alt=json", "application/json")):
        for accept in ("text/html,*/*;q=0.8", "text/csv", "application/json"):
            answer = await http.get(f"/manage/usage/events?{query}", headers={"accept": accept})
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    for wrong in ("events?alt=xml", "events?alt=csv&alt=csv", "report?alt=csv"):
        answer = await http.get(f"/manage/usage/{wrong}")
        assert (answer.status_code, "alt" in answer.json()["message"]) == (400, True)


async def test_an_error_is_json_all_the_same(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/manage/usage/events?page_size=-1", headers=CSV)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    stranger = await http.get("/manage/usage/events", headers={**CSV, "authorization": "Bearer no"})
    assert stranger.status_code == 401
    one = await http.get("/manage/usage/report", headers=CSV)
    assert one.headers["content-type"] == "application/json"


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(rows=st.lists(st.lists(texts, min_size=2, max_size=2), max_size=5))
def test_what_is_written_is_read_again_and_is_no_formula(rows: list[list[str]]) -> None:
    found = list(csv.reader(io.StringIO(csv_of(rows), newline="")))
    for row, again in zip(rows, found, strict=True):
        for cell, text in zip(again, row, strict=True):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell in {text, f"'{text}"}
