"""The URLs of Redis say where it is written, and with what credentials."""

from pathlib import Path

import pytest
import redis
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.primary import primary_of

from tests.faults.processes import own_redis
from tests.servers.redis_groups import watched_redis
from tests.unit.coordination.redis.parts import PATIENT

PASSWORD = "redis-password-canary-3d17"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis://cache.test", "cache.test:6379"),
        ("rediss://user:secret@cache.test:7000/3", "cache.test:7000"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("redis+sentinel://a.test,b.test:7000/main", "a.test:26379,b.test:7000 (main)"),
        ("rediss+sentinel://user:secret@[::1]/main/2", "[::1]:26379 (main)"),
        ("redis+cluster://a.test,b.test:7000", "a.test:6379,b.test:7000 (cluster)"),
        ("rediss+cluster://:secret@a.test/0?ssl_ca_certs=/ca.pem", "a.test:6379 (cluster)"),
    ],
)
def test_messages_name_the_servers_without_their_secrets(url: str, named: str) -> None:
    assert primary_of(url, timeout=1.0).name == named


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache.test?unknown=1",
        "redis+sentinel://a.test",
        "redis+sentinel://a.test/main/first",
        "redis+sentinel://a.test,/main",
        "redis+sentinel://a.test:port/main",
        "redis+sentinel://a.test/main?unknown=1",
        "redis+cluster://a.test/1",
        "redis+cluster://",
        "redis+other://a.test",
        "http://cache.test",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        primary_of(url, timeout=1.0)


async def writes(url: str) -> bool:
    """Return whether Redis takes a write."""
    link = RedisLink(url, timeout=PATIENT)
    await link.open()
    answers = link.answers
    await link.close()
    return answers


async def test_users_are_those_of_redis(tmp_path: Path) -> None:
    with own_redis(tmp_path / "redis") as server:
        with redis.Redis(port=server.port) as client:
            keys, passwords = ["{tollkeeper}:*"], [f"+{PASSWORD}"]
            client.acl_setuser("tollkeeper", enabled=True, passwords=passwords, keys=keys, commands=["+@all"])
            client.acl_setuser("default", enabled=False)
        assert await writes(f"redis://tollkeeper:{PASSWORD}@127.0.0.1:{server.port}/0")
        assert not await writes(f"redis://tollkeeper:wrong@127.0.0.1:{server.port}/0")
        assert not await writes(f"redis://127.0.0.1:{server.port}/0")


async def test_sentinels_may_have_a_password_too(tmp_path: Path) -> None:
    with watched_redis(tmp_path, PASSWORD) as watched:
        assert await writes(watched.url())
        assert not await writes(watched.url().partition("?")[0])
