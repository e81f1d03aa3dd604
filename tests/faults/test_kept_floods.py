"""One token that asks for many lists, and has many batches read, costs little memory and delays nobody."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tollkeeper import Deployment, Provider

from tests.faults.flood_bounds import Bounds
from tests.integration.process import PATIENT, Gateway, Simulator
from tests.integration.wire import ask, bearer
from tests.unit.dataplane.keeper import Keeper
from tests.unit.dataplane.keeper_server import serving

MANY = 16
JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def keeper() -> Keeper:
    """An upstream that keeps large things: a page of its lists is as large as one that is read may be."""
    kept = Keeper()
    for number in range(1, 101):
        one = f"vs_{number:06}"
        kept.kept[f"/vector_stores/{one}"] = {"id": one, "created_at": number, "text": "x" * 38_000}
    lines = b'{"url":"/v1/responses","body":{"model":"m","input":"' + b"x" * 2000 + b'"}}\n'
    file = {"id": "file-000001", "created_at": 1, "content": (lines * 5_000).decode(), "made_by": ""}
    kept.kept["/files/file-000001"] = file
    return kept


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keeper: Keeper, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway before it, on which both projects share what is kept by nobody.

    Chats have another upstream.
    """
    folder: Path = tmp_path_factory.mktemp("floods")
    with serving(keeper) as address, Gateway(folder) as running:
        with running.management() as client:
            client.upstreams.create(
                name="keeper",
                provider=Provider.GENERIC,
                base_url=f"{address}/v1",
                is_default=True,
                breaker=PATIENT,
            )
            client.models.create(name="m", deployments=[Deployment("keeper")])
            client.upstreams.create(
                name="sim",
                provider=Provider.OPENAI,
                base_url=f"http://{simulator.address}/v1",
                api_key="sk-x",
            )
            client.models.create(name="gpt-4o", deployments=[Deployment("sim")])
        yield running


def _flood(site: Gateway, bounds: Bounds, request: Callable[[], int], statuses: set[int]) -> None:
    def flood() -> None:
        with ThreadPoolExecutor(MANY) as pool:
            asked = [pool.submit(request) for _ in range(MANY)]
        assert {it.result() for it in asked} <= statuses

    request()  # so that what is loaded once is
    bounds.hold(site, site.new_token(), flood)


def test_lists_of_large_things(site: Gateway, keeper: Keeper, bounds: Bounds) -> None:
    secret = site.new_token()
    # One of its own, so that the upstream is asked: then none is among the many of others.
    made = ask(site.data, "POST", "/v1/vector_stores", [bearer(secret), JSON], b"{}")
    one = json.loads(made.body)["id"]
    keeper.kept = {f"/vector_stores/{one}": keeper.kept.pop(f"/vector_stores/{one}"), **keeper.kept}

    def request() -> int:
        answer = ask(site.data, "GET", "/v1/vector_stores?limit=100", [bearer(secret)])
        assert [it["id"] for it in json.loads(answer.body)["data"]] == [one]
        return answer.status

    _flood(site, bounds, request, {200})


def test_batches_of_a_large_file(site: Gateway, keeper: Keeper, bounds: Bounds) -> None:
    secret = site.new_token(allowed_models=["m"])
    form = (
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nx\r\n--x--\r\n',
        ("content-type", "multipart/form-data; boundary=x"),
    )
    made = ask(site.data, "POST", "/v1/files", [bearer(secret), form[1]], form[0])
    file = json.loads(made.body)["id"]
    keeper.kept[f"/files/{file}"]["content"] = keeper.kept["/files/file-000001"]["content"]
    body = json.dumps({"input_file_id": file}).encode()

    def request() -> int:
        return ask(site.data, "POST", "/v1/batches", [bearer(secret), JSON], body).status

    _flood(site, bounds, request, {200})
