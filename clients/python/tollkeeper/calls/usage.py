"""The calls of UsageService."""

from collections.abc import Sequence
from datetime import datetime

from tollkeeper.calls.call import Call, Page, Pages, call
from tollkeeper.calls.wire import moment, number, timestamp, word
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper.values import Confidence, UsageEvent, UsageGroup, UsageRow

SERVICE = "UsageService"


def read_event(event: pb.UsageEvent) -> UsageEvent:
    """Reads a usage event."""
    return UsageEvent(
        id=event.id,
        request_id=event.request_id,
        project_id=event.project_id,
        token_id=event.token_id,
        model_asked=event.model_asked,
        model_served=event.model_served,
        upstream=event.upstream,
        endpoint=event.endpoint,
        status=event.status,
        error_code=event.error_code,
        streamed=event.streamed,
        prompt_tokens=event.prompt_tokens,
        completion_tokens=event.completion_tokens,
        cached_tokens=event.cached_tokens,
        reasoning_tokens=event.reasoning_tokens,
        audio_milliseconds=event.audio_milliseconds,
        images=event.images,
        confidence=word(pb.Confidence, Confidence, event.confidence),
        started_at=moment(event.started_at) if event.HasField("started_at") else None,
        first_byte_microseconds=event.first_byte_microseconds,
        duration_microseconds=event.duration_microseconds,
        request_bytes=event.request_bytes,
        response_bytes=event.response_bytes,
    )


def read_row(row: pb.UsageRow) -> UsageRow:
    """Reads a row of sums."""
    return UsageRow(
        project_id=row.project_id,
        token_id=row.token_id,
        model=row.model,
        upstream=row.upstream,
        start_time=moment(row.start_time) if row.HasField("start_time") else None,
        requests=row.requests,
        failed_requests=row.failed_requests,
        estimated_requests=row.estimated_requests,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        reasoning_tokens=row.reasoning_tokens,
        audio_milliseconds=row.audio_milliseconds,
        images=row.images,
    )


def list_usage_events(
    *,
    project_id: str = "",
    token_id: str = "",
    model: str = "",
    upstream: str = "",
    request_id: str = "",
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    page_size: int = 0,
) -> Pages[UsageEvent]:
    """Iterates over usage events, newest first, fetching pages of `page_size` (the gateway's choice if 0).

    What is given leaves out everything else. Times are aware: `start_time` inclusive, `end_time`
    exclusive.
    """

    def at(page_token: str) -> Call[Page[UsageEvent]]:
        request = pb.ListUsageEventsRequest(
            page_size=page_size,
            page_token=page_token,
            project_id=project_id,
            token_id=token_id,
            model=model,
            upstream=upstream,
            request_id=request_id,
            start_time=timestamp("start_time", start_time),
            end_time=timestamp("end_time", end_time),
        )
        return call(
            SERVICE,
            "ListUsageEvents",
            request,
            pb.ListUsageEventsResponse,
            lambda answer: Page(tuple(map(read_event, answer.events)), answer.next_page_token),
        )

    return Pages(at)


def summarize_usage(
    *,
    group_by: Sequence[UsageGroup] = (),
    project_id: str = "",
    token_id: str = "",
    model: str = "",
    upstream: str = "",
    start_time: datetime | None = None,
    end_time: datetime | None = None,
) -> Call[tuple[UsageRow, ...]]:
    """Sums usage events by up to four groups, in their order; one row for everything without any.

    What is given leaves out everything else. Times are aware: `start_time` inclusive, `end_time`
    exclusive. At most 10,000 rows.
    """
    request = pb.SummarizeUsageRequest(
        group_by=[number(pb.UsageGroup, it) for it in group_by],
        project_id=project_id,
        token_id=token_id,
        model=model,
        upstream=upstream,
        start_time=timestamp("start_time", start_time),
        end_time=timestamp("end_time", end_time),
    )
    return call(
        SERVICE,
        "SummarizeUsage",
        request,
        pb.SummarizeUsageResponse,
        lambda answer: tuple(map(read_row, answer.rows)),
    )
