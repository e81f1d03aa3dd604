"""Budgets of a gateway that is killed: what was used stays used, to the unit, and the rest can be used."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Limit, LimitMeasure, LimitPeriod
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter
from tollkeeper_server.store.open import make_store

from tests.faults.test_background_responses import make, read
from tests.faults.test_gateway_ends import begun
from tests.faults.traffic import ask, callers, headers_of
from tests.integration.process import Gateway, Simulator, until

REQUESTS = 50
LIMITS = (
    Limit(LimitMeasure.REQUESTS, REQUESTS, period=LimitPeriod.TOTAL),
    Limit(LimitMeasure.TOKENS, 10**9, period=LimitPeriod.MONTH, zone="Pacific/Auckland"),
)
ROUNDS = 2
STREAMS = 3


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.mongo)])
def mortal(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that a test may kill, on each store."""
    store: str = "sqlite" if request.param == "sqlite" else request.getfixturevalue("mongo_url")
    with Gateway(tmp_path, store=store) as running:
        running.serve_models(simulator)
        yield running


async def stored(gateway: Gateway) -> tuple[dict[str, UsageEvent], dict[str, int]]:
    """Return the events by request id, and what is spent by key, held to what the events say."""
    store = make_store(gateway.setting("store"), gateway.directory / "data")
    await store.open()
    events = await store.usage.list(UsageFilter(), limit=1000)
    spent = await store.ledger.spent()
    await store.close()
    charged = Counter[str]()
    for event in events:
        for charge in event.charges:
            charged[charge.key] += charge.amount
    assert {charge.key: charge.amount for charge in spent} == charged
    return {event.request_id: event for event in events}, charged


def standing(gateway: Gateway, secret: str) -> dict[str, tuple[int, int]]:
    """Return what is used and held of each measure, as the caller is told."""
    answer = httpx2.get(f"{gateway.base_url}/tollkeeper/limits", headers=headers_of(secret))
    return {it["measure"]: (it.get("used", 0), it.get("held", 0)) for it in answer.json()["data"]}


async def use_and_kill(gateway: Gateway, secret: str, name: str) -> int:
    """Use some of the budgets, and kill the gateway with streams under way; return what tokens those held."""
    async with callers() as session, AsyncExitStack() as streams:
        await asyncio.gather(*(asyncio.to_thread(ask, gateway, secret) for _ in range(8)))
        for number in range(STREAMS):
            await streams.enter_async_context(
                begun(session, gateway.data, secret, "hang=3", f"{name}-{number}")
            )
        held = (await asyncio.to_thread(standing, gateway, secret))["tokens"][1]
        await asyncio.to_thread(ask, gateway, secret)
        gateway.command.kill()
    return held


def test_after_a_kill_exactly_the_rest_of_a_budget_can_be_used(mortal: Gateway) -> None:
    """What was under way is charged what it held, marked as an estimate."""
    minted = mortal.mint(limits=LIMITS)
    requests, tokens = (
        f"requests:total:token:{minted.id}",
        f"tokens:month@Pacific/Auckland:token:{minted.id}",
    )
    used = 0
    for number in range(ROUNDS):
        held = asyncio.run(use_and_kill(mortal, minted.token, f"hung-{number}"))
        mortal.start()
        used += 9 + STREAMS
        told = standing(mortal, minted.token)
        events, charged = asyncio.run(stored(mortal))
        assert told["requests"] == (used, 0)
        assert told == {
            "requests": (charged[requests], 0),
            "tokens": (charged[tokens], 0),
        }
        hung = [events[f"hung-{number}-{it}"] for it in range(STREAMS)]
        assert {event.error_code for event in hung} == {"gateway_interrupted"}
        assert {event.tokens.confidence for event in hung} == {"estimated"}
        assert sum(amount_of(event, tokens) for event in hung) == held > 0

    answers = [ask(mortal, minted.token) for _ in range(REQUESTS - used + 2)]
    assert [it.status_code for it in answers] == [200] * (REQUESTS - used) + [429, 429]
    assert answers[-1].json()["error"]["code"] == "insufficient_quota"
    assert mortal.command.stop() == 0
    mortal.start()
    assert ask(mortal, minted.token).status_code == 429
    assert standing(mortal, minted.token)["requests"] == (REQUESTS, 0)


def test_a_response_made_in_the_background_is_charged_what_it_used_once_its_end_is_read(
    mortal: Gateway,
) -> None:
    """Until then it is charged what it held, also after a start."""
    minted = mortal.mint(limits=LIMITS)
    made, _ = make(mortal, minted.token)
    held = sum(standing(mortal, minted.token)["tokens"])
    mortal.command.kill()
    mortal.start()
    assert standing(mortal, minted.token) == {"requests": (1, 0), "tokens": (held, 0)}

    usage = read(mortal, minted.token, made)
    expected = usage["input_tokens"] + usage["output_tokens"]
    assert expected < held
    until(lambda: standing(mortal, minted.token)["tokens"] == (expected, 0))
    mortal.command.kill()
    mortal.start()
    assert standing(mortal, minted.token)["tokens"] == (expected, 0)
    asyncio.run(stored(mortal))


def amount_of(event: UsageEvent, key: str) -> int:
    """Return what an event charges to a budget."""
    return sum(it.amount for it in event.charges if it.key == key)
