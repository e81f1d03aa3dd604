"""A response made in the background is metered once, whoever reads its end, and whatever dies meanwhile."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Confidence, MintedToken, UsageEvent

from tests.faults.processes import Pair
from tests.faults.traffic import MODEL, PATIENCE, callers, headers_of
from tests.integration.process import Gateway, Simulator, until

AT_ONCE = 20


@pytest.fixture(params=[pytest.param("pair", marks=pytest.mark.mongo), "sqlite_pair"])
def both(request: pytest.FixtureRequest) -> Pair:
    """Two gateways on one MongoDB and one Redis, or on one SQLite file."""
    pair: Pair = request.getfixturevalue(request.param)
    return pair


@pytest.fixture
def mortal(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that a test may kill."""
    with Gateway(tmp_path / "gateway") as running:
        running.serve_models(simulator)
        yield running


def make(gateway: Gateway, token: str, **fields: object) -> tuple[str, str]:
    """Have a response made; return its id, and that of the request."""
    body = {"model": MODEL, "input": "one two three", "background": True, **fields}
    answer = httpx2.post(
        f"{gateway.base_url}/responses", headers=headers_of(token), json=body, timeout=PATIENCE
    )
    assert (answer.status_code, answer.json()["status"], answer.json()["usage"]) == (200, "queued", None)
    return answer.json()["id"], answer.headers["x-request-id"]


def read(gateway: Gateway, token: str, made: str) -> dict[str, int]:
    """Read the response's end; return its usage."""
    answer = httpx2.get(f"{gateway.base_url}/responses/{made}", headers=headers_of(token), timeout=PATIENCE)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    usage: dict[str, int] = answer.json()["usage"]
    return usage


def metered(gateway: Gateway, request_id: str, confidence: Confidence = Confidence.EXACT) -> UsageEvent:
    """Wait until the event of the request that had a response made has counts of that confidence."""

    def found() -> UsageEvent | None:
        events = gateway.usage(request_id=request_id)
        return next((event for event in events if event.confidence is confidence), None)

    event = until(found)
    assert event is not None
    return event


def assert_metered_once(gateway: Gateway, token: MintedToken, requests: int, usage: dict[str, int]) -> None:
    """Hold the store to the usage, in all the events of the token."""
    until(lambda: len(gateway.usage(token_id=token.id)) >= requests)
    with gateway.management() as client:
        (row,) = client.usage.summary(token_id=token.id)
    assert (row.requests, row.estimated_requests) == (requests, 0)
    assert (row.prompt_tokens, row.completion_tokens) == (usage["input_tokens"], usage["output_tokens"])


async def poll_all(pair: Pair, token: str, made: str) -> list[dict[str, int]]:
    """Ask for the response in both processes, many times at once; return the usage that each was told."""
    async with callers() as session:

        async def poll(gateway: Gateway) -> dict[str, int]:
            url = f"{gateway.base_url}/responses/{made}"
            async with session.get(url, headers=headers_of(token)) as answer:
                usage: dict[str, int] = (await answer.json())["usage"]
                return usage

        return await asyncio.gather(*(poll((pair.first, pair.second)[at % 2]) for at in range(AT_ONCE)))


def test_however_many_poll_at_once_in_both_processes(both: Pair) -> None:
    maker = both.first.mint()
    reader = both.first.mint_beside(maker).token
    made, request_id = make(both.first, maker.token)
    assert metered(both.second, request_id, Confidence.PENDING).prompt_tokens == 0

    usages = asyncio.run(poll_all(both, reader, made))
    again = read(both.second, reader, made)
    own = read(both.second, maker.token, made)

    assert all(usage == again == own for usage in usages)
    event = metered(both.first, request_id)
    assert (event.token_id, event.model_served, event.upstream) == (maker.id, MODEL, "sim")
    assert (event.prompt_tokens, event.completion_tokens) == (own["input_tokens"], own["output_tokens"])
    assert_metered_once(both.first, maker, 2, own)


@pytest.mark.parametrize("killed", ["the maker", "the reader", "both"])
def test_processes_die_between(mortal: Gateway, killed: str) -> None:
    token = mortal.mint()
    made, request_id = make(mortal, token.token)
    if killed != "the reader":
        mortal.command.kill()
        mortal.start()
    usage = read(mortal, token.token, made)
    if killed != "the maker":
        mortal.command.kill()
        mortal.start()

    event = metered(mortal, request_id)
    assert (event.prompt_tokens, event.completion_tokens) == (usage["input_tokens"], usage["output_tokens"])
    read(mortal, token.token, made)
    assert_metered_once(mortal, token, 3, usage)


def test_a_process_dies_that_nobody_asked_for_the_end(mortal: Gateway) -> None:
    token = mortal.mint()
    _, request_id = make(mortal, token.token)
    metered(mortal, request_id, Confidence.PENDING)
    mortal.command.kill()
    mortal.start()
    event = metered(mortal, request_id, Confidence.PENDING)
    assert (event.status, event.prompt_tokens) == (200, 0)


def test_streamed_cancelled_and_deleted_ends(both: Pair) -> None:
    token = both.first.mint()
    for method, path, expected in (
        ("POST", "/cancel", Confidence.EXACT),
        ("DELETE", "", Confidence.ESTIMATED),
    ):
        made, request_id = make(both.first, token.token)
        answer = httpx2.request(
            method, f"{both.second.base_url}/responses/{made}{path}", headers=headers_of(token.token)
        )
        assert answer.status_code == 200
        assert metered(both.first, request_id, expected).prompt_tokens > 0


def test_azures_clients_are_metered_the_same(gateway: Gateway) -> None:
    token = gateway.mint()
    url = f"{gateway.data}/openai/responses"
    query = {"api-version": "2025-04-01-preview"}
    headers = {"api-key": token.token}
    body = {"model": MODEL, "input": "one two three", "background": True}
    answer = httpx2.post(url, params=query, headers=headers, json=body)
    made, request_id = answer.json()["id"], answer.headers["x-request-id"]
    usage = httpx2.get(f"{url}/{made}", params=query, headers=headers).json()["usage"]

    assert metered(gateway, request_id).prompt_tokens == usage["input_tokens"]
    assert_metered_once(gateway, token, 2, usage)
