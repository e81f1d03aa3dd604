"""What an upstream keeps is reached there from every process, by whichever it was made."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Deployment, Provider

from tests.faults.processes import Pair
from tests.faults.traffic import headers_of
from tests.integration.process import Gateway, Simulator

MODEL = "kept-by-one-of-two"
ROUNDS = 6


@pytest.fixture(scope="module", params=[pytest.param("pair", marks=pytest.mark.mongo), "sqlite_pair"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two gateways on one store, and a model that two providers serve by turns."""
    pair: Pair = request.getfixturevalue(request.param)
    with (
        Simulator(_folder(tmp_path_factory), "--seed", "1") as one,
        Simulator(_folder(tmp_path_factory), "--seed", "2") as two,
    ):
        with pair.first.management() as client:
            for name, provider in (("keeper-1", one), ("keeper-2", two)):
                client.upstreams.create(
                    name=name,
                    provider=Provider.OPENAI,
                    base_url=f"http://{provider.address}/v1",
                    api_key="sk-placements-0123456789",
                )
            deployments = [Deployment("keeper-1"), Deployment("keeper-2")]
            client.models.create(name=MODEL, deployments=deployments)
        yield pair


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("keeper")


def _make(gateway: Gateway, secret: str, **fields: object) -> httpx2.Response:
    return httpx2.post(
        f"{gateway.base_url}/responses",
        headers=headers_of(secret),
        json={"model": MODEL, "input": "remember this", **fields},
    )


def _read(gateway: Gateway, secret: str, kept: str) -> httpx2.Response:
    return httpx2.get(f"{gateway.base_url}/responses/{kept}", headers=headers_of(secret))


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_found_where_it_was_made(both: Pair, stream: bool) -> None:
    secret = both.first.new_token()
    makers: set[str] = set()
    for _ in range(ROUNDS):
        made = _make(both.first, secret, stream=stream)
        assert made.status_code == 200
        keeper = made.headers["x-tollkeeper-upstream"]
        makers.add(keeper)
        kept = made.text.partition('"id":"')[2].partition('"')[0] if stream else made.json()["id"]
        for gateway in (both.second, both.first):
            found = _read(gateway, secret, kept)
            assert (found.status_code, found.headers["x-tollkeeper-upstream"]) == (200, keeper)
    assert makers == {"keeper-1", "keeper-2"}


def test_what_goes_on_from_a_response_goes_where_that_is(both: Pair) -> None:
    secret = both.first.new_token()
    for _ in range(ROUNDS):
        made = _make(both.first, secret)
        following = _make(both.second, secret, previous_response_id=made.json()["id"])
        assert following.status_code == 200
        assert following.headers["x-tollkeeper-upstream"] == made.headers["x-tollkeeper-upstream"]


def test_no_process_gives_a_project_what_another_has_made(both: Pair) -> None:
    """Also to whom it was asked for before it was made: no answer that there is none outlives the moment."""
    owner, other = both.first.new_token(), both.second.new_token()
    made = _make(both.first, owner).json()["id"]
    unmade = "resp_" + "0" * 32
    for gateway in (both.second, both.first):
        refused = [_read(gateway, other, one) for one in (made, unmade)]
        assert [answer.status_code for answer in refused] == [404, 404]
        told = [answer.json()["error"]["message"] for answer in refused]
        assert told[0].replace(made, "X") == told[1].replace(unmade, "X")
        assert _make(gateway, other, previous_response_id=made).status_code == 404
        assert _read(gateway, owner, made).status_code == 200


def test_an_owner_is_never_told_that_there_is_nothing(both: Pair) -> None:
    """While others ask for all kinds of ids, and right after it was made."""
    owner, other = both.first.new_token(), both.second.new_token()
    stop = threading.Event()

    def guess() -> None:
        with httpx2.Client(headers=headers_of(other)) as client:
            while not stop.is_set():
                client.get(f"{both.second.base_url}/responses/resp_{'0' * 32}")

    guessing = [threading.Thread(target=guess) for _ in range(2)]
    for thread in guessing:
        thread.start()
    try:
        for _ in range(20):
            made = _make(both.first, owner).json()["id"]
            assert _read(both.second, owner, made).status_code == 200
    finally:
        stop.set()
        for thread in guessing:
            thread.join()
