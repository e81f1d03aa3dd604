"""The filters that calls about usage share, as the domain knows them."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from tollkeeper.v1 import usage_service_pb2 as pb

from tollkeeper_server.domain.usage import UsageFilter
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.messages import fields_of

Filtered = pb.ListUsageEventsRequest | pb.SummarizeUsageRequest | pb.WatchUsageEventsRequest
_CLASS = "xx"


class _Period(Struct, frozen=True, kw_only=True):
    """When events began that are asked for; None has no bound."""

    start_time: datetime | None = None
    end_time: datetime | None = None


def filter_of(request: Filtered, request_id: str = "") -> UsageFilter:
    """Return the filter of a request. Raises INVALID_ARGUMENT for times that make no sense."""
    period = _period(request)
    if period.start_time and period.end_time and period.start_time >= period.end_time:
        raise invalid_argument("end_time", "must be later than start_time")
    return UsageFilter(
        project_id=_wanted(request.project_id, request.project_ids),
        token_id=_wanted(request.token_id, request.token_ids),
        model_served=_wanted(request.model, request.models),
        upstream=_wanted(request.upstream, request.upstreams),
        request_id=_wanted(request_id, ()),
        endpoint=_wanted("", request.endpoints),
        error_code=_wanted("", request.error_codes),
        statuses=tuple(_bounds(status) for status in dict.fromkeys(request.statuses)),
        streamed=request.streamed if request.HasField("streamed") else None,
        start=period.start_time,
        end=period.end_time,
    )


def _period(request: Filtered) -> _Period:
    if isinstance(request, pb.WatchUsageEventsRequest):
        return _Period()  # it is of what comes
    return _Period(**fields_of(_Period, request, only=["start_time", "end_time"]))


def _wanted(one: str, more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (one, *more))))


def _bounds(status: str) -> tuple[int, int]:
    if status.endswith(_CLASS):
        hundred = int(status.removesuffix(_CLASS)) * 100
        return hundred, hundred + 100
    return int(status), int(status) + 1
