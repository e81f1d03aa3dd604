"""Callers who send as much as they can: the memory of the gateway has a bound, and others are served."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tollkeeper_server.http1.server.limits import TimeLimits

from tests.faults.flood_bounds import SECONDS, Bounds
from tests.faults.flooding import flood, gone, serve_busy
from tests.integration.process import Gateway, Simulator, until
from tests.integration.wire import Wire

BODIES_BYTES = 64 << 20
FEW = 5
GONE_SECONDS = TimeLimits().keep_alive + 10

WITHOUT_TOKEN = {
    "pipelined pages": 300,
    "pipelined refusals": 300,
    "pipelined upgrades": 100,
    "pipelined empty lines": 300,
    "heads that do not end": 900,
    "many small headers": 400,
    "heads of tiny headers": 100,
    "chunks that nobody reads": 100,
    "trailers without end": 150,
    "bodies without a token": 900,
    "tiny chunks without a token": 150,
    "chunks that look like ends": 150,
    "extensions of a chunk": 200,
    "boundaries without end": 300,
    "nothing": 2000,
}


@pytest.fixture(scope="module")
def flooded(
    tmp_path_factory: pytest.TempPathFactory, simulator: Simulator, busy: Simulator
) -> Iterator[Gateway]:
    """A gateway that may hold few bodies. It survives all floods, and none shows in its log as a fault."""
    directory = tmp_path_factory.mktemp("flooded")
    with Gateway(directory, max_bodies_bytes=str(BODIES_BYTES), drain_seconds="1") as running:
        running.serve_models(simulator)
        serve_busy(running, busy)
        yield running
        assert running.command.stop() == 0
        assert "Traceback" not in running.command.said()


@pytest.fixture(scope="module")
def honest(flooded: Gateway) -> str:
    """The token of a caller who does nothing unusual."""
    return flooded.new_token()


@pytest.mark.parametrize(("kind", "connections"), [*WITHOUT_TOKEN.items(), ("pipelined pages", 60)])
def test_no_flood_without_a_token_takes_much_memory_or_keeps_others_waiting(
    flooded: Gateway, honest: str, bounds: Bounds, kind: str, connections: int
) -> None:
    bounds.hold(
        flooded,
        honest,
        lambda: flood(flooded, kind, connections, SECONDS),
        settle=lambda: until(lambda: gone(flooded, FEW), GONE_SECONDS),
    )


@pytest.mark.parametrize(
    ("kind", "connections"),
    [("large bodies", 40), ("many bodies", 300), ("streamed bodies", 200), ("forms of many parts", 30)],
)
def test_the_bodies_of_a_token_have_a_bound_and_others_are_served(
    flooded: Gateway, honest: str, bounds: Bounds, kind: str, connections: int
) -> None:
    greedy = flooded.new_token()
    bounds.hold(
        flooded,
        honest,
        lambda: flood(flooded, kind, connections, SECONDS, greedy),
        # Half of the room is a token's, and a body that comes to its end is there twice for a moment.
        granted=BODIES_BYTES,
        settle=lambda: until(lambda: gone(flooded, FEW), GONE_SECONDS),
    )
    if kind == "large bodies":  # the others are sent on about as fast as they come
        assert "no room for more" in flooded.command.said()


def test_tiny_chunks_of_a_token_keep_nobody_waiting(flooded: Gateway, honest: str, bounds: Bounds) -> None:
    greedy = flooded.new_token()
    bounds.hold(
        flooded,
        honest,
        lambda: flood(flooded, "tiny chunks", 10, SECONDS, greedy),
        settle=lambda: until(lambda: gone(flooded, FEW), GONE_SECONDS),
    )


def test_more_connections_than_an_address_may_have_are_refused_and_counted(
    tmp_path: Path, simulator: Simulator
) -> None:
    with Gateway(tmp_path, max_connections_per_address="5") as gateway:
        wires = [Wire(gateway.data) for _ in range(8)]
        statuses = [wire.answer().status for wire in wires[5:]]
        assert statuses == [503] * 3
        assert [wire.ask("GET", "/health").status for wire in wires[:5]] == [200] * 5
        wires.pop().__exit__()
        wires.pop(0).__exit__()
        until(lambda: _may_connect(gateway))
        with Wire(gateway.console) as console:
            text = console.ask("GET", "/metrics").body.decode()
        assert 'tollkeeper_connections_refused_total{port="data",reason="address"}' in text
        log = gateway.command.said()
        assert log.count("connections to the data plane are refused") == 1
        for wire in wires:
            wire.__exit__()


def _may_connect(gateway: Gateway) -> bool:
    with Wire(gateway.data) as wire:
        return wire.ask("GET", "/health").status == 200
