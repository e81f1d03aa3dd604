"""How limits stand, of one scope and of all, and the notices of budgets."""

from datetime import UTC, datetime, timedelta

import pytest
from tollkeeper.v1 import limit_pb2, project_service_pb2, token_service_pb2
from tollkeeper.v1 import limit_service_pb2 as pb
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.errors import Reason
from tollkeeper_server.process.standings import LedgerStandings
from tollkeeper_server.snapshot.meters import meters_of

from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.management.plane import NOON, Plane

MONEY = limit_pb2.Limit(
    measure=limit_pb2.LIMIT_MEASURE_MONEY,
    amount=100_000_000,
    period=limit_pb2.LIMIT_PERIOD_MONTH,
    zone="Europe/Berlin",
)
TOLD_MONEY = limit_pb2.Limit(dollars="0.1")
TOLD_MONEY.MergeFrom(MONEY)
RATE = limit_pb2.Limit(measure=limit_pb2.LIMIT_MEASURE_REQUESTS_PER_MINUTE, amount=60, burst=10)
OF_MODEL = (Limit(measure=Measure.REQUESTS, amount=10, period=Period.TOTAL),)


async def standings(plane: Plane, **asked: object) -> pb.ListLimitStandingsResponse:
    """Ask how limits stand."""
    return await plane.call(pb.ListLimitStandingsRequest(**asked), pb.ListLimitStandingsResponse)  # type: ignore[arg-type]


def use(plane: Plane, scope: Scope, limit: Limit, *, spent: int, held: int = 0) -> None:
    """Have requests use a limit, and hold some of it."""
    (meter,) = meters_of(scope, [limit])
    for number, amount in enumerate((spent, held)):
        if amount:
            plane.ledger.reserve(f"{meter.key} {number}", (meter,), [amount], plane.now())
    plane.ledger.settle(f"{meter.key} 0", [spent])


async def limited_project(plane: Plane) -> str:
    """Make a project with a budget and a rate; return its id."""
    made = await plane.project("Search")
    await plane.call(
        project_service_pb2.UpdateProjectRequest(id=made.id, limits=[MONEY, RATE]),
        project_service_pb2.UpdateProjectResponse,
    )
    return made.id


async def test_what_is_used_reserved_and_left_of_a_scope(plane: Plane) -> None:
    project = await limited_project(plane)
    scope = Scope(ScopeKind.PROJECT, project)
    of_domain = Limit(measure=Measure.MONEY, amount=100_000_000, period=Period.MONTH, zone="Europe/Berlin")
    use(plane, scope, of_domain, spent=85_000_000, held=5_000_000)

    told = await standings(plane, scope=limit_pb2.LIMIT_SCOPE_PROJECT, scope_id=project)

    money, rate = told.standings
    assert (told.total, money.limit, rate.limit) == (2, TOLD_MONEY, RATE)
    assert (money.scope_id, money.scope_name, money.is_known) == (project, "Search", True)
    assert (money.used, money.reserved, money.left, money.share) == (85_000_000, 5_000_000, 10_000_000, 0.9)
    assert list(money.thresholds) == [80]
    begun, ends = (it.ToDatetime(UTC) for it in (money.period_start, money.resets_at))
    assert begun <= NOON < ends
    assert (begun.hour, ends.hour) in {(22, 22), (22, 23), (23, 23), (23, 22)}  # midnight in Berlin
    assert (rate.used, rate.reserved, rate.left, rate.share) == (0, 0, 10, 0)
    assert not rate.HasField("period_start")


