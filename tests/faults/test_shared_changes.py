"""What one process changes is in force in the others: pushed at once, and polled for if no push comes."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from tollkeeper import Breaker, Deployment, MintedToken, Provider
from tollkeeper.values.status import BreakerState

from tests.faults.processes import POLL, Pair, own_redis, pair_of
from tests.faults.traffic import ask, code_of, models_of
from tests.integration.process import PROVIDER_KEY, Gateway, Simulator, until
from tests.servers.mongo import MongoServer

_WAYS = [pytest.param(way, marks=pytest.mark.mongo) for way in ("push", "redis-away")]


@pytest.fixture(scope="module", params=[*_WAYS, "sqlite"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two gateways on one store, which learn from each other in one way or another."""
    if request.param == "push":
        yield request.getfixturevalue("pair")
        return
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_pair")
        return
    simulator: Simulator = request.getfixturevalue("simulator")
    mongo: MongoServer = request.getfixturevalue("mongo_process")
    directory = tmp_path_factory.mktemp("polling")
    with (
        own_redis(directory / "redis") as redis,
        pair_of(directory, store=mongo.new_url(), redis=redis.new_url(), **POLL) as found,
    ):
        found.first.serve_models(simulator)
        redis.stop()
        yield found


def await_admission(gateway: Gateway, secret: str) -> None:
    until(lambda: ask(gateway, secret).status_code == 200)


def known_to_both(both: Pair, **options: object) -> MintedToken:
    """Return a token that both have in their memories."""
    minted = both.first.mint(**options)
    for gateway in (both.first, both.second):
        await_admission(gateway, minted.token)
    return minted


def refused(gateway: Gateway, secret: str, model: str = "gpt-4o") -> Callable[[], object]:
    """Return a question to be asked until the gateway refuses; its answer is the error's code."""

    def asked() -> object:
        answer = ask(gateway, secret, model=model)
        return None if answer.status_code == 200 else code_of(answer)

    return asked


def test_a_revoked_token(both: Pair) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        client.tokens.revoke(minted.id)
    assert until(refused(both.second, minted.token)) == "invalid_api_key"
    assert refused(both.first, minted.token)() == "invalid_api_key"


def test_every_token_of_a_project_revoked_at_once(both: Pair) -> None:
    with both.first.management() as client:
        project = client.projects.create(name="leaked")
        minted = [client.tokens.create(project_id=project.id) for _ in range(5)]
        for one in minted:
            await_admission(both.second, one.token)
        assert client.projects.revoke_tokens(project.id).revoked_count == 5
    for one in minted:
        assert until(refused(both.second, one.token)) == "invalid_api_key"


def test_a_deactivated_project_and_its_return(both: Pair) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        client.projects.update(minted.project_id, is_active=False)
        assert until(refused(both.second, minted.token)) == "project_inactive"
        client.projects.update(minted.project_id, is_active=True)
    await_admission(both.second, minted.token)


def test_an_edited_token(both: Pair) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        client.tokens.update(minted.id, allowed_models=["gpt-5"])
    assert until(refused(both.second, minted.token)) == "model_not_allowed"
    assert ask(both.second, minted.token, model="gpt-5").status_code == 200


def test_a_rotated_token(both: Pair) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        rotated = client.tokens.rotate(minted.id)
    assert until(refused(both.second, minted.token)) == "invalid_api_key"
    for gateway in (both.first, both.second):
        assert ask(gateway, rotated.token).status_code == 200


def test_a_token_that_is_reactivated(both: Pair) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        client.tokens.revoke(minted.id)
        until(refused(both.second, minted.token))
        client.tokens.update(minted.id, is_active=True)
    await_admission(both.second, minted.token)


def test_a_model_that_comes_and_goes(both: Pair) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        client.models.create(name="claude-new", deployments=[Deployment("sim")])
        until(lambda: "claude-new" in models_of(both.second, minted.token))
        client.models.delete("claude-new")
        until(lambda: "claude-new" not in models_of(both.second, minted.token))


def test_models_that_an_upstream_lists(both: Pair, simulator: Simulator) -> None:
    minted = known_to_both(both, allowed_models=["gpt-4o", "dall-e-*"])
    with both.first.management() as client:
        client.upstreams.create(
            name="listing",
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key=PROVIDER_KEY,
            list_models=True,
        )
        client.models.create(name="dall-*", deployments=[Deployment("listing")])
        until(lambda: models_of(both.second, minted.token) == ["dall-e-3", "gpt-4", "gpt-4o"])
        assert models_of(both.first, minted.token) == ["dall-e-3", "gpt-4", "gpt-4o"]
        client.upstreams.update("listing", list_models=False)
        until(lambda: models_of(both.second, minted.token) == ["gpt-4", "gpt-4o"])
        client.models.delete("dall-*")
        client.upstreams.delete("listing")


def test_an_upstreams_new_key(both: Pair, simulator: Simulator) -> None:
    minted = known_to_both(both)
    with both.first.management() as client:
        client.upstreams.create(
            name="rekeyed",
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key=PROVIDER_KEY,
        )
        client.models.create(name="rekeyed", deployments=[Deployment("rekeyed")])

        def sent() -> str:
            answer = ask(both.second, minted.token, "echo-headers", model="rekeyed")
            headers = answer.json().get("headers", ())
            return next((value for name, value in headers if name == "authorization"), "")

        until(lambda: sent() == f"Bearer {PROVIDER_KEY}")
        client.upstreams.update("rekeyed", api_key="sk-another-key-0123456789")
        until(lambda: sent() == "Bearer sk-another-key-0123456789")
        client.models.delete("rekeyed")
        client.upstreams.delete("rekeyed")


@pytest.mark.mongo
def test_a_breaker_that_is_reset_at_either_is_closed_in_both(pair: Pair, simulator: Simulator) -> None:
    both = (pair.first, pair.second)
    minted = pair.first.mint()
    with pair.first.management() as client:
        client.upstreams.create(
            name="brittle",
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key=PROVIDER_KEY,
            breaker=Breaker(min_calls=1, threshold=0.1, cooldown=timedelta(hours=1)),
        )
        client.models.create(name="brittle", deployments=[Deployment("brittle")])
    for gateway in both:
        until(lambda gateway=gateway: "brittle" in models_of(gateway, minted.token))  # type: ignore[misc]
    for resetting in both:
        for gateway in both:
            assert ask(gateway, minted.token, "status=500", model="brittle").status_code == 500
            assert breaker_at(gateway) is BreakerState.OPEN
            assert ask(gateway, minted.token, model="brittle").status_code == 503
        with resetting.management() as client:
            client.upstreams.reset_breaker("brittle")
        for gateway in both:
            until(lambda gateway=gateway: breaker_at(gateway) is BreakerState.CLOSED)  # type: ignore[misc]
            assert ask(gateway, minted.token, model="brittle").status_code == 200
    with pair.first.management() as client:
        client.models.delete("brittle")
        client.upstreams.delete("brittle")


def breaker_at(gateway: Gateway) -> BreakerState:
    """Return the breaker of the upstream `brittle`, as a gateway sees it."""
    with gateway.management() as client:
        (found,) = (it for it in client.status.upstreams() if it.name == "brittle")
    return found.breaker
