"""What models cost, and what past requests cost by the present prices."""

from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import structs
from tollkeeper.v1 import price_pb2
from tollkeeper.v1 import price_service_pb2 as pb
from tollkeeper_server.domain.price import DatedPrice, PriceRates
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent, UsageFilter
from tollkeeper_server.errors import Reason
from tollkeeper_server.snapshot.prices import dated_price

from tests.contract.entities import an_event
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.management.plane import NOON, Plane

OPENAI, OWN = target("openai", prices="openai"), target("own")
OVERRIDE = DatedPrice(rates=PriceRates(input=1, output=2))
CONFIGURED = snapshot(
    route("gpt-4o", member_on(OPENAI, "gpt-4o"), member_on(OWN, "llama")),
    route("mine", member_on(OPENAI, "gpt-4o"), own_price=dated_price([OVERRIDE])),
    route("gpt-*", member_on(OPENAI)),
    targets={"openai": OPENAI, "own": OWN},
)
_ALL = UsageFilter()
COUNTS = TokenCounts(prompt=1_000, completion=100, confidence=Confidence.EXACT)


@pytest.fixture
def priced(plane: Plane) -> Plane:
    """A plane whose models have prices."""
    plane.snapshot = CONFIGURED
    return plane


async def listed(plane: Plane, **more: object) -> pb.ListPricesResponse:
    """List prices."""
    return await plane.call(pb.ListPricesRequest(**more), pb.ListPricesResponse)  # type: ignore[arg-type]


async def test_each_upstream_of_a_model_has_its_price(priced: Plane) -> None:
    found = (await listed(priced)).prices
    names = [
        (it.model, it.upstream, price_pb2.PriceSource.Name(it.source).removeprefix("PRICE_SOURCE_"))
        for it in found
    ]
    assert names == [
        ("gpt-*", "openai", "NONE"),
        ("gpt-4o", "openai", "SHIPPED"),
        ("gpt-4o", "own", "NONE"),
        ("mine", "openai", "MODEL"),
    ]
    assert (found[1].listed, found[1].max_output, found[1].prices[0].rates.input) == (
        "openai/gpt-4o",
        16_384,
        2.5,
    )
    assert (found[3].prices[0].rates.input, found[3].listed_prices[0].rates.input) == (1, 2.5)
    assert (found[0].is_pattern, found[1].is_pattern) == (True, False)


async def test_pages_have_whole_models(priced: Plane) -> None:
    page = await listed(priced, page_size=2)
    rest = await listed(priced, page_size=2, page_token=page.next_page_token)
    assert [it.model for it in page.prices] == ["gpt-*", "gpt-4o", "gpt-4o"]
    assert ([it.model for it in rest.prices], rest.next_page_token) == (["mine"], "")


async def test_a_name_that_a_pattern_serves_has_its_own_price(priced: Plane) -> None:
    (found,) = (await listed(priced, model="gpt-4o-mini")).prices
    assert (found.model, found.upstream_model, found.listed) == ("gpt-*", "gpt-4o-mini", "openai/gpt-4o-mini")
    assert len((await listed(priced, model="gpt-*")).prices) == 1
    assert len((await listed(priced, model="unknown")).prices) == 0


def an_answer(number: int, cost: int | None, model: str = "mine", **more: object) -> UsageEvent:
    """Return the event of an answer that began some minutes after noon."""
    event = structs.replace(
        an_event(),
        id=f"req_{number:026}",
        model_served=model,
        upstream="openai",
        tokens=COUNTS,
        cost_nano_dollars=cost,
        started_at=NOON + timedelta(minutes=number),
        attempts=(),
    )
    return structs.replace(event, **more)


def asking(**more: object) -> pb.RepriceUsageRequest:
    """Return the request for the hour after noon."""
    start, end = Timestamp(), Timestamp()
    start.FromDatetime(NOON)
    end.FromDatetime(NOON + timedelta(hours=1))
    return pb.RepriceUsageRequest(start_time=start, end_time=end, **more)  # type: ignore[arg-type]


async def test_past_requests_cost_what_the_present_prices_say(priced: Plane) -> None:
    await priced.store.usage.add(
        [
            an_answer(1, None),
            an_answer(2, 1_200_000),
            an_answer(3, 7, "gpt-4o"),
            an_answer(4, 5, "unknown", upstream="own"),
            an_answer(5, None, "unknown", upstream="own"),
            an_answer(6, 9, tokens=TokenCounts()),
            an_answer(7, None, tokens=structs.replace(COUNTS, confidence=Confidence.PENDING)),
            an_answer(61, None),
        ]
    )
    for dry_run in (True, False):
        (done,) = (await priced.call(asking(dry_run=dry_run), pb.RepriceUsageResponse)).repricings
        assert (done.requests, done.changed_requests, done.unpriced_requests) == (7, 2, 2)
        assert (done.before_nano_dollars, done.after_nano_dollars) == (1_200_021, 5_900_014)
        assert bool(done.id) is not dry_run
        stored = {it.id: it.cost_nano_dollars for it in await priced.store.usage.list(_ALL, limit=9)}
        first = [stored[f"req_{number:026}"] for number in (1, 2, 3, 4, 5, 6, 7, 61)]
        changed = [None, 1_200_000, 7] if dry_run else [1_200_000, 1_200_000, 3_500_000]
        assert first == [*changed, 5, None, 9, None, None]
    (trace,) = (await priced.call(pb.ListRepricingsRequest(), pb.ListRepricingsResponse)).repricings
    assert trace == done
    (again,) = (await priced.call(asking(), pb.RepriceUsageResponse)).repricings
    assert again.changed_requests == 0
    assert again.before_nano_dollars == again.after_nano_dollars == done.after_nano_dollars


async def test_a_model_alone_is_priced_again(priced: Plane) -> None:
    await priced.store.usage.add([an_answer(1, None), an_answer(2, None, "gpt-4o")])
    (done,) = (await priced.call(asking(model="mine"), pb.RepriceUsageResponse)).repricings
    assert (done.requests, done.changed_requests, done.model) == (1, 1, "mine")


async def test_many_requests_are_priced_in_slices_of_one_repricing(priced: Plane) -> None:
    events = [an_answer(0, None, id=f"req_{number:026}") for number in range(5_400)]
    await priced.store.usage.add(events)
    first = await priced.call(asking(), pb.RepriceUsageResponse)
    rest = await priced.call(asking(page_token=first.next_page_token), pb.RepriceUsageResponse)
    assert (first.repricings[0].requests, rest.repricings[0].requests, rest.next_page_token) == (
        5_000,
        400,
        "",
    )
    (trace,) = (await priced.call(pb.ListRepricingsRequest(), pb.ListRepricingsResponse)).repricings
    assert (trace.id, trace.requests, trace.changed_requests) == (first.repricings[0].id, 5_400, 5_400)
    assert trace.id == rest.repricings[0].id
    assert trace.after_nano_dollars == 5_400 * 1_200_000


async def test_what_is_no_range_is_refused(priced: Plane) -> None:
    start = Timestamp()
    start.FromDatetime(NOON)
    await priced.refuse(
        pb.RepriceUsageRequest(start_time=start, end_time=start), Reason.INVALID_ARGUMENT, field="end_time"
    )
    wrong = asking(page_token="wrong")
    await priced.refuse(wrong, Reason.INVALID_ARGUMENT, field="page_token")
