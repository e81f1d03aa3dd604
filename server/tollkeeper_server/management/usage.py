"""UsageService: what passed through the data plane."""

from tollkeeper.v1 import usage_service_pb2 as pb

from tollkeeper_server.domain.usage import UsageFilter, UsageGroup
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.messages import USAGE_GROUP, event_message, moment, row_message, word
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.store.ports import UsageStore

_MOST_ROWS = 10_000


class Usage:
    """Implements `tollkeeper.v1.UsageService`."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    async def list_usage_events(self, request: pb.ListUsageEventsRequest) -> pb.ListUsageEventsResponse:
        """Reads a page of events, newest first."""
        size = page_size(request)
        where = _filter(request, request.request_id)
        found = await self._store.list(where, before=last_key(request), limit=size + 1)
        page, following = next_page(request, found, size, lambda event: event.id)
        return pb.ListUsageEventsResponse(
            events=[event_message(event) for event in page], next_page_token=following
        )

    async def summarize_usage(self, request: pb.SummarizeUsageRequest) -> pb.SummarizeUsageResponse:
        """Sums events by group."""
        groups = [group for it in request.group_by if (group := word(USAGE_GROUP, UsageGroup, it))]
        rows = await self._store.sum(_filter(request), group_by=groups, limit=_MOST_ROWS)
        return pb.SummarizeUsageResponse(rows=[row_message(row) for row in rows])


def _filter(
    request: pb.ListUsageEventsRequest | pb.SummarizeUsageRequest, request_id: str = ""
) -> UsageFilter:
    start = moment("start_time", request.start_time) if request.HasField("start_time") else None
    end = moment("end_time", request.end_time) if request.HasField("end_time") else None
    if start and end and start >= end:
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT, "end_time: must be later than start_time", field="end_time"
        )
    return UsageFilter(
        project_id=request.project_id,
        token_id=request.token_id,
        model_served=request.model,
        upstream=request.upstream,
        request_id=request_id,
        start=start,
        end=end,
    )
