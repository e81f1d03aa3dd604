"""No secret ever stands in a log, an error, a usage event, or in clear on a disk, whatever goes wrong."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.faults.canaries import (
    ENCRYPTION_KEY,
    MONGO_PASSWORD,
    REDIS_PASSWORD,
    Watched,
    crash,
    fail_management,
    fail_stores,
    set_up,
    use,
    with_password,
)
from tests.faults.processes import own_mongo, own_redis
from tests.faults.session_canaries import fail_sessions, use_sessions
from tests.faults.traffic import ask
from tests.integration.process import MANAGEMENT_TOKEN, PROVIDER_KEY, Gateway, Simulator
from tests.integration.scripted import ScriptedUpstream

pytestmark = pytest.mark.mongo


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Watched]:
    """The gateway, after all of it has happened."""
    directory = tmp_path_factory.mktemp("watched")
    with (
        own_mongo(directory / "mongo") as mongo,
        own_redis(directory / "redis", password=REDIS_PASSWORD) as redis_server,
        ScriptedUpstream() as scripted,
    ):
        redis_url = redis_server.new_url()
        with Gateway(
            directory / "gateway",
            store=with_password(mongo),
            redis=redis_url,
            log_level="debug",
            encryption_key=ENCRYPTION_KEY,
        ) as gateway:
            found = Watched(gateway, mongo, redis_server, redis_url)
            found.canaries |= {"management token": MANAGEMENT_TOKEN, "encryption key": ENCRYPTION_KEY}
            found.canaries |= {"MongoDB's password": MONGO_PASSWORD, "Redis's password": REDIS_PASSWORD}
            set_up(found, simulator, scripted)
            use(found, scripted)
            fail_management(found)
            use_sessions(found)
            fail_stores(found, fail_sessions)
            asyncio.run(crash(found))
            use(found, scripted)
            yield found


def test_a_secret_would_be_found(watched: Watched) -> None:
    echoed = ask(watched.gateway, watched.canaries["the token"], "echo-headers")
    assert watched.found_in(echoed.content) == {"the provider's key"}


def test_no_secret_is_logged_or_said(watched: Watched) -> None:
    logs = "".join((*watched.said, watched.gateway.command.said()))
    assert "UpstreamService.CreateUpstream" in logs
    assert watched.found_in(logs.encode()) == set()
    assert len(watched.replies) > 200
    assert watched.found_in("".join(watched.replies).encode()) == set()


def found_on_disk(watched: Watched) -> dict[Path, set[str]]:
    """Return the files of the gateway and its store that hold canaries, and which."""
    places = (watched.gateway.directory, watched.mongo.directory)
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path: found for path in files if (found := watched.found_in(path.read_bytes()))}


def test_no_secret_is_kept_in_clear(watched: Watched) -> None:
    assert list((watched.gateway.directory / "data").rglob("*.jsonl"))
    assert found_on_disk(watched) == {}


def test_no_secret_is_kept_in_clear_beside_sqlite(gateway: Gateway, token: str) -> None:
    assert ask(gateway, token).status_code == 200
    data = gateway.directory / "data"
    key_file = data / "encryption-key"
    secrets = (token, PROVIDER_KEY, MANAGEMENT_TOKEN, key_file.read_text().strip())
    files = {path for path in data.rglob("*") if path.is_file()}
    assert {data / "tollkeeper.db", data / "tollkeeper.db-wal", key_file} <= files
    for path in files - {key_file}:
        assert [secret for secret in secrets if secret.encode() in path.read_bytes()] == [], path


def test_no_secret_is_in_redis(watched: Watched) -> None:
    with redis.Redis.from_url(watched.redis_url) as client:
        keys = list(client.scan_iter())
        assert any(key.startswith(b"{tollkeeper}:token:") for key in keys)
        kept = b"".join(key + (client.get(key) or b"") for key in keys)
    assert watched.found_in(kept) == set()


def test_no_secret_is_in_what_is_managed(watched: Watched) -> None:
    with watched.gateway.management() as client:
        shown = [
            *client.projects.list(),
            *client.tokens.list(),
            *client.upstreams.list(),
            *client.models.list(),
            *client.usage.events(),
        ]
    assert watched.found_in(repr(shown).encode()) == set()


def test_ending_says_nothing_either(watched: Watched) -> None:
    assert watched.gateway.command.stop() == 0
    assert watched.found_in(watched.gateway.command.said().encode()) == set()
    assert found_on_disk(watched) == {}
