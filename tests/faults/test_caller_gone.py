"""A caller that leaves: the upstream's call is cancelled at once, and what was used is on record."""

import itertools
import json

import pytest
from tollkeeper import Confidence, UsageEvent

from tests.faults.traffic import DONE, headers_of, question
from tests.integration.h2wire import H2Wire
from tests.integration.process import Gateway, Simulator, until
from tests.integration.wire import Wire, compose

STREAM = "events=1000,interval=20"
NEVER = "hang=headers"

_numbers = itertools.count()


@pytest.fixture
def model() -> str:
    """A name, for model and request, by which a call is known from all others."""
    return f"left-{next(_numbers)}"


def post(wire: Wire, secret: str, simulate: str, name: str, *, stream: bool) -> None:
    headers = {"content-type": "application/json"} | headers_of(secret, simulate, name)
    body = json.dumps(question(name, stream=stream)).encode()
    wire.send(compose("POST", "/v1/chat/completions", headers.items(), body))


def post_h2(wire: H2Wire, secret: str, simulate: str, name: str, *, stream: bool) -> int:
    headers = {"content-type": "application/json"} | headers_of(secret, simulate, name)
    number = wire.open("POST", "/v1/chat/completions", headers.items())
    wire.send(number, json.dumps(question(name, stream=stream)).encode(), ends=True)
    return number


def wait_for_call(simulator: Simulator, name: str) -> None:
    until(lambda: any(received.header("x-request-id") == name for received in simulator.requests()))


def assert_cancelled(simulator: Simulator, name: str) -> None:
    """Wait for the simulator to see the call end before its time."""
    left = simulator.cancelled(name)
    assert (left.cancelled, left.finished) == (True, False)


def event_of_leaving(gateway: Gateway, model: str) -> UsageEvent:
    """Return the one event of a call whose caller has left."""
    event = gateway.event_of(model)
    assert (event.status, event.error_code) == (499, "client_closed_request")
    assert (event.confidence, event.prompt_tokens > 0) == (Confidence.ESTIMATED, True)
    return event


@pytest.mark.parametrize("listener", ["data", "console"])
@pytest.mark.parametrize("stream", [True, False])
def test_before_the_first_byte(
    gateway: Gateway, simulator: Simulator, token: str, model: str, listener: str, stream: bool
) -> None:
    with Wire(getattr(gateway, listener)) as wire:
        post(wire, token, NEVER, model, stream=stream)
        wait_for_call(simulator, model)
    assert_cancelled(simulator, model)
    assert event_of_leaving(gateway, model).completion_tokens == 0


@pytest.mark.parametrize("listener", ["data", "console"])
def test_in_the_middle_of_a_stream(
    gateway: Gateway, simulator: Simulator, token: str, model: str, listener: str
) -> None:
    with Wire(getattr(gateway, listener)) as wire:
        post(wire, token, STREAM, model, stream=True)
        chunks = wire.body(wire.head())
        seen = [next(chunks) for _ in range(4)]
    assert_cancelled(simulator, model)
    event = event_of_leaving(gateway, model)
    assert event.streamed
    # The first event says who speaks, each further one is a word.
    assert len(seen) - 1 <= event.completion_tokens < 1000


def test_half_closing_is_leaving_too(gateway: Gateway, simulator: Simulator, token: str, model: str) -> None:
    with Wire(gateway.data) as wire:
        post(wire, token, STREAM, model, stream=True)
        next(wire.body(wire.head()))
        wire.finish_sending()
        assert_cancelled(simulator, model)
    event_of_leaving(gateway, model)


def test_one_stream_of_http2_leaves_and_the_other_goes_on(
    gateway: Gateway, simulator: Simulator, token: str, model: str
) -> None:
    with H2Wire(gateway.console) as wire:
        staying = post_h2(wire, token, "events=20,interval=20", f"{model}-stays", stream=True)
        leaving = post_h2(wire, token, STREAM, model, stream=True)
        assert wire.first_bytes(leaving)
        wire.leave(leaving)
        assert_cancelled(simulator, model)
        stayed = wire.answer(staying)
        again = wire.answer(post_h2(wire, token, "", f"{model}-again", stream=False))
    assert (stayed.status, stayed.body.endswith(DONE)) == (200, True)
    assert again.status == 200
    event_of_leaving(gateway, model)
    assert gateway.event_of(f"{model}-stays").status == 200


def test_one_waiting_call_of_http2_leaves(
    gateway: Gateway, simulator: Simulator, token: str, model: str
) -> None:
    with H2Wire(gateway.console) as wire:
        leaving = post_h2(wire, token, NEVER, model, stream=False)
        wait_for_call(simulator, model)
        wire.leave(leaving)
        assert_cancelled(simulator, model)
    event_of_leaving(gateway, model)


def test_a_lost_http2_connection_leaves_with_all_its_calls(
    gateway: Gateway, simulator: Simulator, token: str, model: str
) -> None:
    calls = [f"{model}-{number}" for number in range(5)]
    with H2Wire(gateway.console) as wire:
        for name in calls:
            assert wire.first_bytes(post_h2(wire, token, STREAM, name, stream=True))
    assert_cancelled(simulator, calls[0])
    for name in calls:
        event_of_leaving(gateway, name)
