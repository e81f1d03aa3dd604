"""With two upstreams behind a model, callers hardly notice when one of them breaks."""

import json
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from tollkeeper import Breaker, Deployment, Provider, Strategy, Timeouts, TrafficPolicy

from tests.faults.fault_proxy import Fault, FaultProxy
from tests.faults.traffic import DONE, ask, code_of
from tests.integration.process import Gateway, Simulator, until

# A cooldown that is over when the next request can be made, and one that no test outlasts.
SOON, LATE = timedelta(milliseconds=50), timedelta(hours=1)
CALLS = 16
BEFORE_THE_ANSWER = [Fault.REFUSE, Fault.RESET, Fault.HANG, Fault.ERRORS, Fault.GARBAGE]


class Pair:
    """A model on two upstreams, the first of them behind the proxy."""

    def __init__(self, gateway: Gateway, simulator: Simulator, proxy: FaultProxy, model: str) -> None:
        self.gateway = gateway
        self.proxy = proxy
        self.model = model
        self.broken, self.sound = f"{model}-broken", f"{model}-sound"
        self.secret = gateway.new_token()
        self._places = {self.broken: proxy.address, self.sound: simulator.address}

    def put(self, *names: str, cooldown: timedelta = LATE) -> None:
        """Put the model on these of its upstreams, tried in order."""
        short = Timeouts(
            connect=timedelta(seconds=1),
            first_byte=timedelta(seconds=0.5),
            idle=timedelta(seconds=0.5),
            total=timedelta(seconds=5),
        )
        with self.gateway.management() as client:
            for name in names:
                client.upstreams.create(
                    name=name,
                    provider=Provider.OPENAI,
                    base_url=f"http://{self._places[name]}/v1",
                    api_key="sk-fault-0123456789",
                    timeouts=short,
                    breaker=Breaker(cooldown=cooldown),
                )
            client.models.create(
                name=self.model,
                deployments=[Deployment(name) for name in names],
                policy=TrafficPolicy(strategy=Strategy.FAILOVER),
            )

    def ask(self, *, stream: bool = False, simulate: str = "") -> httpx2.Response:
        """Ask for a chat completion."""
        return ask(self.gateway, self.secret, simulate, model=self.model, stream=stream)

    def breaker(self) -> str:
        """Return the state of the broken upstream's breaker, as metrics tell it."""
        text = httpx2.get(f"{self.gateway.console}/metrics").text
        line = f'tollkeeper_circuitbreaker_state{{upstream="{self.broken}"}} '
        (value,) = [it.removeprefix(line) for it in text.splitlines() if it.startswith(line)]
        return {0: "closed", 1: "half_open", 2: "open"}[int(float(value))]


@pytest.fixture(scope="module")
def proxy(simulator: Simulator) -> Iterator[FaultProxy]:
    with FaultProxy(simulator.address) as running:
        yield running


@pytest.fixture
def behind(
    request: pytest.FixtureRequest, gateway: Gateway, simulator: Simulator, proxy: FaultProxy
) -> Iterator[Pair]:
    """A model of the test's own."""
    proxy.fault = Fault.NONE
    yield Pair(gateway, simulator, proxy, f"pair-{abs(hash(request.node.name))}")
    proxy.fault = Fault.NONE


@pytest.mark.parametrize("fault", BEFORE_THE_ANSWER)
def test_what_breaks_before_the_answer_is_hidden_and_then_left_alone(behind: Pair, fault: Fault) -> None:
    behind.put(behind.broken, behind.sound)
    behind.proxy.fault = fault

    answers = [behind.ask() for _ in range(CALLS)]
    tried = behind.proxy.connections

    assert [answer.status_code for answer in answers] == [200] * CALLS
    assert {answer.headers["x-tollkeeper-upstream"] for answer in answers} == {behind.sound}
    assert behind.breaker() == "open"
    assert behind.ask().status_code == 200
    assert behind.proxy.connections == tried


def test_an_upstream_that_recovers_is_used_again(behind: Pair) -> None:
    behind.put(behind.broken, behind.sound, cooldown=SOON)
    behind.proxy.fault = Fault.ERRORS
    for _ in range(CALLS):
        assert behind.ask().status_code == 200

    behind.proxy.fault = Fault.NONE

    until(lambda: behind.ask().headers["x-tollkeeper-upstream"] == behind.broken)
    assert behind.breaker() == "closed"


def test_with_nobody_left_callers_are_told_when_to_come_again(behind: Pair) -> None:
    behind.put(behind.broken)
    behind.proxy.fault = Fault.ERRORS
    seen = [behind.ask().status_code for _ in range(10)]
    tried = behind.proxy.connections

    answer = behind.ask()

    assert seen == [503] * 10
    assert (answer.status_code, code_of(answer)) == (503, "no_upstream_available")
    assert 3590 <= int(answer.headers["retry-after"]) <= 3600
    assert behind.proxy.connections == tried


@pytest.mark.parametrize("fault", [Fault.CUT_MIDWAY, Fault.HANG_MIDWAY])
def test_a_stream_that_breaks_midway_ends_with_an_error_and_is_not_begun_again(
    behind: Pair, fault: Fault
) -> None:
    behind.put(behind.broken, behind.sound)
    behind.proxy.fault = fault

    answer = behind.ask(stream=True, simulate="interval=20")

    assert answer.headers["x-tollkeeper-upstream"] == behind.broken
    assert not answer.content.endswith(DONE)
    assert b'"upstream_stream_cut"' in answer.content


def test_a_slow_drip_is_no_failure(behind: Pair) -> None:
    behind.put(behind.broken, behind.sound)
    behind.proxy.fault = Fault.DRIP

    answer = behind.ask()

    assert (answer.status_code, answer.headers["x-tollkeeper-upstream"]) == (200, behind.broken)
    assert json.loads(answer.content)["choices"]


def test_every_request_leaves_one_event_whoever_served_it(behind: Pair) -> None:
    behind.put(behind.broken, behind.sound)
    behind.proxy.fault = Fault.RESET

    answers = [behind.ask() for _ in range(5)]

    events = [behind.gateway.event_of(answer.headers["x-request-id"]) for answer in answers]
    assert [(event.status, event.upstream) for event in events] == [(200, behind.sound)] * 5
