"""The calls of UsageService."""

from collections.abc import Sequence
from datetime import datetime

from tollkeeper.calls.rpc import Pages, Rpc, pages, rpc_of_list
from tollkeeper.messages import fill
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper.values import UsageEvent, UsageGroup, UsageRow


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
    """Iterate over usage events, newest first, fetching pages of `page_size` (the gateway's choice if 0).

    Each filter that is given leaves out all other requests. Times are aware: `start_time`
    inclusive, `end_time` exclusive.
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
    )
    return pages(request, UsageEvent)


def summarize_usage(
    *,
    group_by: Sequence[UsageGroup] = (),
    project_id: str = "",
    token_id: str = "",
    model: str = "",
    upstream: str = "",
    start_time: datetime | None = None,
    end_time: datetime | None = None,
) -> Rpc[tuple[UsageRow, ...]]:
    """Sum usage events by up to four groups, in their order; one row for everything without any.

    Each filter that is given leaves out all other requests. Times are aware: `start_time`
    inclusive, `end_time` exclusive. At most 10,000 rows.
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
    )
    return rpc_of_list(request, UsageRow)
