"""The store, Redis, or both are away, or hang: who is known goes on, nobody is taken for unknown."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from tollkeeper import Confidence, Unavailable
from tollkeeper_server.coordination.deadline import LOOK_UP_SECONDS

from tests.faults.processes import Pair, gateways, own_mongo, own_redis
from tests.faults.traffic import PATIENCE, ask, code_of, reaches_all
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, until
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.mongo

# So that a server that is away, or hangs, is noticed soon.
IMPATIENT = "?serverSelectionTimeoutMS=300&connectTimeoutMS=300&heartbeatFrequencyMS=500"
# So that the driver never finds out that a server hangs.
TRUSTING = "?" + "&".join(
    f"{limit}=3600000"
    for limit in ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS", "heartbeatFrequencyMS")
)


@dataclass(frozen=True, slots=True)
class Site:
    """Gateways on one store: `one` and `other` share a Redis, `forgetful` keeps tokens for two seconds.

    `trusting` would wait for the store for an hour.
    """

    mongo: MongoServer
    redis: RedisServer
    one: Gateway
    other: Gateway
    forgetful: Gateway
    trusting: Gateway


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("outages")
    with own_mongo(directory / "mongo") as mongo, own_redis(directory / "redis") as redis:
        steady = {"store": mongo.new_url() + IMPATIENT, "redis": redis.new_url()}
        brief = steady | {"redis": redis.new_url(), "auth_cache_seconds": "2", "poll_seconds": "0.2"}
        trusting = steady | {"store": mongo.new_url() + TRUSTING}
        with gateways(directory, steady, steady, brief, trusting) as (one, other, forgetful, last):
            one.serve_models(simulator)
            yield Site(mongo, redis, one, other, forgetful, last)


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The site, everything at work before and after."""
    yield running
    running.mongo.start()
    running.redis.start()
    for gateway in (running.one, running.other, running.forgetful):
        await_store(gateway)


def nobody() -> str:
    """Return a secret that was never tried before, so that only the store can say it is unknown."""
    return f"sk-tk-{secrets.token_hex(16)}"


def await_store(gateway: Gateway) -> None:
    """Wait until a gateway knows again who is unknown."""
    until(lambda: ask(gateway, nobody()).status_code == 401)


def await_readiness(gateway: Gateway) -> None:
    """Wait until a gateway reaches everything it uses."""
    until(lambda: reaches_all(gateway))


def assert_told_to_come_back(answer: httpx2.Response) -> None:
    assert (answer.status_code, code_of(answer)) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-should-retry"] == "true"


def assert_each_once(gateway: Gateway, token_id: str, answers: list[httpx2.Response]) -> None:
    """Hold the store to one event for each answer."""
    asked = sorted(answer.headers["x-request-id"] for answer in answers)
    until(lambda: len(gateway.usage(token_id=token_id)) >= len(asked), seconds=40)
    assert sorted(event.request_id for event in gateway.usage(token_id=token_id)) == asked


def test_without_redis_everything_goes_on_and_with_it_coordination_resumes(
    pair: Pair, shared_redis: RedisServer
) -> None:
    known = pair.first.mint()
    assert ask(pair.second, known.token).status_code == 200
    shared_redis.stop()
    assert ask(pair.second, known.token).status_code == 200
    fresh = pair.first.mint()
    assert ask(pair.second, fresh.token).status_code == 200
    assert ask(pair.second, "sk-tk-unknown").status_code == 401
    with pair.first.management() as client:
        client.tokens.revoke(known.id)
        assert ask(pair.first, known.token).status_code == 401

        shared_redis.start()
        until(lambda: ask(pair.second, known.token).status_code == 401)
        for gateway in (pair.first, pair.second):
            await_readiness(gateway)
        client.tokens.revoke(fresh.id)
    until(lambda: ask(pair.second, fresh.token).status_code == 401)


def test_without_the_store_known_tokens_go_on_and_others_are_told_to_come_back(site: Site) -> None:
    known, limited = site.one.mint(), site.one.mint(max_requests=10)
    answers = [ask(site.one, known.token)]
    assert ask(site.one, limited.token).status_code == 200
    until(lambda: site.one.usage(token_id=known.id))
    site.mongo.stop()
    answers += [ask(site.one, known.token) for _ in range(20)]
    assert [answer.status_code for answer in answers] == [200] * 21
    assert_told_to_come_back(ask(site.one, nobody()))
    assert_told_to_come_back(ask(site.one, limited.token))
    with site.one.management() as client, pytest.raises(Unavailable) as refused:
        client.projects.create(name="nowhere")
    assert refused.value.reason == "store_unavailable"
    rest = httpx2.get(
        f"{site.one.console}/manage/projects",
        headers={"authorization": f"Bearer {MANAGEMENT_TOKEN}"},
        timeout=30,
    )
    assert rest.status_code == 503
    ready = httpx2.get(f"{site.one.console}/ready", timeout=30)
    assert (ready.status_code, ready.json()["checks"]["snapshot"]) == (200, "ok")
    assert "store" in ready.json()["checks"]["store"]
    assert httpx2.get(f"{site.one.console}/health", timeout=30).status_code == 200

    site.mongo.start()
    await_store(site.one)
    assert_each_once(site.one, known.id, answers)
    with site.one.management() as client:
        assert client.tokens.get(limited.id).request_count == 1
        assert client.projects.create(name="somewhere").id
    await_readiness(site.one)


