"""A gateway and a simulated provider, shared by the tests that leave them as they were."""

from collections.abc import Iterator

import pytest

from tests.integration.process import Gateway, Simulator
from tests.integration.scripted import ScriptedUpstream


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulated provider."""
    with Simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway on its embedded defaults, every model served by the simulator."""
    with Gateway(tmp_path_factory.mktemp("gateway")) as running:
        running.serve_models(simulator)
        yield running


@pytest.fixture(scope="session")
def token(gateway: Gateway) -> str:
    """The secret of an unlimited token."""
    return gateway.new_token()


@pytest.fixture(scope="module")
def listening() -> Iterator[ScriptedUpstream]:
    """An upstream for the gateway of a module; its tests take `upstream`, which has forgotten the others."""
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def upstream(listening: ScriptedUpstream) -> ScriptedUpstream:
    """An upstream whose every byte the test decides."""
    listening.forget()
    return listening
