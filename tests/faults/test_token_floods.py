"""Callers with a token who take all that they are granted, of a gateway as it is set by default."""

from collections.abc import Iterator

import pytest

from tests.faults.flood_bounds import SECONDS, Bounds
from tests.faults.flooding import flood, serve_busy
from tests.integration.process import Gateway, Simulator

GRANTED = 256 << 20
"""Half of `max_bodies_bytes`: what the bodies of a token may take."""
# kind -> connections, and the bytes that are granted
FLOODS = {
    "fast streams": (1000, 0),
    "pipelined chats": (60, 0),
    "lists in bodies": (3, GRANTED),
    "escapes in bodies": (3, GRANTED),
    "large bodies": (100, GRANTED),
}


@pytest.fixture(scope="module")
def flooded(
    tmp_path_factory: pytest.TempPathFactory, simulator: Simulator, busy: Simulator
) -> Iterator[Gateway]:
    """A gateway that serves all floods."""
    with Gateway(tmp_path_factory.mktemp("flooded"), drain_seconds="1") as running:
        running.serve_models(simulator)
        serve_busy(running, busy)
        yield running
        assert running.command.stop() == 0
        assert "Traceback" not in running.command.said()


@pytest.mark.alone  # they take long
@pytest.mark.parametrize("kind", FLOODS)
def test_a_token_costs_what_it_is_granted_and_a_little(flooded: Gateway, bounds: Bounds, kind: str) -> None:
    honest, greedy = flooded.new_token(), flooded.new_token()
    connections, granted = FLOODS[kind]
    bounds.hold(flooded, honest, lambda: flood(flooded, kind, connections, SECONDS, greedy), granted=granted)
