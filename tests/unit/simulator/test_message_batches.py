"""Batches of messages, as Anthropic's client sees them."""

from collections.abc import AsyncIterator

import pytest
from anthropic import AsyncAnthropic, BadRequestError, NotFoundError
from anthropic.types.messages.batch_create_params import Request

from tests.unit.simulator.running import Running


@pytest.fixture
async def anthropic(simulator: Running) -> AsyncIterator[AsyncAnthropic]:
    """Anthropic's client of `simulator`; it does not retry."""
    async with AsyncAnthropic(base_url=simulator.url, api_key="any", max_retries=0) as client:
        yield client


def _request(number: int, model: str = "claude") -> Request:
    return {
        "custom_id": f"r{number}",
        "params": {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "one two"}]},
    }


async def test_a_batch_is_worked_off_and_tells_its_results(anthropic: AsyncAnthropic) -> None:
    batches = anthropic.messages.batches
    made = await batches.create(requests=[_request(1), _request(2, "no-such-model")])
    assert (made.processing_status, made.request_counts.processing) == ("in_progress", 2)
    with pytest.raises(BadRequestError):
        await batches.delete(made.id)

    ended = await batches.retrieve(made.id)
    counts = ended.request_counts
    assert (ended.processing_status, counts.processing, counts.succeeded, counts.errored) == (
        "ended",
        0,
        1,
        1,
    )
    results = {it.custom_id: it.result async for it in await batches.results(made.id)}
    succeeded = results["r1"]
    assert succeeded.type == "succeeded"
    usage = succeeded.message.usage
    assert (usage.input_tokens, usage.output_tokens, usage.service_tier) == (5, 4, "batch")
    assert results["r2"].type == "errored"
    assert [it.id async for it in batches.list()] == [made.id]
    assert (await batches.delete(made.id)).id == made.id
    with pytest.raises(NotFoundError):
        await batches.retrieve(made.id)


async def test_a_batch_can_be_cancelled_before_it_ends(anthropic: AsyncAnthropic) -> None:
    batches = anthropic.messages.batches
    made = await batches.create(requests=[_request(1)])
    assert (await batches.cancel(made.id)).processing_status == "canceling"
    ended = await batches.retrieve(made.id)
    assert (ended.processing_status, ended.request_counts.canceled) == ("ended", 1)
    assert (await batches.cancel(made.id)).processing_status == "ended"


async def test_a_batch_of_nothing_is_refused(anthropic: AsyncAnthropic) -> None:
    with pytest.raises(BadRequestError):
        await anthropic.messages.batches.create(requests=[])
