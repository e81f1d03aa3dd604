"""One caller without a token costs the console little, whatever it sends: memory, and the others' time.

The floods are those of console_floods.py. A legitimate caller asks the data plane on both ports meanwhile.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.console_floods import FLOODS
from tests.faults.flood_bounds import SECONDS, Bounds
from tests.integration.process import Gateway, Simulator, clean_environment

ROOT = Path(__file__).resolve().parent.parent.parent

HELD = [
    "answers nobody reads",
    "answers without a window",
    "answers nobody reads on many connections",
    "metrics without a window",
    "rapid reset",
    "made you reset",
    "requests without end",
    "settings",
    "many settings",
    "pings",
    "priorities",
    "windows",
    "empty data",
    "empty continuations",
    "continuations",
    "tiny windows",
    "bombs",
    "large heads",
    "incomplete heads",
    "large bodies",
    "slow bodies",
    "unfinished prefaces",
    "connections without end",
    "http/1.1: unread answers",
    "http/1.1: unread metrics",
    "http/1.1: slow heads",
    "http/1.1: hostile json",
    "upgrades",
]
# So many connections disturb other tests.
ALONE = ["a description nobody reads"]


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[tuple[Gateway, str]]:
    """A gateway, and the secret of a token of its legitimate caller. After all floods it still ends well."""
    with Gateway(tmp_path_factory.mktemp("flooded"), drain_seconds="10") as gateway:
        gateway.serve_models(simulator)
        yield gateway, gateway.new_token()
        assert gateway.command.stop() == 0


@contextmanager
def flood(name: str, url: str) -> Iterator[None]:
    """Have a flood going on."""
    attacker = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.console_floods", name, urlsplit(url).netloc],
        cwd=ROOT,
        env=clean_environment(),
    )
    try:
        yield
        assert attacker.poll() is None
    finally:
        attacker.kill()
        attacker.wait()


@pytest.mark.parametrize("name", [*HELD, *(pytest.param(name, marks=pytest.mark.alone) for name in ALONE)])
def test_a_flood_costs_little(flooded: tuple[Gateway, str], bounds: Bounds, name: str) -> None:
    gateway, secret = flooded
    log_began = len(gateway.command.said())

    def flooding() -> None:
        with flood(name, gateway.console):
            time.sleep(SECONDS)

    bounds.hold(gateway, secret, flooding, ports=("data", "console"))
    said = gateway.command.said()[log_began:]
    assert "Traceback" not in said
    assert said.count("WARNING") < 20


def test_every_flood_is_named() -> None:
    assert {*HELD, *ALONE} <= set(FLOODS)
