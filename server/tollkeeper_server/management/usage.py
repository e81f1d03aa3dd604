"""UsageService: what passed through the data plane."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import structs
from tollkeeper.messages import fill
from tollkeeper.messages.fields import numbers_of
from tollkeeper.v1 import usage_service_pb2 as pb

from tollkeeper_server.domain.usage import TIME_GROUPS, UsageFilter, UsageGroup
from tollkeeper_server.domain.usage_sums import Question, UsageOrder
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.messages import event_message, row_message
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.management.usage_feed import UsageFeed
from tollkeeper_server.management.usage_filters import filter_of
from tollkeeper_server.management.usage_names import Directory
from tollkeeper_server.management.usage_summary import summarize
from tollkeeper_server.management.usage_times import Times
from tollkeeper_server.store.ports import UsageStore

_MOST_ROWS = 10_000
_FEW_ROWS = 200  # more would keep the event loop for too long
_GROUPS = numbers_of(pb.UsageGroup.DESCRIPTOR)
_ORDERS = numbers_of(pb.UsageOrder.DESCRIPTOR)
_UTC = "UTC"


class UsageService:
    """Implements `tollkeeper.v1.UsageService`."""

    def __init__(
        self,
        store: UsageStore,
        directory: Directory,
        feed: UsageFeed,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._directory = directory
        self._feed = feed
        self._clock = clock

    async def list_usage_events(self, request: pb.ListUsageEventsRequest) -> pb.ListUsageEventsResponse:
        """Read a page of events, newest first."""
        size = page_size(request)
        where = filter_of(request, request.request_id)
        found = await self._store.list(where, before=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda event: event.id)
        names = await self._directory.names((it.project_id for it in page), (it.token_id for it in page))
        return pb.ListUsageEventsResponse(
            events=[event_message(event, names) for event in page], next_page_token=following
        )

    async def get_usage_event(self, request: pb.GetUsageEventRequest) -> pb.GetUsageEventResponse:
        """Read one event."""
        event = await self._store.get(request.id)
        if event is None:
            raise TollkeeperError(
                Reason.NOT_FOUND,
                f"there is no usage event {request.id!r}; an event is stored some seconds after its request",
            )
        names = await self._directory.names([event.project_id], [event.token_id])
        return pb.GetUsageEventResponse(event=event_message(event, names))

    async def summarize_usage(self, request: pb.SummarizeUsageRequest) -> pb.SummarizeUsageResponse:
        """Sum events by group."""
        times = Times(_zone(request.time_zone))
        where = filter_of(request)
        question = _question(request)
        before = None
        if request.compare_previous or request.percentiles or UsageGroup.MINUTE in question.group_by:
            where = self._bounded(request, where)
            assert where.start is not None
            assert where.end is not None
            if UsageGroup.MINUTE in question.group_by:
                _check_minutes(where.end - where.start)
            if request.compare_previous:
                before = times.before(where.start, where.end)
        found = await summarize(self._store, where, question, times, before)
        names = await self._directory.names(
            (row.project_id for row in found.rows), (row.token_id for row in found.rows)
        )
        answer = fill(
            pb.SummarizeUsageResponse(totals=row_message(found.totals, names), truncated=found.truncated),
            previous_start_time=before,
        )

        def add_rows() -> None:
            answer.rows.extend(row_message(row, names) for row in found.rows)

        if len(found.rows) > _FEW_ROWS:
            await asyncio.to_thread(add_rows)
        else:
            add_rows()
        return answer

    def _bounded(self, request: pb.SummarizeUsageRequest, where: UsageFilter) -> UsageFilter:
        """Return the filter with an end, which is the present unless one is given.

        Raises INVALID_ARGUMENT if there is no start: what was not there in the first release does not read
        all events that ever were.
        """
        if where.start is None:
            raise invalid_argument("start_time", f"must be set for {_wanting(request)}")
        end = where.end or self._clock()
        if end <= where.start:
            raise invalid_argument("start_time", "must not be in the future")
        return structs.replace(where, end=end)

    async def watch_usage_events(
        self, request: pb.WatchUsageEventsRequest
    ) -> AsyncGenerator[pb.WatchUsageEventsResponse]:
        """Yield events as they are stored."""
        where = filter_of(request, request.request_id)
        async with aclosing(self._feed.watch(where, request.after_id)) as watched:
            async for news in watched:
                yield pb.WatchUsageEventsResponse(
                    events=[event_message(event, news.names) for event in news.events],
                    amended=[event_message(event, news.names) for event in news.amended],
                    dropped=news.dropped,
                    last_id=news.last_id,
                )


def _wanting(request: pb.SummarizeUsageRequest) -> str:
    if request.compare_previous:
        return "compare_previous"
    return "percentiles" if request.percentiles else f"groups by {UsageGroup.MINUTE}"


def _question(request: pb.SummarizeUsageRequest) -> Question:
    group_by = tuple(UsageGroup(_GROUPS[it]) for it in request.group_by)
    if request.top and not set(group_by) - set(TIME_GROUPS):
        raise invalid_argument("top", "needs a group in group_by that is not a time")
    return Question(
        group_by=group_by,
        order=UsageOrder(_ORDERS[request.order_by]) if request.order_by else UsageOrder.GROUP,
        top=request.top,
        limit=_MOST_ROWS,
        percentiles=request.percentiles,
    )


def _check_minutes(length: timedelta) -> None:
    if length > timedelta(minutes=_MOST_ROWS):
        raise invalid_argument(
            "group_by",
            f"there are more than {_MOST_ROWS:,} minutes from start_time to end_time; group by hour, "
            "or choose a shorter time",
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or _UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_argument(
            "time_zone",
            "is not a name of the IANA time zone database that is known here, such as Europe/Berlin",
        ) from None
