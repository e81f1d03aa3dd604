"""What needs attention is found, the most severe first, each with a remedy."""

from datetime import UTC, datetime, timedelta

import msgspec
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.domain.limit import Limit, Measure, ScopeKind
from tollkeeper_server.domain.model import Price
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.standing import LimitStanding
from tollkeeper_server.domain.status import (
    Attention,
    CertificateStatus,
    PartState,
    PartStatus,
    ProcessStatus,
)
from tollkeeper_server.domain.upstream import Breaker
from tollkeeper_server.management.usage_names import Names
from tollkeeper_server.process.attention import attention_of
from tollkeeper_server.snapshot.model import OwnPrice, Snapshot
from tollkeeper_server.snapshot.prices import short_price

from tests.unit.clock import Clock
from tests.unit.dataplane.configured import member_on, route, snapshot, snapshot_of, target
from tests.unit.management.observed import PROCESS

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
WELL = msgspec.structs.replace(PROCESS, parts=(), certificate=None)
BRITTLE = Breaker(threshold=1, min_calls=1, cooldown_seconds=30)
UP = target("up", breaker=BRITTLE)


def health_of(snapshot: Snapshot) -> Health:
    """The health of a configuration's upstreams; it is always noon."""
    health = Health(Clock(), now=lambda: NOON)
    health.follow(snapshot)
    return health


async def found(
    process: ProcessStatus,
    snapshot: Snapshot,
    health: Health | None = None,
    *,
    limit: int = 1000,
    **closed: str,
) -> list[Attention]:
    """What needs attention at noon. `closed` are listeners, each with why its port is not open."""
    health = health or health_of(snapshot)
    return await attention_of(process, snapshot, health, closed, limit=limit, now=NOON)


def kinds(things: list[Attention]) -> list[tuple[str, str, str]]:
    """What each is about."""
    assert all(it.detail and it.remedy and it.process == WELL.process for it in things)
    return [(it.kind, it.severity, it.subject) for it in things]


async def test_nothing_needs_attention_where_all_is_well() -> None:
    assert await found(WELL, snapshot_of(UP)) == []


async def test_a_model_without_a_price_is_told_of_unless_the_shipped_prices_have_it() -> None:
    """By the upstream's prices; of a pattern's names it is enough that these are known."""
    openai, own = target("openai", prices="openai"), target("own")
    price = OwnPrice(short_price(Price(prompt=1)))
    configured = snapshot(
        route("gpt-4o", member_on(openai, "gpt-4o")),
        route("renamed", member_on(openai, "gpt-4o-mini")),
        route("invented", member_on(openai, "invented")),
        route("gpt-4o-mini", member_on(openai, "gpt-4o-mini"), member_on(own, "gpt-4o-mini")),
        route("priced", member_on(own, "priced"), own_price=price),
        route("gpt-*", member_on(openai)),
        route("own-*", member_on(own)),
        targets={"openai": openai, "own": own},
    )

    things = await found(WELL, configured)

    assert kinds(things) == [
        ("unpriced", "info", "gpt-4o-mini"),
        ("unpriced", "info", "invented"),
        ("unpriced", "info", "own-*"),
    ]


async def test_without_an_upstream_nothing_can_be_served() -> None:
    assert kinds(await found(WELL, snapshot_of())) == [("no_upstream", "error", "")]


async def test_problems_of_parts_and_ports_the_most_severe_first() -> None:
    parts = (
        PartStatus(part="redis", state=PartState.DEGRADED, problem="Redis is not reachable"),
        PartStatus(part="store", state=PartState.DEGRADED, problem="the store is away"),
        PartStatus(part="listeners", state=PartState.DEGRADED, problem="tenant: taken"),
        PartStatus(part="journal", state=PartState.OK),
    )

    things = await found(msgspec.structs.replace(WELL, parts=parts), snapshot_of(UP), tenant="it is taken")

    assert kinds(things) == [
        ("store", "error", ""),
        ("listener", "error", "tenant"),
        ("redis", "warning", ""),
    ]
    assert things[1].detail == "it is taken"
    limited = await found(msgspec.structs.replace(WELL, parts=parts), snapshot_of(UP), limit=1)
    assert kinds(limited) == [("store", "error", "")]


