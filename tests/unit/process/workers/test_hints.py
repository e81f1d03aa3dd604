"""What the calls of one process find of an upstream, others know, and nothing goes round."""

import asyncio

import pytest
from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.request.ip_limit import IpLimits
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.domain.listener import IpLimit
from tollkeeper_server.domain.upstream import Breaker
from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.process.workers.hints import Hints
from tollkeeper_server.process.workers.messages import Hint

from tests.unit.clock import Clock
from tests.unit.dataplane.configured import snapshot_of, target

UP = target("up", breaker=Breaker(threshold=1, min_calls=1, cooldown_seconds=30))
LIMIT = IpLimit(per_second=1, burst=4)


class Process:
    """What one process knows, and has told."""

    def __init__(self, clock: Clock) -> None:
        self.told: list[Hint] = []
        self.health = Health(clock)
        self.health.follow(snapshot_of(UP))
        self.limits = IpLimits(clock, lambda _: None)
        self.others: list[Process] = []
        self.came = asyncio.Event()
        self.hints = Hints(self.health, self.limits, self._send)

    def _send(self, hint: Hint) -> None:
        self.told.append(hint)
        for other in self.others:
            other.hints.hear(hint)
            other.came.set()

    @property
    def state(self) -> BreakerState:
        """The state of the upstream's breaker."""
        return self.health.of(UP).breaker.state(self.health.clock())


@pytest.fixture
def two() -> tuple[Process, Process]:
    """Two processes that hear of each other."""
    clock = Clock(1000.0)
    first, second = Process(clock), Process(clock)
    first.others, second.others = [second], [first]
    return first, second


def test_a_breaker_opens_and_closes_in_both(two: tuple[Process, Process]) -> None:
    first, second = two
    first.health.begin(UP).failed(1.0, "cut")
    assert (first.state, second.state) == (BreakerState.OPEN, BreakerState.OPEN)
    clock = first.health.clock
    assert isinstance(clock, Clock)
    clock.now += 31
    second.health.begin(UP).succeeded(1.0)
    assert (first.state, second.state) == (BreakerState.CLOSED, BreakerState.CLOSED)
    assert (len(first.told), len(second.told)) == (1, 1)


def test_a_connection_that_failed_is_known_to_both(two: tuple[Process, Process]) -> None:
    first, second = two
    problem = ConnectProblem(reason=ConnectReason.REFUSED, at_proxy=False, detail="no")
    for _ in range(3):
        first.health.unreached(UP, problem)
    failure = second.health.connect_failure_of("up")
    assert failure is not None
    assert not failure.is_over
    second.health.answered(UP)
    failure = first.health.connect_failure_of("up")
    assert failure is not None
    assert failure.is_over
    assert (len(first.told), len(second.told)) == (1, 1)


async def test_an_address_has_one_limit(two: tuple[Process, Process]) -> None:
    first, second = two
    for _ in range(LIMIT.burst):
        first.limits.check("main", LIMIT, "192.0.2.1")
    await second.came.wait()
    with pytest.raises(TollkeeperError):
        second.limits.check("main", LIMIT, "192.0.2.1")
    second.limits.check("main", LIMIT, "192.0.2.2")
    assert len(first.told) == 1
    for process in two:
        process.hints.close()
