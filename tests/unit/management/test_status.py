"""StatusService says what the observer knows, a page at a time where there may be much."""

from datetime import timedelta

from tollkeeper.v1 import status_service_pb2 as pb
from tollkeeper_server.errors import Reason

from tests.unit.management.plane import NOON, Plane


async def test_the_status_of_the_process(plane: Plane) -> None:
    told = (await plane.call(pb.GetStatusRequest(), pb.GetStatusResponse)).status

    assert (told.process, told.version, told.store_engine, told.revision) == ("host-1", "1.2.3", "sqlite", 7)
    assert told.snapshot_age.ToTimedelta() == timedelta(seconds=0.5)
    assert [(it.part, it.state) for it in told.parts] == [
        ("redis", pb.PART_STATE_DEGRADED),
        ("store", pb.PART_STATE_OK),
    ]
    assert not told.journal.HasField("waiting_since")
    assert told.certificate.expires_at.ToDatetime(tzinfo=NOON.tzinfo) == NOON


async def test_upstreams_come_in_pages_by_name(plane: Plane) -> None:
    plane.observed.names = ["c", "a", "b"]

    first = await plane.call(pb.ListUpstreamStatusRequest(page_size=2), pb.ListUpstreamStatusResponse)
    request = pb.ListUpstreamStatusRequest(page_size=2, page_token=first.next_page_token)
    second = await plane.call(request, pb.ListUpstreamStatusResponse)

    assert [[it.name for it in page.upstreams] for page in (first, second)] == [["a", "b"], ["c"]]
    assert second.next_page_token == ""
    await plane.refuse(
        pb.ListUpstreamStatusRequest(page_token="x"),
        Reason.INVALID_ARGUMENT,
        field="page_token",
    )


async def test_what_was_never_measured_is_unset(plane: Plane) -> None:
    plane.observed.names = ["a"]

    (told,) = (await plane.call(pb.ListUpstreamStatusRequest(), pb.ListUpstreamStatusResponse)).upstreams

    assert told.breaker == pb.BREAKER_STATE_CLOSED
    assert {field.name for field, _ in told.ListFields()} == {"name", "process", "breaker"}
