"""Limits are configured of tokens, projects, models, listeners and the gateway, by the same rules."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import cast

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tollkeeper.v1 import (
    gateway_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
)
from tollkeeper.v1 import limit_pb2 as pb
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.gateway import GATEWAY, Gateway
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.period import Period
from tollkeeper_server.errors import Reason

from tests.unit.management.described import apply, export, request, told
from tests.unit.management.plane import BY_REQUEST, Plane

RATE = pb.Limit(measure=pb.LIMIT_MEASURE_REQUESTS_PER_MINUTE, amount=60)
BUDGET = pb.Limit(
    measure=pb.LIMIT_MEASURE_MONEY,
    amount=25_000_000_000,
    period=pb.LIMIT_PERIOD_MONTH,
    zone="Europe/Berlin",
    dollars="25",
)
Update = Callable[[list[pb.Limit]], Message]


async def of_token(plane: Plane) -> Update:
    """Make a token; return the request that changes its limits."""
    made = await plane.mint((await plane.project()).id)
    return lambda limits: token_service_pb2.UpdateTokenRequest(id=made.id, limits=limits)


async def of_project(plane: Plane) -> Update:
    """Make a project; return the request that changes its limits."""
    made = await plane.project()
    return lambda limits: project_service_pb2.UpdateProjectRequest(id=made.id, limits=limits)


async def of_model(plane: Plane) -> Update:
    """Make a model; return the request that changes its limits."""
    await plane.upstream()
    await plane.model("gpt-4o")
    return lambda limits: model_service_pb2.UpdateModelRequest(name="gpt-4o", limits=limits)


async def of_listener(plane: Plane) -> Update:
    """Make a listener; return the request that changes its limits."""
    await plane.listener()
    return lambda limits: listener_service_pb2.UpdateListenerRequest(name="tenant", limits=limits)


async def of_gateway(_: Plane) -> Update:
    """Return the request that changes the gateway's limits."""
    return lambda limits: gateway_service_pb2.UpdateGatewayRequest(limits=limits)


@pytest.fixture(params=[of_token, of_project, of_model, of_listener, of_gateway], ids=lambda it: it.__name__)
async def update(request: pytest.FixtureRequest, plane: Plane) -> Update:
    """Each request that changes limits in turn; what it changes is there."""
    make = cast("Callable[[Plane], Awaitable[Update]]", request.param)
    return await make(plane)


async def limits_after(plane: Plane, request: Message) -> list[pb.Limit]:
    """Make a change, and return the limits that it answers."""
    answer = await plane.call(request, GetMessageClass(BY_REQUEST[request.DESCRIPTOR.full_name].output_type))
    ((_, entity),) = answer.ListFields()
    return list(entity.limits)


async def test_limits_are_set_replaced_and_removed(plane: Plane, update: Update) -> None:
    assert await limits_after(plane, update([RATE, BUDGET])) == [RATE, BUDGET]
    assert await limits_after(plane, update([BUDGET])) == [BUDGET]
    assert await limits_after(plane, update([])) == [BUDGET], "nothing is named"

    removal = update([])
    cast("gateway_service_pb2.UpdateGatewayRequest", removal).update_mask.CopyFrom(
        FieldMask(paths=["limits"])
    )
    assert await limits_after(plane, removal) == []


@pytest.mark.parametrize(
    ("field", "why", "limits"),
    [
        ("limits[0].measure", "must be one of its values", [pb.Limit(amount=1)]),
        ("limits[0].amount", "must be between 1 and 150,000,000, not 0", [pb.Limit(measure=RATE.measure)]),
        (
            "limits[1].amount",
            "must be between 1 and 150,000,000, not 150,000,001",
            [BUDGET, pb.Limit(measure=RATE.measure, amount=150_000_001)],
        ),
        (
            "limits[0].burst",
            "concurrent_requests has none, only a rate has one; leave it out",
            [pb.Limit(measure=pb.LIMIT_MEASURE_CONCURRENT_REQUESTS, amount=1, burst=1)],
        ),
        (
            "limits[0].period",
            "money is a budget and needs one; give one of hour, day, week, month, total",
            [pb.Limit(measure=BUDGET.measure, amount=BUDGET.amount)],
        ),
        (
            "limits[0].period",
            "requests_per_minute has none, only a budget has one; leave it out",
            [pb.Limit(measure=RATE.measure, amount=1, period=pb.LIMIT_PERIOD_DAY)],
        ),
        (
            "limits[0].zone",
            "only days, weeks and months are those of a zone; leave it out",
            [pb.Limit(measure=RATE.measure, amount=1, zone="Europe/Berlin")],
        ),
        (
            "limits[0].zone",
            "is not a name of the IANA time zone database",
            [pb.Limit(measure=BUDGET.measure, amount=2**40, period=BUDGET.period, zone="Europe/Atlantis")],
        ),
        (
            "limits[0].amount",
            "$0.000000025 is less than a tenth of a cent",
            [pb.Limit(measure=BUDGET.measure, amount=25, period=BUDGET.period)],
        ),
        (
            "limits[2]",
            "counts the same as limits[0]",
            [RATE, BUDGET, pb.Limit(measure=RATE.measure, amount=9)],
        ),
        ("limits", "must have 16 items at the most", [RATE] * 17),
    ],
)
async def test_what_can_not_be_a_limit_is_refused_by_its_field(
    plane: Plane, field: str, why: str, limits: list[pb.Limit]
) -> None:
    refused = await plane.refuse(
        gateway_service_pb2.UpdateGatewayRequest(limits=limits), Reason.INVALID_ARGUMENT, field=field
    )

    assert why in refused.message


