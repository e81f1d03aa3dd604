"""Names that hang, fail and move, told by a DNS server of ours to real processes."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Deployment, Probe, Provider

from tests.faults.processes import own_redis
from tests.faults.traffic import Answer, ask, callers, reaches_all, send
from tests.integration.process import (
    MANAGEMENT_TOKEN,
    PATIENT,
    PROVIDER_KEY,
    CommandProcess,
    Gateway,
    Simulator,
    clean_environment,
    until,
)
from tests.servers.dns import DnsServer, Says
from tests.servers.mongo import MongoServer
from tests.servers.ports import free_port

FOUND_SECONDS = 30.0
"""How long it takes at most to give up at start, or to find again what a name leads to."""
BEHIND_PROXY = "behind-proxy.test"
HANGING = [*(f"hangs-{number}.test" for number in range(12)), BEHIND_PROXY]


@dataclass(frozen=True, slots=True)
class Site:
    """A gateway whose upstreams have names, and a token of it."""

    gateway: Gateway
    dns: DnsServer
    token: str


def upstreams_of(simulator: Simulator) -> dict[str, str]:
    """Return where each upstream is, by the model that it serves."""
    port = simulator.address.rpartition(":")[2]
    named = {"by-name": f"http://sim.test:{port}/v1", "by-address": f"http://{simulator.address}/v1"}
    named |= {"absent.test": f"http://absent.test:{port}/v1"}
    return named | {host: f"http://{host}:{port}/v1" for host in HANGING}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("names")
    with DnsServer(directory) as dns:
        dns.names = {
            "sim.test": ["127.0.0.1"],
            "proxy.test": Says.NOTHING,
            **dict.fromkeys(HANGING, Says.NOTHING),
        }
        with Gateway(directory, environment=dns.environment(), connect_timeout_seconds="3") as gateway:
            with gateway.management() as client:
                for model, url in upstreams_of(simulator).items():
                    client.upstreams.create(
                        name=model,
                        provider=Provider.OPENAI,
                        base_url=url,
                        api_key=PROVIDER_KEY,
                        breaker=PATIENT,
                        list_models=True,
                        proxy_url="http://proxy.test:3128" if model == BEHIND_PROXY else None,
                        probe=Probe(path="/models", interval=timedelta(seconds=1)),
                    )
                    client.models.create(name=model, deployments=[Deployment(model)])
            yield Site(gateway, dns, gateway.new_token())
            assert gateway.command.stop() == 0  # look-ups that hang do not keep it


async def all_at_once(site: Site, models: list[str]) -> list[Answer]:
    """Ask for each model at the same time, each on a connection of its own."""
    async with callers() as session:
        return await asyncio.gather(
            *(send(session, site.gateway, site.token, model=model) for model in models)
        )


async def test_names_that_hang_hold_up_nobody_else(site: Site) -> None:
    hanging = asyncio.create_task(all_at_once(site, HANGING * 3))
    async with asyncio.timeout(30):
        while not all(site.dns.asked[host] for host in ["proxy.test", *HANGING[:-1]]):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    served = await all_at_once(site, ["by-name", "by-address"] * 20)
    assert Counter(answer.status for answer in served) == {200: 40}
    assert Counter(answer.status for answer in await hanging) == {502: 3 * len(HANGING)}


async def test_the_last_good_answer_serves_while_the_server_of_names_fails(site: Site) -> None:
    before = site.dns.asked["sim.test"]
    for site.dns.mood in Says.FAILURE, Says.NOTHING:
        answers = await all_at_once(site, ["by-name"] * 20)
        assert Counter(answer.status for answer in answers) == {200: 20}
    site.dns.mood = None
    assert (
        'tollkeeper_name_look_ups_total{result="success"}'
        in httpx2.get(f"{site.gateway.console}/metrics").text
    )
    assert site.dns.asked["sim.test"] <= before + 8


def test_a_name_that_is_not_there_is_said(site: Site) -> None:
    answer = ask(site.gateway, site.token, model="absent.test")
    assert answer.status_code == 502
    assert "does not resolve" in answer.text


@pytest.mark.mongo
@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
def test_redis_and_mongodb_are_found_by_name_and_found_again(
    tmp_path: Path, mongo_process: MongoServer, scheme: str
) -> None:
    database = mongo_process.new_url().rpartition("/")[2]
    hosts = {
        "mongodb": f"mongo.db.test:{mongo_process.port}/{database}",
        "mongodb+srv": f"cluster.db.test/{database}?tls=false",
    }
    with DnsServer(tmp_path) as dns, own_redis(tmp_path / "redis") as redis:
        dns.names = {"redis.test": ["127.0.0.1"], "mongo.db.test": ["127.0.0.1"], "cluster.db.test": []}
        dns.services["_mongodb._tcp.cluster.db.test"] = ("mongo.db.test", mongo_process.port)
        with Gateway(
            tmp_path / "gateway",
            environment=dns.environment(),
            store=f"{scheme}://{hosts[scheme]}",
            redis=f"redis://redis.test:{redis.port}/1",
        ) as gateway:
            assert reaches_all(gateway)
            redis.stop()
            gateway.new_token()  # which is told through Redis
            until(lambda: not reaches_all(gateway))
            dns.mood = Says.FAILURE
            redis.start()
            until(lambda: reaches_all(gateway))


@pytest.mark.parametrize(
    "at_first",
    [Says.ABSENT, Says.FAILURE, Says.NOTHING, ["127.0.0.9"]],
    ids=["absent", "failing", "hanging", "refusing"],
)
def test_a_redis_whose_name_leads_nowhere_at_start_is_done_without_and_found_later(
    tmp_path: Path, simulator: Simulator, at_first: Says | list[str]
) -> None:
    with DnsServer(tmp_path) as dns, own_redis(tmp_path / "redis") as redis:
        dns.names["redis.test"] = at_first
        with Gateway(
            tmp_path / "gateway",
            environment=dns.environment(),
            redis=f"redis://redis.test:{redis.port}/1",
            auth_cache_seconds="0.2",
        ) as gateway:
            assert "going on without it" in gateway.command.said()
            assert "redis.test" in gateway.command.said()
            gateway.serve_models(simulator)
            token = gateway.new_token()
            time.sleep(0.3)  # until it is forgotten, and must be looked up
            began = time.monotonic()
            assert ask(gateway, token).status_code == 200
            assert time.monotonic() - began < 1.5
            assert not reaches_all(gateway)
            dns.names["redis.test"] = ["127.0.0.1"]
            until(lambda: reaches_all(gateway), seconds=FOUND_SECONDS)
            assert gateway.command.stop() == 0


@pytest.mark.mongo
@pytest.mark.parametrize(
    ("at_first", "reason"),
    [
        (Says.ABSENT, "mongo.db.test"),
        (Says.FAILURE, "mongo.db.test"),
        (Says.NOTHING, "mongo.db.test"),
        (["127.0.0.9"], "mongo.db.test"),
    ],
    ids=["absent", "failing", "hanging", "refusing"],
)
def test_a_mongodb_whose_name_leads_nowhere_at_start_is_said_and_found_by_the_next_start(
    tmp_path: Path, mongo_process: MongoServer, at_first: Says | list[str], reason: str
) -> None:
    database = mongo_process.new_url().rpartition("/")[2]
    with DnsServer(tmp_path) as dns:
        dns.names["mongo.db.test"] = at_first
        settings = {
            "store": f"mongodb://mongo.db.test:{mongo_process.port}/{database}",
            "management_token": MANAGEMENT_TOKEN,
            "data_dir": str(tmp_path / "data"),
            **{f"{listener}_address": f"127.0.0.1:{free_port()}" for listener in ("data", "console", "grpc")},
        }
        environment = clean_environment(
            **{f"TOLLKEEPER_{name.upper()}": value for name, value in settings.items()}, **dns.environment()
        )
        began = time.monotonic()
        command = CommandProcess(["serve"], environment, tmp_path)
        assert command.wait() == 1
        assert time.monotonic() - began < FOUND_SECONDS
        assert reason in command.said()
        assert "Traceback" not in command.said()
        dns.names["mongo.db.test"] = ["127.0.0.1"]
        again = CommandProcess(["serve"], environment, tmp_path)
        again.wait_for("ready: ")
        assert again.stop() == 0


@pytest.mark.parametrize(
    ("says", "reason"),
    [(Says.ABSENT, "has no SRV records"), (Says.FAILURE, "the store is not reachable at the moment")],
)
def test_servers_of_mongodb_that_are_not_found_are_said(tmp_path: Path, says: Says, reason: str) -> None:
    with DnsServer(tmp_path) as dns:
        dns.mood = says
        environment = clean_environment(
            TOLLKEEPER_STORE="mongodb+srv://cluster.db.test/x",
            MANAGEMENT_TOKEN=MANAGEMENT_TOKEN,
            **{f"TOLLKEEPER_{listener}_ADDRESS": "127.0.0.1:0" for listener in ("DATA", "CONSOLE", "GRPC")},
            **dns.environment(),
        )
        command = CommandProcess(["serve"], environment, tmp_path)
        assert command.wait() == 1
        assert reason in command.said()
