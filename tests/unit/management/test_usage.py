"""Usage is read by page, filter and group."""

from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent
from tollkeeper_server.errors import Reason

from tests.unit.management.plane import NOON, Plane


def event(number: int, **fields: object) -> UsageEvent:
    """Returns the event of a request, a minute after the one before."""
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
    """Returns a time some minutes after noon."""
    written = Timestamp()
    written.FromDatetime(NOON + timedelta(minutes=minutes))
    return written


async def test_an_event_is_shown_whole(plane: Plane) -> None:
    await plane.store.usage.add([event(1)])
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
