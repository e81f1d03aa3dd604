"""Redis as Sentinel and Cluster have it: the cache, the changes and the ledger go on after a failover."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tollkeeper import Limit as ApiLimit
from tollkeeper import LimitMeasure, LimitPeriod
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.coordination.redis.changes import RedisChanges
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.placements import RedisPlacements
from tollkeeper_server.coordination.redis.primary import TAG
from tollkeeper_server.coordination.redis.script import connect_script
from tollkeeper_server.coordination.redis.sweeping import KeySweeping
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.ledger.meter import meter_of
from tollkeeper_server.ledger.reservation import Outcome, Pending
from tollkeeper_server.ledger.shared.ledger import SharedLedger
from tollkeeper_server.ledger.shared.script import PREFIX, SCRIPT, by_script
from tollkeeper_server.ledger.shared.sweep import EPOCH_KEY, SWEEP

from tests.faults.test_shared_ledger import ready
from tests.faults.traffic import ask
from tests.integration.process import Gateway, Simulator, until
from tests.servers.redis_groups import cluster, watched_redis
from tests.unit.coordination.parts import eventually, make_token
from tests.unit.coordination.redis.parts import make_shared

MEMBERS = 3
AMOUNT = 50
PATIENT = 5.0
BUDGET = meter_of(
    Scope(ScopeKind.TOKEN, "tok_1"), Limit(measure=Measure.REQUESTS, amount=AMOUNT, period=Period.TOTAL)
)


@dataclass(frozen=True, slots=True)
class Group:
    """Redis servers of which one is the primary, and how that changes: it dies, or gives way."""

    url: str
    die: Callable[[], None]
    give_way: Callable[[], None]


@pytest.fixture(params=["sentinel", "cluster"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Group]:
    if request.param == "sentinel":
        with watched_redis(tmp_path) as watched:
            yield Group(watched.url(3), watched.primary.stop, watched.fail_over)
    else:
        with cluster(tmp_path, TAG) as made:
            yield Group(made.url, made.owner.stop, made.fail_over)


async def nothing_before(key: str, period: int, members: Sequence[str]) -> int:
    return 0


class Process:
    """What a process has of Redis."""

    def __init__(self, url: str, name: str) -> None:
        self.link = RedisLink(url, timeout=PATIENT, pause=0.05)
        self.tokens = make_shared(self.link)
        self.placements = RedisPlacements(self.link)
        self.gaps = 0
        self.changes = RedisChanges(self.link, self.tokens, on_gap=self.gap)
        self.heard: list[Change] = []
        self.changes.subscribe(self.hear)
        connect = by_script(partial(connect_script, self.link, SCRIPT))
        self.ledger = SharedLedger(name, connect, nothing_before)

    def gap(self) -> None:
        self.gaps += 1

    async def hear(self, change: Change) -> None:
        self.heard.append(change)

    def answers(self) -> bool:
        return self.link.answers and self.ledger.answers

    def has_heard(self, count: int) -> bool:
        return len(self.heard) > count

    def is_beyond(self, epoch: int) -> bool:
        return self.ledger.member.epoch > epoch and self.ledger.answers

    async def open(self, stack: AsyncExitStack) -> None:
        await self.link.open()
        stack.push_async_callback(self.link.close)
        await self.changes.open()
        stack.push_async_callback(self.changes.close)
        await self.changes.subscribed.wait()
        await self.ledger.open(20)
        stack.push_async_callback(self.ledger.close)
        assert self.ledger.answers


@pytest.fixture
async def processes(group: Group) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        made = [Process(group.url, f"process-{number}") for number in range(MEMBERS)]
        for one in made:
            await one.open(stack)
        yield made


async def spend(process: Process, name: str) -> bool:
    """Use one of the budget; return whether it was granted."""
    made = process.ledger.reserve(name, (BUDGET,), (1,), 0)
    answer = made if isinstance(made, Outcome) else await made
    return isinstance(answer, Pending) and process.ledger.settle(name, (1,))


async def spend_all(processes: Sequence[Process], name: str, times: int) -> int:
    """Have each process ask so many times at once; return how many were granted."""
    asked = [spend(one, f"{name} {number}") for number in range(times) for one in processes]
    return sum(await asyncio.gather(*asked))


async def works(processes: Sequence[Process]) -> None:
    """Hold each part to what it is for."""
    one, *others = processes
    for process in processes:
        await process.changes.subscribed.wait()
        await eventually(process.answers)
    token, others_token = make_token(), make_token()
    await one.tokens.put({token.digest: token, others_token.digest: others_token})
    assert await others[0].tokens.get(token.digest) == token
    assert await one.tokens.lead(token.digest)
    assert not await others[0].tokens.lead(token.digest)
    await one.tokens.resign(token.digest)
    now = datetime.now(UTC)
    placements = [
        Placement(id=f"file-{number}", upstream="a", project_id="prj_1", used_at=now) for number in range(5)
    ]
    await one.placements.put(placements)
    assert await others[0].placements.get([it.id for it in placements]) == {it.id: it for it in placements}
    before = [len(process.heard) for process in others]
    await one.changes.publish(Change(token=token))
    for process, count in zip(others, before, strict=True):
        await eventually(partial(process.has_heard, count))
    assert await KeySweeping(one.link, SWEEP, PREFIX, EPOCH_KEY).sweep() >= 0
    assert all([key.startswith(TAG.encode()) async for key in one.link.client.scan_iter("*")])


async def test_everything_works_and_a_budget_is_exact(processes: list[Process]) -> None:
    await works(processes)
    assert await spend_all(processes, "first", AMOUNT) == AMOUNT


@pytest.mark.parametrize("dies", [True, False])
async def test_after_a_failover_exactly_the_rest_can_be_used(
    group: Group, processes: list[Process], dies: bool
) -> None:
    """What was spent before it is brought into a new epoch, at the server that is the primary then."""
    granted = await spend_all(processes, "before", 5)
    assert granted == 5 * MEMBERS
    epoch = processes[0].ledger.member.epoch
    await asyncio.to_thread(group.die if dies else group.give_way)
    async with asyncio.timeout(60):
        for process in processes:
            await eventually(partial(process.is_beyond, epoch))
        granted += await spend_all(processes, "after", AMOUNT)
        await works(processes)
    assert granted == AMOUNT


async def test_a_failover_under_load_overspends_no_more_than_others_took(
    group: Group, processes: list[Process]
) -> None:
    """Each goes on with its share of what was left by its last answer, then with what is left of all."""
    granted = await spend_all(processes, "before", 1)
    epoch = processes[0].ledger.member.epoch
    dying = asyncio.create_task(asyncio.to_thread(group.die))
    number = 0
    async with asyncio.timeout(60):
        while not all(process.is_beyond(epoch) for process in processes):
            granted += await spend_all(processes, f"during {number}", 1)
            number += 1
            await asyncio.sleep(0.01)
        await dying
        granted += await spend_all(processes, "after", AMOUNT)
    # An answer may be as old as the requests that the others had under way then: one each.
    assert AMOUNT <= granted <= AMOUNT + MEMBERS - 1
    (standing,) = await processes[0].ledger.look((BUDGET,), 0)
    assert standing is not None
    assert (standing.spent, standing.held) == (granted, 0)


def test_a_gateway_goes_on_after_a_failover(group: Group, tmp_path: Path, simulator: Simulator) -> None:
    with Gateway(tmp_path / "gateway", redis=group.url) as gateway:
        gateway.serve_models(simulator)
        limits = [ApiLimit(LimitMeasure.REQUESTS, 3, period=LimitPeriod.TOTAL)]
        secret = gateway.new_token(limits=limits)
        assert [ask(gateway, secret).status_code for _ in range(2)] == [200, 200]
        group.give_way()
        until(lambda: "instead of" in gateway.command.said(), 30)
        until(lambda: ready(gateway) == "ok", 30)
        assert [ask(gateway, secret).status_code for _ in range(2)] == [200, 429]
        assert gateway.command.stop() == 0
