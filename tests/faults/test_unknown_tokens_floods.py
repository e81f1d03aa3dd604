"""A caller who asks with a new random token each time is refused; others' tokens are looked up in time."""

import http.client
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from tollkeeper_server.coordination.turns import PER_NETWORK

from tests.faults.asking_process import BODY
from tests.faults.flood_bounds import Bounds
from tests.faults.processes import own_redis
from tests.integration.process import Gateway, Simulator, clean_environment
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer

_ASKING = Path(__file__).with_name("unknown_tokens_process.py")
CONNECTIONS, SECONDS = 200, 2.0
FEW = 8
HONEST_LOOK_UPS = 200
FORGOTTEN_SECONDS = "0.2"
"""How long a token is known: those that a test made before its flood have to be looked up."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with own_redis(tmp_path_factory.mktemp("flooded") / "redis") as server:
        yield server


def _chat(gateway: Gateway, token: str, ours: str) -> int:
    """Return what a chat is answered, that is asked for on a new connection from an address of ours."""
    host, _, port = gateway.data.removeprefix("http://").rpartition(":")
    asking = http.client.HTTPConnection(host, int(port), timeout=30, source_address=(ours, 0))
    try:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        asking.request("POST", "/v1/chat/completions", BODY, headers)
        answer = asking.getresponse()
        answer.read()
        return answer.status
    finally:
        asking.close()


def _hold(gateway: Gateway, bounds: Bounds) -> Counter[int]:
    """Flood the gateway, and return what the flood was answered. Others are served from another address."""
    known, forgotten = gateway.new_token(), [gateway.new_token() for _ in range(20)]
    answered: Counter[int] = Counter()

    def flood() -> None:
        command = [sys.executable, str(_ASKING), str(CONNECTIONS), str(SECONDS)]
        command.append(gateway.data.removeprefix("http://"))
        with subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.PIPE, text=True
        ) as flooding:
            assert flooding.stdout is not None
            assert flooding.stdout.readline() == "asking\n"
            served = [_chat(gateway, token, "127.0.0.3") for token in [*forgotten, gateway.new_token()]]
            told = json.loads(flooding.communicate(timeout=60)[0])
        assert served == [200] * 21
        answered.update({int(status): count for status, count in told["statuses"].items()})
        assert told["longest"] < 5

    bounds.hold(gateway, known, flood)
    return answered


@pytest.fixture
def gateway_of(simulator: Simulator, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway on its embedded store, that forgets tokens soon."""
    with Gateway(tmp_path, auth_cache_seconds=FORGOTTEN_SECONDS) as gateway:
        gateway.serve_models(simulator)
        yield gateway
        assert gateway.command.stop() == 0
        assert "Traceback" not in gateway.command.said()


def test_sqlite_alone(gateway_of: Gateway, bounds: Bounds) -> None:
    answered = _hold(gateway_of, bounds)
    assert answered[401]
    assert answered.keys() <= {401, 503}


@pytest.mark.mongo
@pytest.mark.parametrize("away", [False, True], ids=["redis there", "redis away"])
def test_redis_and_mongodb(
    simulator: Simulator,
    tmp_path: Path,
    mongo_process: MongoServer,
    redis: RedisServer,
    bounds: Bounds,
    away: bool,
) -> None:
    url = redis.new_url()
    with Gateway(
        tmp_path, store=mongo_process.new_url(), redis=url, auth_cache_seconds=FORGOTTEN_SECONDS
    ) as gateway:
        gateway.serve_models(simulator)
        if away:
            redis.stop()
        try:
            answered = _hold(gateway, bounds)
        finally:
            if away:
                redis.start()
        assert answered[401]
        assert answered.keys() <= {401, 503}
        if not away:  # a flood is no outage
            assert "Redis does not answer" not in gateway.command.said()
            with Redis.from_url(url, protocol=2) as asking:
                # Connections that were made stay: as many as there were look-ups at once, and a few beside.
                assert asking.info("clients")["connected_clients"] <= PER_NETWORK + FEW
                asked = asking.info("commandstats")["cmdstat_get"]["calls"]
            assert asked <= answered[401] + answered[503] + HONEST_LOOK_UPS
        assert gateway.command.stop() == 0
        assert "Traceback" not in gateway.command.said()


def test_many_honest_callers_behind_one_address_are_all_served(gateway_of: Gateway) -> None:
    tokens = [gateway_of.new_token() for _ in range(100)]
    with ThreadPoolExecutor(100) as pool:
        answered = Counter(pool.map(lambda token: _chat(gateway_of, token, "127.0.0.3"), tokens))
    assert answered == {200: 100}
