"""Lists of what upstreams keep, as the SDKs page through them, on real sockets."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from tollkeeper import Deployment, Provider

from tests.integration.process import PATIENT, Gateway
from tests.unit.dataplane.keeper import Keeper
from tests.unit.dataplane.keeper_server import serving


@pytest.fixture(scope="module")
def keeper() -> Iterator[str]:
    """The address of an upstream that keeps everything."""
    with serving(Keeper()) as address:
        yield address


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keeper: str) -> Iterator[Gateway]:
    """A gateway before it."""
    with Gateway(tmp_path_factory.mktemp("kept")) as running:
        with running.management() as client:
            client.upstreams.create(
                name="keeper",
                provider=Provider.GENERIC,
                base_url=f"{keeper}/v1",
                is_default=True,
                breaker=PATIENT,
            )
        yield running


def test_openais_sdk_pages_through_a_projects_own_things(site: Gateway) -> None:
    """Among those of others, of which a page may be full."""
    secrets = [site.new_token(), site.new_token()]
    ours, others = (openai.OpenAI(api_key=it, base_url=site.base_url, max_retries=0) for it in secrets)
    made = [ours.vector_stores.create(name="x").id for _ in range(3)]
    for _ in range(120):
        others.vector_stores.create(name="x")
    made += [ours.vector_stores.create(name="x").id for _ in range(30)]

    assert [it.id for it in ours.vector_stores.list()] == made[::-1]
    assert [it.id for it in ours.vector_stores.list(order="asc", limit=7)] == made
    page = ours.vector_stores.list(limit=100)
    assert (len(page.data), page.has_more) == (33, False)
    assert len(list(others.vector_stores.list(limit=100))) == 120
    with pytest.raises(openai.NotFoundError):
        others.vector_stores.list(after=made[0])
    with pytest.raises(openai.NotFoundError):
        others.vector_stores.delete(made[0])
    uploaded = ours.files.create(file=("x.jsonl", b"{}"), purpose="batch").id
    assert [it.id for it in ours.files.list()] == [uploaded]
    assert list(others.files.list()) == []
    assert list(ours.batches.list()) == []


def test_anthropics_sdk_pages_through_a_projects_own_batches(site: Gateway) -> None:
    secrets = [site.new_token(), site.new_token()]
    ours, others = (anthropic.Anthropic(api_key=it, base_url=site.data, max_retries=0) for it in secrets)
    request = {"custom_id": "x", "params": {"model": "m", "max_tokens": 1, "messages": []}}
    with site.management() as client:
        client.models.create(name="m", deployments=[Deployment("keeper")])
    made = [it.messages.batches.create(requests=[request]).id for it in (ours, others, ours, others, ours)]  # type: ignore[list-item]  # a dict is taken

    assert [it.id for it in ours.messages.batches.list(limit=1)] == [made[4], made[2], made[0]]
    assert [it.id for it in ours.messages.batches.list(limit=1, before_id=made[0])] == [made[2], made[4]]
    page = others.messages.batches.list()
    assert (page.first_id, page.last_id, page.has_more) == (made[3], made[1], False)
    with pytest.raises(anthropic.NotFoundError):
        others.messages.batches.retrieve(made[0])
