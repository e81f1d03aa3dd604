"""Usage is read by page, filter and group."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper.v1.project_service_pb2 import CreateProjectRequest, CreateProjectResponse
from tollkeeper.v1.token_service_pb2 import CreateTokenRequest, CreateTokenResponse
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails, UsageAttempt, UsageEvent
from tollkeeper_server.errors import Reason

from tests.unit.management.plane import NOON, Plane


def event(number: int, **fields: object) -> UsageEvent:
    """Return the event of a request, a minute after the one before."""
    values: dict[str, object] = {
        "id": f"req_{number:026}",
        "request_id": f"r{number}",
        "project_id": "prj_1",
        "token_id": "tok_1",
        "endpoint": "chat_completions",
        "status": 200,
        "model_asked": "fast",
        "model_served": "gpt-4o",
        "upstream": "openai",
        "tokens": TokenCounts(prompt=10, completion=5, cached=4, reasoning=2, confidence=Confidence.EXACT),
        "started_at": NOON + timedelta(minutes=number),
        "first_byte_us": 7,
        "duration_us": 9,
        "request_bytes": 11,
        "response_bytes": 13,
    }
    return UsageEvent(**{**values, **fields})  # type: ignore[arg-type]  # fields of the struct


def at(minutes: int) -> Timestamp:
    """Return a time some minutes after noon."""
    written = Timestamp()
    written.FromDatetime(NOON + timedelta(minutes=minutes))
    return written


async def test_an_event_is_shown_whole(plane: Plane) -> None:
    shown = event(1)
    details = TokenDetails(cache_written=3, service_tier="flex")
    tokens = msgspec.structs.replace(shown.tokens, details=details)
    await plane.store.usage.add([msgspec.structs.replace(shown, tokens=tokens, cost_nano_dollars=0)])
    answer = await plane.call(pb.ListUsageEventsRequest(), pb.ListUsageEventsResponse)
    expected = pb.UsageEvent(
        id="req_" + "1".zfill(26),
        request_id="r1",
        project_id="prj_1",
        token_id="tok_1",
        model_asked="fast",
        model_served="gpt-4o",
        upstream="openai",
        endpoint="chat_completions",
        status=200,
        prompt_tokens=10,
        completion_tokens=5,
        cached_tokens=4,
        reasoning_tokens=2,
        confidence=pb.CONFIDENCE_EXACT,
        started_at=at(1),
        first_byte_microseconds=7,
        duration_microseconds=9,
        request_bytes=11,
        response_bytes=13,
        details=pb.UsageDetails(cache_written=3, service_tier="flex"),
        cost_nano_dollars=0,
    )
    assert list(answer.events) == [expected]


async def test_pages_go_from_the_newest_to_the_oldest(plane: Plane) -> None:
    await plane.store.usage.add([event(number) for number in range(5)])
    read: list[str] = []
    token = ""
    while True:
        request = pb.ListUsageEventsRequest(page_size=2, page_token=token)
        page = await plane.call(request, pb.ListUsageEventsResponse)
        read += [it.request_id for it in page.events]
        token = page.next_page_token
        if not token:
            break
    assert read == ["r4", "r3", "r2", "r1", "r0"]


@pytest.mark.parametrize(
    "fields",
    [
        {"project_id": "prj_2"},
        {"token_id": "tok_2"},
        {"model": "o3"},
        {"upstream": "azure"},
        {"request_id": "r2"},
        {"start_time": at(2), "end_time": at(3)},
    ],
    ids=str,
)
async def test_filters_leave_out_the_others(plane: Plane, fields: dict[str, str]) -> None:
    other = event(
        2, project_id="prj_2", token_id="tok_2", model_served="o3", upstream="azure", request_id="r2"
    )
    await plane.store.usage.add([event(1), other, event(3)])
    request = pb.ListUsageEventsRequest(**fields)  # type: ignore[arg-type]  # fields of the message
    answer = await plane.call(request, pb.ListUsageEventsResponse)
    assert [it.request_id for it in answer.events] == ["r2"]


async def test_sums_are_grouped_as_asked(plane: Plane) -> None:
    failed = event(3, model_served="o3", status=502, tokens=TokenCounts(confidence=Confidence.ESTIMATED))
    await plane.store.usage.add([event(1), event(2), failed])
    request = pb.SummarizeUsageRequest(group_by=[pb.USAGE_GROUP_MODEL, pb.USAGE_GROUP_HOUR])
    rows = (await plane.call(request, pb.SummarizeUsageResponse)).rows
    assert [(row.model, row.requests, row.failed_requests, row.prompt_tokens) for row in rows] == [
        ("gpt-4o", 2, 0, 20),
        ("o3", 1, 1, 0),
    ]
    assert {row.start_time.ToDatetime() for row in rows} == {NOON.replace(tzinfo=None)}
    (total,) = (await plane.call(pb.SummarizeUsageRequest(), pb.SummarizeUsageResponse)).rows
    assert (total.requests, total.estimated_requests, total.model) == (3, 1, "")
    assert not total.HasField("start_time")


@pytest.mark.parametrize("kind", [pb.ListUsageEventsRequest, pb.SummarizeUsageRequest])
async def test_times_that_make_no_sense_are_told_by_field(
    plane: Plane, kind: type[pb.ListUsageEventsRequest] | type[pb.SummarizeUsageRequest]
) -> None:
    backwards = kind(start_time=at(2), end_time=at(2))
    await plane.refuse(backwards, Reason.INVALID_ARGUMENT, field="end_time")
    beyond = kind(start_time=Timestamp(seconds=1 << 60))
    await plane.refuse(beyond, Reason.INVALID_ARGUMENT, field="start_time")


async def test_an_event_is_read_by_its_id_with_the_names_of_what_it_is_of(plane: Plane) -> None:
    project = (await plane.call(CreateProjectRequest(name="Search"), CreateProjectResponse)).project
    minted = await plane.call(CreateTokenRequest(project_id=project.id, name="ci"), CreateTokenResponse)
    attempts = (
        UsageAttempt("azure", error_code="upstream_timeout", milliseconds=30),
        UsageAttempt("openai", 200, after_milliseconds=31),
        UsageAttempt("first", 200, after_milliseconds=0),
    )
    told = {"listener": "tenant", "group": "large", "rule": "/v1/*", "attempts": attempts}
    await plane.store.usage.add([event(1, project_id=project.id, token_id=minted.id, **told)])
    found = (await plane.call(pb.GetUsageEventRequest(id=event(1).id), pb.GetUsageEventResponse)).event
    assert (found.project_name, found.token_name) == ("Search", "ci")
    assert (found.listener, found.group, found.rule) == ("tenant", "large", "/v1/*")
    assert list(found.attempts) == [
        pb.UsageAttempt(upstream="azure", error_code="upstream_timeout", milliseconds=30),
        pb.UsageAttempt(upstream="openai", status=200, after_milliseconds=31),
        pb.UsageAttempt(upstream="first", status=200, after_milliseconds=0),
    ]
    (listed,) = (await plane.call(pb.ListUsageEventsRequest(), pb.ListUsageEventsResponse)).events
    assert listed == found
    by_both = pb.SummarizeUsageRequest(group_by=[pb.USAGE_GROUP_PROJECT, pb.USAGE_GROUP_TOKEN])
    (row,) = (await plane.call(by_both, pb.SummarizeUsageResponse)).rows
    assert (row.project_name, row.token_name) == ("Search", "ci")
    await plane.refuse(pb.GetUsageEventRequest(id="req_nobody"), Reason.NOT_FOUND)


async def test_names_of_many_projects_are_found(plane: Plane) -> None:
    made = [
        (await plane.call(CreateProjectRequest(name=f"p{number}"), CreateProjectResponse)).project
        for number in range(25)
    ]
    await plane.store.usage.add([event(number, project_id=it.id) for number, it in enumerate(made)])
    page = await plane.call(pb.ListUsageEventsRequest(), pb.ListUsageEventsResponse)
    assert {it.project_id: it.project_name for it in page.events} == {it.id: it.name for it in made}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"project_ids": ["prj_1", "prj_2"]}, ["r2", "r1"]),
        ({"project_id": "prj_2", "project_ids": ["prj_1"]}, ["r2", "r1"]),
        ({"models": ["o3"]}, ["r2"]),
        ({"statuses": ["5xx", "404"]}, ["r2"]),
        ({"statuses": ["2xx"]}, ["r1"]),
        ({"endpoints": ["embeddings"], "error_codes": ["upstream_timeout"]}, ["r2"]),
        ({"streamed": True}, ["r2"]),
        ({"streamed": False}, ["r1"]),
        ({}, ["r2", "r1"]),
    ],
    ids=str,
)
async def test_a_filter_of_several_values_lets_each_through(
    plane: Plane, fields: dict[str, Any], expected: list[str]
) -> None:
    other = event(
        2,
        project_id="prj_2",
        model_served="o3",
        endpoint="embeddings",
        status=504,
        error_code="upstream_timeout",
        streamed=True,
    )
    await plane.store.usage.add([event(1), other])
    page = await plane.call(pb.ListUsageEventsRequest(**fields), pb.ListUsageEventsResponse)
    assert [it.request_id for it in page.events] == expected
    answer = await plane.call(pb.SummarizeUsageRequest(**fields), pb.SummarizeUsageResponse)
    assert answer.totals.requests == len(expected)


async def test_a_summary_has_totals_and_the_time_before(plane: Plane) -> None:
    """From the first of a month to the first of another it is as many months."""
    february, march = (NOON.replace(month=month, day=1, hour=0) for month in (2, 3))
    starts = [february, march, march, march]
    await plane.store.usage.add([event(number, started_at=at) for number, at in enumerate(starts)])
    request = pb.SummarizeUsageRequest(
        group_by=[pb.USAGE_GROUP_DAY], compare_previous=True, percentiles=True, start_time=moment(march)
    )
    request.end_time.FromDatetime(march.replace(month=4))
    answer = await plane.call(request, pb.SummarizeUsageResponse)
    (row,) = answer.rows
    assert (row.requests, row.previous.requests) == (3, 1)
    assert (answer.totals.requests, answer.totals.previous.requests, answer.truncated) == (3, 1, False)
    assert answer.previous_start_time == moment(february)
    assert (row.duration.p50_microseconds, row.first_byte.p99_microseconds) == (9, 7)


async def test_until_the_present_is_meant_where_no_end_is_given(plane: Plane) -> None:
    """The tests' present is NOON."""
    hours = [NOON - timedelta(hours=number) for number in (1, 3, 5)]
    await plane.store.usage.add([event(number, started_at=at) for number, at in enumerate(hours)])
    request = pb.SummarizeUsageRequest(compare_previous=True, start_time=moment(NOON - timedelta(hours=2)))
    answer = await plane.call(request, pb.SummarizeUsageResponse)
    assert (answer.totals.requests, answer.totals.previous.requests) == (1, 1)
    began = answer.previous_start_time.ToDatetime(tzinfo=UTC)
    assert timedelta() <= NOON - timedelta(hours=4) - began < timedelta(minutes=1)  # the clock goes on


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": "/etc/passwd"}, "time_zone"),
        ({"time_zone": "Europe"}, "time_zone"),
        ({"compare_previous": True}, "start_time"),
        ({"percentiles": True}, "start_time"),
        ({"group_by": [pb.USAGE_GROUP_MINUTE]}, "start_time"),
        ({"percentiles": True, "start_time": at(60)}, "start_time"),
        ({"group_by": [pb.USAGE_GROUP_MINUTE], "start_time": at(-60 * 24 * 7)}, "group_by"),
        ({"top": 3, "group_by": [pb.USAGE_GROUP_DAY]}, "top"),
        ({"top": 3}, "top"),
        ({"top": 101, "group_by": [pb.USAGE_GROUP_MODEL]}, "top"),
        ({"statuses": ["abc"]}, "statuses[0]"),
        ({"project_ids": ["x"] * 51}, "project_ids"),
    ],
    ids=str,
)
async def test_a_summary_that_makes_no_sense_is_refused(
    plane: Plane, fields: dict[str, Any], field: str
) -> None:
    await plane.refuse(pb.SummarizeUsageRequest(**fields), Reason.INVALID_ARGUMENT, field=field)


def moment(time: datetime) -> Timestamp:
    """Return a time as messages hold it."""
    written = Timestamp()
    written.FromDatetime(time)
    return written
