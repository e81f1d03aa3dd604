"""What the tests of faults share: a provider, a gateway, and two gateways on one MongoDB and one Redis."""

from collections.abc import Iterator

import pytest

from tests.faults.processes import POLL, Pair, own_redis, pair_of
from tests.integration.process import Gateway, Simulator
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulated provider."""
    with Simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A provider that floods alone ask, so that others don't wait for it."""
    with Simulator(tmp_path_factory.mktemp("busy")) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway on its embedded defaults. After all that is done to it, it still ends well."""
    with Gateway(tmp_path_factory.mktemp("gateway")) as running:
        running.serve_models(simulator)
        yield running
        assert running.command.stop() == 0


@pytest.fixture(scope="session")
def token(gateway: Gateway) -> str:
    """The secret of an unlimited token of `gateway`."""
    return gateway.new_token()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis of `pair`. A test that stops it starts it again."""
    with own_redis(tmp_path_factory.mktemp("shared") / "redis") as server:
        yield server


@pytest.fixture(scope="session")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    simulator: Simulator,
    mongo_process: MongoServer,
    shared_redis: RedisServer,
) -> Iterator[Pair]:
    """Two gateways on one MongoDB and one Redis, which poll so rarely that only a push is in time."""
    directory = tmp_path_factory.mktemp("pair")
    store, redis = mongo_process.new_url(), shared_redis.new_url()
    with pair_of(directory, store=store, redis=redis, poll_seconds="600") as both:
        both.first.serve_models(simulator)
        yield both


@pytest.fixture(scope="session")
def sqlite_pair(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Pair]:
    """Two gateways on one SQLite file, which learn from each other by polling alone."""
    directory = tmp_path_factory.mktemp("sqlite-pair")
    with pair_of(directory, store=f"sqlite:///{directory / 'shared.db'}", **POLL) as both:
        both.first.serve_models(simulator)
        yield both