async def test_every_kind_refuses_limits_that_count_the_same(plane: Plane, update: Update) -> None:
    await plane.refuse(update([RATE, RATE]), Reason.INVALID_ARGUMENT, field="limits[1]")


async def test_all_that_is_wrong_is_told_at_once(plane: Plane) -> None:
    wrong = [
        pb.Limit(measure=BUDGET.measure, amount=2**40),
        pb.Limit(measure=RATE.measure, amount=1, zone="X"),
    ]
    refused = await plane.refuse(
        gateway_service_pb2.UpdateGatewayRequest(limits=wrong),
        Reason.INVALID_ARGUMENT,
        field="limits[0].period",
    )

    assert [it.field for it in refused.violations] == ["limits[0].period", "limits[1].zone"]


async def test_budgets_of_other_periods_and_zones_stand_beside_each_other(plane: Plane) -> None:
    several = [
        pb.Limit(measure=BUDGET.measure, amount=2**40, period=period, zone=zone)
        for period in (pb.LIMIT_PERIOD_DAY, pb.LIMIT_PERIOD_MONTH)
        for zone in ("UTC", "Europe/Berlin")
    ]

    found = await limits_after(plane, gateway_service_pb2.UpdateGatewayRequest(limits=several))
    assert [(it.period, it.zone or "UTC") for it in found] == [(it.period, it.zone) for it in several]


async def test_new_things_have_the_limits_that_they_are_made_with(plane: Plane) -> None:
    limits = [RATE, BUDGET]
    project = (
        await plane.call(
            project_service_pb2.CreateProjectRequest(name="p", limits=limits),
            project_service_pb2.CreateProjectResponse,
        )
    ).project
    token = await plane.call(
        token_service_pb2.CreateTokenRequest(project_id=project.id, limits=limits),
        token_service_pb2.CreateTokenResponse,
    )
    await plane.upstream()
    deployments = [model_service_pb2.Deployment(upstream="openai")]
    model = model_service_pb2.CreateModelRequest(name="m", deployments=deployments, limits=limits)
    await plane.call(model, model_service_pb2.CreateModelResponse)
    listener = listener_service_pb2.CreateListenerRequest(name="l", address="127.0.0.1:3001", limits=limits)
    await plane.call(listener, listener_service_pb2.CreateListenerResponse)

    found = await plane.store.configuration.read()
    stored = await plane.store.tokens.get(token.id)
    assert stored is not None
    expected = (
        Limit(measure=Measure.REQUEST_RATE, amount=60),
        Limit(measure=Measure.MONEY, amount=25_000_000_000, period=Period.MONTH, zone="Europe/Berlin"),
    )
    made = (found.projects[0].limits, found.models[0].limits, found.listeners[0].limits, stored.limits)
    assert made == (expected,) * 4


@pytest.mark.parametrize(
    ("dollars", "amount"),
    [("25", 25 * 10**9), ("0.001", 10**6), ("25.50", 25_500_000_000), ("4503599.627370496", 2**52)],
)
async def test_money_is_given_in_dollars(plane: Plane, dollars: str, amount: int) -> None:
    limit = pb.Limit(measure=pb.LIMIT_MEASURE_MONEY, dollars=dollars, period=pb.LIMIT_PERIOD_TOTAL)
    update = await of_project(plane)

    (shown,) = await limits_after(plane, update([limit]))

    assert (shown.amount, Decimal(shown.dollars)) == (amount, Decimal(dollars))
    assert await limits_after(plane, update([shown])) == [shown]