def test_without_the_store_another_processs_finding_serves(site: Site) -> None:
    minted = site.one.mint()
    assert ask(site.one, minted.token).status_code == 200
    site.mongo.stop()
    assert ask(site.other, minted.token).status_code == 200


def test_without_both_a_token_lives_its_time_and_is_not_unknown_then(site: Site) -> None:
    minted = site.one.mint()
    for gateway in (site.one, site.forgetful):
        assert ask(gateway, minted.token).status_code == 200
    site.redis.stop()
    site.mongo.stop()
    assert ask(site.forgetful, minted.token).status_code == 200
    until(lambda: ask(site.forgetful, minted.token).status_code != 200)
    until(lambda: httpx2.get(f"{site.forgetful.console}/ready", timeout=30).status_code == 503)
    assert_told_to_come_back(ask(site.forgetful, minted.token))
    assert ask(site.one, minted.token).status_code == 200

    site.redis.start()
    site.mongo.start()
    while (status := ask(site.forgetful, minted.token).status_code) != 200:
        assert status == 503


def test_a_store_that_hangs_holds_up_nobody_who_is_known(site: Site) -> None:
    known = site.one.mint()
    answers = [ask(site.one, known.token)]
    site.mongo.freeze()
    try:
        answers += [ask(site.one, known.token) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert_told_to_come_back(ask(site.one, nobody()))
        with site.one.management() as client, pytest.raises(Unavailable):
            client.projects.create(name="nowhere")
        answers.append(ask(site.one, known.token))
        assert answers[-1].status_code == 200
    finally:
        site.mongo.thaw()
    await_store(site.one)
    # What the drain had sent to the hanging store may have been stored after all, and is sent again.
    assert_each_once(site.one, known.id, answers)


@pytest.mark.parametrize("background", [False, True])
def test_what_can_not_be_stored_of_a_response_is_answered_and_stored_when_the_store_is_back(
    site: Site, background: bool
) -> None:
    """Neither its usage nor its place is lost, though Redis is away, too."""
    known = site.one.mint()
    for gateway in (site.one, site.other):
        assert ask(gateway, known.token).status_code == 200
    site.mongo.stop()
    site.redis.stop()
    headers = {"authorization": f"Bearer {known.token}"}
    made = httpx2.post(
        f"{site.one.base_url}/responses",
        headers=headers,
        json={"model": "gpt-4o", "input": "one two three", "background": background},
        timeout=PATIENCE,
    )
    assert (made.status_code, made.json()["status"]) == (200, "queued" if background else "completed")
    where = f"/responses/{made.json()['id']}"
    assert_told_to_come_back(httpx2.get(site.other.base_url + where, headers=headers, timeout=PATIENCE))

    site.mongo.start()
    site.redis.start()
    request_id = made.headers["x-request-id"]

    def metered() -> httpx2.Response | None:
        # An end that is read before the place is stored again is not known as one that is waited for.
        read = httpx2.get(site.other.base_url + where, headers=headers, timeout=PATIENCE)
        events = site.other.usage(request_id=request_id) if read.status_code == 200 else []
        return read if any(it.confidence is Confidence.EXACT for it in events) else None

    read = until(metered)
    assert read is not None
    usage = read.json()["usage"]
    (event,) = site.other.usage(request_id=request_id)
    assert (event.prompt_tokens, event.completion_tokens) == (usage["input_tokens"], usage["output_tokens"])


def test_while_both_hang_who_is_unknown_is_told_so_before_the_drivers_give_up(site: Site) -> None:
    assert LOOK_UP_SECONDS < 2
    assert ask(site.trusting, nobody()).status_code == 401
    tried = nobody()
    site.mongo.freeze()
    site.redis.freeze()
    try:
        assert_told_to_come_back(ask(site.trusting, tried))  # Redis is found out
        assert_told_to_come_back(ask(site.trusting, tried))  # and is not asked again
    finally:
        site.mongo.thaw()
        site.redis.thaw()
    until(lambda: ask(site.trusting, tried).status_code == 401)
