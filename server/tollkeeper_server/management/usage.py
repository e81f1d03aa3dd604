"""UsageService: what passed through the data plane."""

from datetime import datetime

from msgspec import Struct
from tollkeeper.messages.fields import numbers_of
from tollkeeper.v1 import usage_service_pb2 as pb

from tollkeeper_server.domain.usage import UsageFilter, UsageGroup
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.messages import event_message, fields_of, row_message
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.store.ports import UsageStore

_MOST_ROWS = 10_000
_GROUPS = numbers_of(pb.UsageGroup.DESCRIPTOR)


class _Period(Struct, frozen=True, kw_only=True):
    """When events began that are asked for; None has no bound."""

    start_time: datetime | None
    end_time: datetime | None


class UsageService:
    """Implements `tollkeeper.v1.UsageService`."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    async def list_usage_events(self, request: pb.ListUsageEventsRequest) -> pb.ListUsageEventsResponse:
        """Read a page of events, newest first."""
        size = page_size(request)
        where = _filter(request, request.request_id)
        found = await self._store.list(where, before=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda event: event.id)
        return pb.ListUsageEventsResponse(
            events=[event_message(event) for event in page], next_page_token=following
        )

    async def summarize_usage(self, request: pb.SummarizeUsageRequest) -> pb.SummarizeUsageResponse:
        """Sum events by group."""
        groups = [UsageGroup(_GROUPS[it]) for it in request.group_by]
        rows = await self._store.sum(_filter(request), group_by=groups, limit=_MOST_ROWS)
        return pb.SummarizeUsageResponse(rows=[row_message(row) for row in rows])


def _filter(
    request: pb.ListUsageEventsRequest | pb.SummarizeUsageRequest, request_id: str = ""
) -> UsageFilter:
    period = _Period(**fields_of(_Period, request, only=["start_time", "end_time"]))
    if period.start_time and period.end_time and period.start_time >= period.end_time:
        raise invalid_argument("end_time", "must be later than start_time")
    return UsageFilter(
        project_id=request.project_id,
        token_id=request.token_id,
        model_served=request.model,
        upstream=request.upstream,
        request_id=request_id,
        start=period.start_time,
        end=period.end_time,
    )
