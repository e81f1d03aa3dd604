"""Many callers at once, on two processes that share a store."""

import asyncio
from collections import Counter

import pytest

from tests.faults.processes import Pair
from tests.faults.traffic import Answer, callers, send
from tests.integration.process import until

FIRST_REQUESTS = 1000
LIMIT = 37


async def flood(pair: Pair, secret: str, requests: int) -> list[Answer]:
    """Send requests to both at once, by turns."""
    async with callers() as session:
        return await asyncio.gather(
            *(send(session, pair.second if number % 2 else pair.first, secret) for number in range(requests))
        )


def test_a_thousand_first_requests_of_one_token_are_all_answered(pair: Pair) -> None:
    minted = pair.first.mint()
    answers = asyncio.run(flood(pair, minted.token, FIRST_REQUESTS))
    assert Counter((answer.status, answer.whole) for answer in answers) == {(200, True): FIRST_REQUESTS}
    with pair.first.management() as client:
        until(lambda: client.tokens.get(minted.id).request_count == FIRST_REQUESTS, seconds=40)
        (row,) = client.usage.summary(token_id=minted.id)
    assert (row.requests, row.failed_requests) == (FIRST_REQUESTS, 0)


@pytest.mark.parametrize("store", [pytest.param("pair", marks=pytest.mark.mongo), "sqlite_pair"])
def test_a_limit_of_requests_is_exact_across_processes(request: pytest.FixtureRequest, store: str) -> None:
    pair: Pair = request.getfixturevalue(store)
    minted = pair.first.mint(max_requests=LIMIT)
    answers = asyncio.run(flood(pair, minted.token, 4 * LIMIT))
    assert Counter(answer.status for answer in answers) == {200: LIMIT, 429: 3 * LIMIT}
    with pair.second.management() as client:
        assert client.tokens.get(minted.id).request_count == LIMIT
