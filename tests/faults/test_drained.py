"""A caller that leaves an upstream with `drain`: its answer is read on, so that its counts are exact."""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tollkeeper import Confidence, Deployment, Limit, LimitMeasure, LimitPeriod, Provider, UsageEvent

from tests.faults.test_budgets import standing
from tests.faults.test_caller_gone import post, wait_for_call
from tests.integration.process import PROVIDER_KEY, Gateway, Simulator, until
from tests.integration.wire import Wire

EVENTS = 12
STREAM = f"events={EVENTS},interval=30"
HOUR = timedelta(hours=1)
BUDGET = Limit(LimitMeasure.TOKENS, 1_000_000, period=LimitPeriod.TOTAL)

_numbers = itertools.count()


def drain(gateway: Gateway, simulator: Simulator, name: str, length: timedelta) -> None:
    """Have models that begin with a name served by an upstream that is drained for so long."""
    with gateway.management() as client:
        client.upstreams.create(
            name=name,
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key=PROVIDER_KEY,
            drain=length,
        )
        client.models.create(name=f"{name}-*", deployments=[Deployment(name)])


@pytest.fixture(scope="module", autouse=True)
def _drained(gateway: Gateway, simulator: Simulator) -> None:
    drain(gateway, simulator, "drained", HOUR)
    drain(gateway, simulator, "briefly", timedelta(milliseconds=200))


@pytest.fixture
def model() -> str:
    """A name, for model and request, by which a call is known from all others."""
    return f"drained-{next(_numbers)}"


@pytest.fixture(scope="module")
def whole(gateway: Gateway, simulator: Simulator, token: str) -> Callable[[str, bool], UsageEvent]:
    """Return the event of a call whose caller stays."""

    def ask(simulate: str, stream: bool) -> UsageEvent:
        name = f"drained-whole-{next(_numbers)}"
        with Wire(gateway.data) as wire:
            post(wire, token, simulate, name, stream=stream)
            list(wire.body(wire.head()))
        event = gateway.event_of(name)
        assert (event.status, event.confidence) == (200, Confidence.EXACT)
        return event

    return ask


def assert_exact(event: UsageEvent, expected: UsageEvent) -> None:
    """Check that an event has the counts of a call whose caller has stayed."""
    assert (event.status, event.error_code) == (499, "client_closed_request")
    assert event.confidence == Confidence.EXACT
    assert event.completion_tokens == expected.completion_tokens > 0
    assert abs(event.prompt_tokens - expected.prompt_tokens) <= 2  # names of models differ in length


@pytest.mark.parametrize("seen", [1, 2, 5, EVENTS - 1])
def test_a_stream_is_counted_to_its_end(
    gateway: Gateway,
    simulator: Simulator,
    token: str,
    model: str,
    whole: Callable[[str, bool], UsageEvent],
    seen: int,
) -> None:
    with Wire(gateway.data) as wire:
        post(wire, token, STREAM, model, stream=True)
        chunks = wire.body(wire.head())
        for _ in range(seen):
            next(chunks)
    assert_exact(gateway.event_of(model), whole(STREAM, True))
    assert next(it for it in simulator.requests() if it.header("x-request-id") == model).finished


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_has_not_begun_is_counted(
    gateway: Gateway,
    simulator: Simulator,
    token: str,
    model: str,
    whole: Callable[[str, bool], UsageEvent],
    stream: bool,
) -> None:
    simulate = "latency=300,events=3"
    with Wire(gateway.data) as wire:
        post(wire, token, simulate, model, stream=stream)
        wait_for_call(simulator, model)
    assert_exact(gateway.event_of(model), whole(simulate, stream))


def test_it_has_so_much_time(gateway: Gateway, simulator: Simulator, token: str) -> None:
    name = f"briefly-{next(_numbers)}"
    with Wire(gateway.data) as wire:
        post(wire, token, "events=1000,interval=50", name, stream=True)
        next(wire.body(wire.head()))
    assert simulator.cancelled(name).cancelled
    event = gateway.event_of(name)
    assert (event.status, event.confidence) == (499, Confidence.ESTIMATED)


def test_it_is_charged_and_gives_back_what_it_held(
    gateway: Gateway, simulator: Simulator, model: str
) -> None:
    secret = gateway.new_token(limits=[BUDGET])
    with Wire(gateway.data) as wire:
        post(wire, secret, STREAM, model, stream=True)
        next(wire.body(wire.head()))
    event = gateway.event_of(model)

    used = event.prompt_tokens + event.completion_tokens
    assert standing(gateway, secret) == {"tokens": (used, 0)}


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that ends within a second of what it is asked to."""
    with Gateway(tmp_path, drain_seconds="1") as running:
        drain(running, simulator, "drained", HOUR)
        yield running


def test_a_process_that_ends_does_not_wait_for_it(
    own_gateway: Gateway, simulator: Simulator, model: str
) -> None:
    with Wire(own_gateway.data) as wire:
        post(wire, own_gateway.new_token(), "events=100000,interval=50", model, stream=True)
        next(wire.body(wire.head()))
    until(lambda: simulator.in_flight() >= 1)
    assert own_gateway.command.stop() == 0
    assert simulator.cancelled(model).cancelled
    own_gateway.start()
    event = own_gateway.event_of(model)
    assert (event.status, event.confidence) == (499, Confidence.ESTIMATED)