@pytest.mark.parametrize(
    ("limit", "path", "why"),
    [
        (pb.Limit(amount=24 * 10**9, dollars="25"), "dollars", "not the same as amount"),
        (pb.Limit(measure=pb.LIMIT_MEASURE_TOKENS, dollars="25"), "dollars", "give the amount"),
        (pb.Limit(dollars="25.0000000001"), "dollars", "up to nine decimals"),
        (pb.Limit(dollars="1e3"), "dollars", "up to nine decimals"),
        (pb.Limit(dollars="-1"), "dollars", "up to nine decimals"),
        (pb.Limit(dollars="\u0661"), "dollars", "up to nine decimals"),
        (pb.Limit(dollars="0.0009"), "amount", "a tenth of a cent"),
        (pb.Limit(dollars="9999999"), "amount", "must be between 1 and"),
        (pb.Limit(), "amount", "must be between 1 and"),
    ],
)
async def test_dollars_that_are_none_are_refused(plane: Plane, limit: pb.Limit, path: str, why: str) -> None:
    limit.measure = limit.measure or pb.LIMIT_MEASURE_MONEY
    limit.period = pb.LIMIT_PERIOD_TOTAL
    update = await of_project(plane)
    refused = await plane.refuse(update([limit]), Reason.INVALID_ARGUMENT, field=f"limits[0].{path}")
    assert why in refused.message


# The gateway as a whole


async def gateway(plane: Plane) -> gateway_service_pb2.Gateway:
    """Read the gateway."""
    answer = await plane.call(gateway_service_pb2.GetGatewayRequest(), gateway_service_pb2.GetGatewayResponse)
    return answer.gateway


async def test_a_gateway_that_nobody_has_changed_has_no_limits(plane: Plane) -> None:
    assert await gateway(plane) == gateway_service_pb2.Gateway(etag="0-0")
    assert await plane.store.configuration.revision() == 0
    assert plane.told == []


async def test_the_first_change_of_the_gateway_is_one_like_any_other(plane: Plane) -> None:
    change = gateway_service_pb2.UpdateGatewayRequest(limits=[BUDGET], etag="0-0")
    first = (await plane.call(change, gateway_service_pb2.UpdateGatewayResponse)).gateway

    assert first == await gateway(plane)
    assert first.updated_at.ToDatetime() == plane.clock.now.replace(tzinfo=None)
    assert plane.told == [Change()]
    await plane.refuse(change, Reason.ETAG_MISMATCH, field="etag")
    stored = await plane.store.configuration.get(Gateway, GATEWAY)
    assert stored is not None
    assert (stored.revision, stored.created_at) == (1, stored.updated_at)

    plane.told.clear()
    same = gateway_service_pb2.UpdateGatewayRequest(limits=[BUDGET], etag=first.etag)
    assert (await plane.call(same, gateway_service_pb2.UpdateGatewayResponse)).gateway == first
    assert plane.told == [], "nothing was changed"


async def test_of_many_first_changes_at_once_each_is_made(plane: Plane) -> None:
    requests = [
        gateway_service_pb2.UpdateGatewayRequest(limits=[pb.Limit(measure=RATE.measure, amount=number)])
        for number in range(1, 9)
    ]

    await asyncio.gather(*(plane.call(it, gateway_service_pb2.UpdateGatewayResponse) for it in requests))

    stored = await plane.store.configuration.get(Gateway, GATEWAY)
    assert stored is not None
    assert stored.revision == len(requests)


async def test_the_gateway_is_described_exported_and_emptied(plane: Plane) -> None:
    assert not (await export(plane)).HasField("gateway")
    text = "gateway: {limits: [{measure: requests_per_minute, amount: 60}]}"
    assert told(await apply(plane, text, dry_run=True)) == ["+gateway gateway"]
    assert not (await gateway(plane)).limits

    assert told(await apply(plane, text)) == ["+gateway gateway"]
    assert told(await apply(plane, text)) == []
    assert list((await export(plane)).gateway.limits) == [RATE]
    assert told(await apply(plane, "groups: []", prune=True)) == [], "what is not named stays"

    (change,) = (await apply(plane, "gateway: {}")).changes
    assert [(it.field, it.after) for it in change.fields] == [("limits", "")]
    assert told(await apply(plane, "gateway: {limits: []}")) == []
    assert not (await export(plane)).HasField("gateway")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("gateway: {limits: [{measure: tokens, amount: 1}]}", "configuration.gateway.limits[0].period"),
        (
            "projects: [{name: p, limits: [{measure: tokens, amount: 1}]}]",
            "configuration.projects[0].limits[0].period",
        ),
        (
            "projects: [{name: p, tokens: [{name: t, limits: [{measure: tokens, amount: 1}]}]}]",
            "configuration.projects[0].tokens[0].limits[0].period",
        ),
        (
            "listeners: [{name: l, address: ':1', limits: [{measure: tokens, amount: 1}]}]",
            "configuration.listeners[0].limits[0].period",
        ),
    ],
)
async def test_a_file_with_a_limit_that_can_not_be_is_refused_by_its_place(
    plane: Plane, text: str, field: str
) -> None:
    await plane.refuse(request(text), Reason.INVALID_ARGUMENT, field=field)
    assert await plane.store.configuration.revision() == 0