async def test_all_scopes_the_nearest_to_their_limits_first(plane: Plane) -> None:
    project = await limited_project(plane)
    token = await plane.mint(project)
    await plane.call(
        token_service_pb2.UpdateTokenRequest(id=token.id, limits=[MONEY]),
        token_service_pb2.UpdateTokenResponse,
    )
    model = Scope(ScopeKind.MODEL, "m")
    served = route("m", member_on(target("one")), meters=meters_of(model, OF_MODEL))
    plane.snapshot = snapshot(served)
    use(plane, model, OF_MODEL[0], spent=9)

    told = await standings(plane)
    assert [(it.scope, it.scope_id) for it in told.standings] == [
        (limit_pb2.LIMIT_SCOPE_MODEL, "m"),
        (limit_pb2.LIMIT_SCOPE_TOKEN, token.id),
    ]
    assert told.standings[0].share == 0.9
    assert (told.total, told.tokens_left_out) == (2, False)

    first = await standings(plane, max_results=1)
    assert ([it.scope_id for it in first.standings], first.total) == (["m"], 2)


async def test_rates_are_left_out_where_budgets_alone_are_asked_for(plane: Plane) -> None:
    project = await limited_project(plane)
    told = await standings(plane, scope=limit_pb2.LIMIT_SCOPE_PROJECT, scope_id=project, budgets_only=True)
    assert [it.limit for it in told.standings] == [TOLD_MONEY]


async def test_what_may_not_be_used_does_not_count_among_all(plane: Plane) -> None:
    project = await limited_project(plane)
    token = await plane.mint(project)
    await plane.call(
        token_service_pb2.UpdateTokenRequest(id=token.id, limits=[MONEY]),
        token_service_pb2.UpdateTokenResponse,
    )
    await plane.call(token_service_pb2.RevokeTokenRequest(id=token.id), token_service_pb2.RevokeTokenResponse)
    assert not (await standings(plane)).standings


@pytest.mark.parametrize("scope", [2, 3, 4, 5])
async def test_a_scope_that_is_not_there(plane: Plane, scope: limit_pb2.LimitScope.ValueType) -> None:
    await plane.refuse(
        pb.ListLimitStandingsRequest(scope=scope, scope_id="nobody"), Reason.NOT_FOUND, field="scope_id"
    )


async def test_the_gateway_has_standings_before_it_has_limits(plane: Plane) -> None:
    assert not (await standings(plane, scope=limit_pb2.LIMIT_SCOPE_GATEWAY)).standings


async def test_notices_in_pages_with_present_names(plane: Plane) -> None:
    project = (await plane.project("Search")).id
    for number, period in ((1, 0), (2, 86_400), (3, 172_800)):
        await plane.store.notices.add(
            BudgetNotice(
                id=f"ntc_{number}",
                noticed_at=NOON + timedelta(seconds=number),
                key=f"money:day:project:{project}",
                period=period,
                percent=80,
                scope=ScopeKind.PROJECT,
                scope_id=project,
                limit=Limit(measure=Measure.MONEY, amount=100_000_000, period=Period.DAY),
                process="host-1",
            )
        )
    first = await plane.call(pb.ListBudgetNoticesRequest(page_size=2), pb.ListBudgetNoticesResponse)
    rest = await plane.call(
        pb.ListBudgetNoticesRequest(page_size=2, page_token=first.next_page_token),
        pb.ListBudgetNoticesResponse,
    )
    found = [*first.notices, *rest.notices]
    assert [it.id for it in found] == ["ntc_3", "ntc_2", "ntc_1"]
    assert {it.scope_name for it in found} == {"Search"}
    assert found[1].period_start.ToDatetime(UTC) == datetime(1970, 1, 2, tzinfo=UTC)
    assert not found[2].HasField("period_start")


async def test_one_look_serves_all_who_ask_within_a_second(plane: Plane) -> None:
    model = Scope(ScopeKind.MODEL, "m")
    plane.snapshot = snapshot(route("m", member_on(target("one")), meters=meters_of(model, OF_MODEL)))
    now = [plane.now()]
    told = LedgerStandings(plane.ledger, lambda: now[0], lambda: plane.snapshot, plane.store.tokens)
    first = await told.all()
    use(plane, model, OF_MODEL[0], spent=9)
    assert await told.all() is first
    now[0] += 1_000_000
    assert (await told.all()).standings[0].used == 9
