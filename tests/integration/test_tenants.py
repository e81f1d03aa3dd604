"""Two projects at one upstream: neither reaches what the other keeps there, with the real SDKs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseCompletedEvent
from tollkeeper import Deployment, Provider

from tests.integration.process import PATIENT, PROVIDER_KEY, Gateway, Simulator

LINE = b'{"custom_id":"1","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"x"}}\n'


@dataclass(frozen=True)
class Tenants:
    """A gateway in front of one upstream, and the clients of two of its projects."""

    gateway: Gateway
    simulator: Simulator
    own: OpenAI
    other: OpenAI
    past: OpenAI
    """Asks the upstream itself."""


def _client(gateway: Gateway, **options: object) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key=gateway.new_token(**options), max_retries=0)


def _start(folder: Path, simulator: Simulator, *, shared: bool = False) -> Gateway:
    gateway = Gateway(folder, share_kept=str(shared))
    with gateway.management() as client:
        client.upstreams.create(
            name="only",
            provider=Provider.OPENAI,
            base_url=f"http://{simulator.address}/v1",
            api_key=PROVIDER_KEY,
            is_default=True,
            breaker=PATIENT,
        )
        client.models.create(name="*", deployments=[Deployment("only")])
    return gateway


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """Two projects."""
    with (
        Simulator(tmp_path_factory.mktemp("kept")) as simulator,
        _start(tmp_path_factory.mktemp("gateway"), simulator) as gateway,
        OpenAI(base_url=f"http://{simulator.address}/v1", api_key=PROVIDER_KEY, max_retries=0) as past,
        _client(gateway) as own,
        _client(gateway) as other,
    ):
        yield Tenants(gateway, simulator, own, other, past)


def _streamed(client: OpenAI) -> str:
    events = [*client.responses.create(model="m", input="one", stream=True)]
    assert isinstance(events[-1], ResponseCompletedEvent)
    return events[-1].response.id


Use = Callable[[OpenAI, str], object]
MAKERS: dict[str, Callable[[OpenAI], str]] = {
    "file": lambda client: client.files.create(file=("x.jsonl", LINE), purpose="batch").id,
    "batch": lambda client: (
        client.batches.create(
            input_file_id=MAKERS["file"](client), endpoint="/v1/embeddings", completion_window="24h"
        ).id
    ),
    "response": lambda client: client.responses.create(model="m", input="one").id,
    "streamed response": lambda client: _streamed(client),
    "vector store": lambda client: client.vector_stores.create(name="x").id,
}
USES: dict[str, dict[str, Use]] = {
    "file": {
        "read": lambda client, one: client.files.retrieve(one),
        "its content": lambda client, one: client.files.content(one).read(),
        "a batch": lambda client, one: client.batches.create(
            input_file_id=one, endpoint="/v1/embeddings", completion_window="24h"
        ),
        "an input": lambda client, one: client.responses.create(
            model="m",
            input=[{"role": "user", "content": [{"type": "input_file", "file_id": one}]}],
        ),
        "a store": lambda client, one: client.vector_stores.create(file_ids=[one]),
        "deleted": lambda client, one: client.files.delete(one),
    },
    "batch": {
        "read": lambda client, one: client.batches.retrieve(one),
        "cancelled": lambda client, one: client.batches.cancel(one),
    },
    "response": {
        "read": lambda client, one: client.responses.retrieve(one),
        "its input": lambda client, one: list(client.responses.input_items.list(one)),
        "gone on from": lambda client, one: client.responses.create(
            model="m", input="two", previous_response_id=one
        ),
        "deleted": lambda client, one: client.responses.delete(one),
    },
    "streamed response": {
        "read": lambda client, one: client.responses.retrieve(one),
        "gone on from": lambda client, one: client.responses.create(
            model="m", input="two", previous_response_id=one, stream=True
        ),
    },
    "vector store": {
        "read": lambda client, one: client.vector_stores.retrieve(one),
        "changed": lambda client, one: client.vector_stores.update(one, name="y"),
        "searched": lambda client, one: client.responses.create(
            model="m", input="x", tools=[{"type": "file_search", "vector_store_ids": [one]}]
        ),
        "deleted": lambda client, one: client.vector_stores.delete(one),
    },
}


@pytest.mark.parametrize(("kind", "use"), [(kind, use) for kind, uses in USES.items() for use in uses])
def test_what_a_project_has_made_no_other_reaches(tenants: Tenants, kind: str, use: str) -> None:
    """The other is told the same of what was made past the gateway, and of what nobody has."""
    one = MAKERS[kind](tenants.own)
    outside = MAKERS[kind](tenants.past)
    messages = set()
    for name in (one, outside, "x" + one[1:]):
        tenants.simulator.clear()
        with pytest.raises(openai.NotFoundError) as told:
            USES[kind][use](tenants.other, name)
        messages.add(told.value.message.replace(name, "X"))
        assert tenants.simulator.requests() == []
    assert len(messages) == 1
    USES[kind][use](tenants.own, one)


def test_the_files_that_a_batch_makes_are_its_projects(tenants: Tenants) -> None:
    batch = tenants.own.batches.retrieve(MAKERS["batch"](tenants.own))
    while batch.output_file_id is None:
        batch = tenants.own.batches.retrieve(batch.id)
    with pytest.raises(openai.NotFoundError):
        tenants.other.files.content(batch.output_file_id)
    assert tenants.own.files.content(batch.output_file_id).read()


def test_what_is_not_to_be_stored_is_nobodys(tenants: Tenants) -> None:
    made = tenants.own.responses.create(model="m", input="one", store=False)
    with pytest.raises(openai.NotFoundError, match="there is no response"):
        tenants.own.responses.retrieve(made.id)


def test_an_administrator_sees_whose_it_is(tenants: Tenants) -> None:
    one = MAKERS["file"](tenants.own)
    own, other = (client.api_key for client in (tenants.own, tenants.other))
    with tenants.gateway.management() as client:
        told = client.configuration.explain(method="GET", path=f"/v1/files/{one}", token=own)
        refused = client.configuration.explain(method="GET", path=f"/v1/files/{one}", token=other)
    owner = told.project_id
    assert f"{one} is kept by only for project {owner}" in [verdict.detail for verdict in told.verdicts]
    assert (refused.admitted, refused.verdicts[-1].code) == (False, "not_found")
    assert refused.verdicts[-1].detail.endswith(f"(project {owner} has it)")


def test_with_the_setting_projects_share_what_is_kept(tenants: Tenants, tmp_path: Path) -> None:
    with (
        _start(tmp_path, tenants.simulator, shared=True) as gateway,
        _client(gateway) as own,
        _client(gateway) as other,
    ):
        for one in (MAKERS["file"](own), MAKERS["file"](tenants.past)):
            assert other.files.retrieve(one).id == one


def test_what_is_kept_outlives_the_process(tmp_path: Path, tenants: Tenants) -> None:
    """Neither a crash nor a restart makes it unknown, or another's."""
    gateway = _start(tmp_path, tenants.simulator)
    own, other = gateway.new_token(), gateway.new_token()
    with OpenAI(base_url=gateway.base_url, api_key=own, max_retries=0) as client:
        made = [MAKERS[kind](client) for kind in MAKERS]
    gateway.command.kill()
    gateway.start()
    with gateway:
        for secret, reached in ((other, False), (own, True)):
            with OpenAI(base_url=gateway.base_url, api_key=secret, max_retries=0) as client:
                for kind, one in zip(MAKERS, made, strict=True):
                    if reached:
                        USES[kind]["read"](client, one)
                        continue
                    with pytest.raises(openai.NotFoundError):
                        USES[kind]["read"](client, one)