async def test_an_upstream_that_fails_is_told_once() -> None:
    health = health_of(snapshot_of(UP))
    health.unreached(UP, ConnectProblem(reason=ConnectReason.REFUSED))
    (unconnected,) = await found(WELL, snapshot_of(UP), health)
    assert kinds([unconnected]) == [("connect", "warning", "up")]
    assert (unconnected.detail, unconnected.since) == ("the upstream refused the connection", NOON)

    health.begin(UP).failed(0.1, "connect")
    (opened,) = await found(WELL, snapshot_of(UP), health)
    assert kinds([opened]) == [("breaker", "warning", "up")]
    assert opened.detail == (
        "the breaker is open: too many calls have failed; "
        "the latest failure: the upstream refused the connection"
    )
    health.unreached(UP, ConnectProblem(reason=ConnectReason.NAME, at_proxy=True, detail="no such name"))
    health.begin(UP).failed(0.1, "http_503")
    (failing,) = await found(WELL, snapshot_of(UP), health)
    assert failing.detail.partition("; ")[2] == (
        "the latest failure: the upstream answered with status 503, and the outbound proxy's host name does "
        "not resolve (no such name)"
    )

    health.of(UP).breaker.reset()
    health.answered(UP)
    upstream = health.of(UP)
    upstream.probed(0, "status 500", "http_500")
    assert kinds(await found(WELL, snapshot_of(UP), health)) == [("probe", "warning", "up")]


async def test_certificates_before_they_expire() -> None:
    soon = NOON + timedelta(days=3)
    own = CertificateStatus(expires_at=soon, is_self_signed=False)
    (expiring,) = await found(msgspec.structs.replace(WELL, certificate=own), snapshot_of(UP))
    assert (expiring.kind, expiring.severity, expiring.since) == ("certificate", "warning", soon)

    renewed = CertificateStatus(expires_at=soon, is_self_signed=True)
    assert await found(msgspec.structs.replace(WELL, certificate=renewed), snapshot_of(UP)) == []
    later = CertificateStatus(expires_at=NOON + timedelta(days=15), is_self_signed=False)
    assert await found(msgspec.structs.replace(WELL, certificate=later), snapshot_of(UP)) == []


def _standing(used: int, *thresholds: int) -> LimitStanding:
    limit = Limit(measure=Measure.MONEY, amount=100_000_000, period=Period.DAY)
    return LimitStanding(
        scope=ScopeKind.PROJECT,
        scope_id="prj_1",
        limit=limit,
        used=used,
        left=limit.amount - used,
        period_start=NOON - timedelta(hours=12),
        resets_at=NOON + timedelta(hours=12),
        thresholds=thresholds,
    )


async def test_budgets_that_are_used_up_or_nearly() -> None:
    standings = [
        _standing(100_000_000, 80, 95),
        _standing(96_000_000, 80, 95),
        _standing(80_000_000, 80),
    ]
    up = snapshot_of(UP)
    found = await attention_of(WELL, up, health_of(up), {}, standings=standings, limit=9, now=NOON)

    assert kinds(found) == [("budget", "error", "prj_1"), ("budget", "warning", "prj_1")]
    assert {it.scope for it in found} == {"project"}
    assert found[1].detail.startswith("the budget of project prj_1, $0.10 a day, is used up to 96 %, and")
    assert "tollkeeper project update prj_1 --limit" in found[1].remedy
    assert {it.scope_name for it in found} == {""}


async def test_a_budget_is_that_of_a_project_by_its_name() -> None:
    up, standings = snapshot_of(UP), [_standing(100_000_000, 80, 95)]
    names = Names({"prj_1": "Toll house"}, {})
    (found,) = await attention_of(
        WELL, up, health_of(up), {}, standings=standings, names=names, limit=9, now=NOON
    )
    assert (found.subject, found.scope_name) == ("prj_1", "Toll house")
    assert found.detail.startswith("the budget of project Toll house, $0.10 a day, is used up")
    assert "tollkeeper project update prj_1 --limit" in found.remedy


async def test_a_configuration_file_that_is_not_in_force() -> None:
    found = await attention_of(
        WELL, snapshot_of(UP), health_of(snapshot_of(UP)), {}, file_problem="it changed", limit=9, now=NOON
    )

    assert kinds(found) == [("configuration", "warning", "")]
    assert found[0].detail == "it changed"
