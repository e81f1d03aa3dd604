"""The calls of UsageService."""

from collections.abc import Sequence
from datetime import datetime

from tollkeeper.calls.rpc import Pages, Rpc, Stream, pages, rpc, stream
from tollkeeper.messages import fill
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper.values.usage import UsageEvent, UsageGroup, UsageNews, UsageOrder, UsageSummary


def list_usage_events(
    *,
    project_id: str = "",
    token_id: str = "",
    model: str = "",
    upstream: str = "",
    request_id: str = "",
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    project_ids: Sequence[str] = (),
    token_ids: Sequence[str] = (),
    models: Sequence[str] = (),
    upstreams: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    error_codes: Sequence[str] = (),
    statuses: Sequence[str] = (),
    streamed: bool | None = None,
    page_size: int = 0,
) -> Pages[UsageEvent]:
    """Iterate over usage events, newest first, fetching pages of `page_size` (the gateway's choice if 0).

    Each filter that is given leaves out all other requests; one of several values lets each of them through.
    `statuses` are numbers such as "429" and classes such as "5xx". Times are aware: `start_time` inclusive,
    `end_time` exclusive.
    """
    request = fill(
        pb.ListUsageEventsRequest(),
        page_size=page_size,
        project_id=project_id,
        token_id=token_id,
        model=model,
        upstream=upstream,
        request_id=request_id,
        start_time=start_time,
        end_time=end_time,
        project_ids=project_ids,
        token_ids=token_ids,
        models=models,
        upstreams=upstreams,
        endpoints=endpoints,
        error_codes=error_codes,
        statuses=statuses,
        streamed=streamed,
    )
    return pages(request, UsageEvent)


def get_usage_event(event_id: str, /) -> Rpc[UsageEvent]:
    """Get one usage event."""
    return rpc(fill(pb.GetUsageEventRequest(), id=event_id), UsageEvent)


def watch_usage_events(
    *,
    after_id: str = "",
    project_id: str = "",
    token_id: str = "",
    model: str = "",
    upstream: str = "",
    request_id: str = "",
    project_ids: Sequence[str] = (),
    token_ids: Sequence[str] = (),
    models: Sequence[str] = (),
    upstreams: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    error_codes: Sequence[str] = (),
    statuses: Sequence[str] = (),
    streamed: bool | None = None,
) -> Stream[UsageNews]:
    """Iterate over what is stored from now on, or behind the event `after_id`, without end.

    A connection that is lost is made again, and the iteration goes on behind what it has told: nothing is
    lost, and no event told twice. Only if the first one can't be made, `Unavailable` is raised. Each filter
    that is given leaves out all other requests; one of several values lets each of them through. `statuses`
    are numbers such as "429" and classes such as "5xx".
    """
    request = fill(
        pb.WatchUsageEventsRequest(),
        after_id=after_id,
        project_id=project_id,
        token_id=token_id,
        model=model,
        upstream=upstream,
        request_id=request_id,
        project_ids=project_ids,
        token_ids=token_ids,
        models=models,
        upstreams=upstreams,
        endpoints=endpoints,
        error_codes=error_codes,
        statuses=statuses,
        streamed=streamed,
    )
    return stream(request, UsageNews, lambda news: bool(news.events or news.amended or news.dropped))


def summarize_usage(
    *,
    group_by: Sequence[UsageGroup] = (),
    project_id: str = "",
    token_id: str = "",
    model: str = "",
    upstream: str = "",
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    project_ids: Sequence[str] = (),
    token_ids: Sequence[str] = (),
    models: Sequence[str] = (),
    upstreams: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    error_codes: Sequence[str] = (),
    statuses: Sequence[str] = (),
    streamed: bool | None = None,
    time_zone: str = "",
    order_by: UsageOrder | None = None,
    top: int = 0,
    compare_previous: bool = False,
    percentiles: bool = False,
) -> Rpc[UsageSummary]:
    """Sum usage events by up to four groups, in their order; one row for everything without any.

    Each filter that is given leaves out all other requests; one of several values lets each of them through.
    `statuses` are numbers such as "429" and classes such as "5xx". Times are aware: `start_time` inclusive,
    `end_time` exclusive. Days, weeks, months and hours are those of `time_zone`, an IANA name, UTC if empty.

    `top` keeps so many of the largest groups by `order_by`, and sums the others as rows with `is_rest`.
    `compare_previous` adds the sums of the time before, `percentiles` those of durations and first bytes;
    both want a `start_time`. At most 10,000 rows.
    """
    request = fill(
        pb.SummarizeUsageRequest(),
        group_by=group_by,
        project_id=project_id,
        token_id=token_id,
        model=model,
        upstream=upstream,
        start_time=start_time,
        end_time=end_time,
        project_ids=project_ids,
        token_ids=token_ids,
        models=models,
        upstreams=upstreams,
        endpoints=endpoints,
        error_codes=error_codes,
        statuses=statuses,
        streamed=streamed,
        time_zone=time_zone,
        order_by=order_by,
        top=top,
        compare_previous=compare_previous,
        percentiles=percentiles,
    )
    return rpc(request, UsageSummary)
