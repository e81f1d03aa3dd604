"""A batch is charged once, and what it did not use is given back once, whatever dies between."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tollkeeper import Confidence, Limit, LimitMeasure, LimitPeriod, MintedToken, UsageEvent

from tests.faults.processes import Pair
from tests.faults.test_budgets import stored
from tests.integration.batch_calls import KINDS, Caller, Kind
from tests.integration.process import Gateway, Simulator, until

LIMITS = [Limit(LimitMeasure.TOKENS, 10**9, period=LimitPeriod.TOTAL)]
AT_ONCE = 12
WORTH = 5


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.mongo), "workers"])
def mortal(request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that a test may kill: on each store, and one of several processes with a broker."""
    mongo = request.param == "mongo"
    store: str = request.getfixturevalue("mongo_url") if mongo else "sqlite"
    workers = "2" if request.param == "workers" else "1"
    with Gateway(tmp_path, store=store, workers=workers) as running:
        running.serve_models(simulator)
        yield running


def counted(gateway: Gateway, minted: MintedToken, confidence: Confidence) -> UsageEvent:
    """Wait until the event of the token's batch has counts of that confidence."""

    def find() -> UsageEvent | None:
        found = gateway.usage(token_id=minted.id)
        return next((it for it in found if it.confidence is confidence), None)

    event = until(find)
    assert event is not None
    return event


def restart(gateway: Gateway) -> None:
    """Kill the gateway, and start it again."""
    gateway.command.kill()
    gateway.start()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_kills_between_all_steps_lose_and_double_nothing(mortal: Gateway, kind: Kind) -> None:
    minted = mortal.mint(limits=LIMITS)
    caller = Caller(mortal, minted.token)
    made = caller.make(kind).json()["id"]
    reserved = caller.used()["tokens"]

    restart(mortal)
    assert until(caller.used)["tokens"] == reserved
    prompt, answer = caller.end(kind, made)
    restart(mortal)

    event = counted(mortal, minted, Confidence.EXACT)
    assert (event.prompt_tokens, event.completion_tokens) == (prompt, answer)
    until(lambda: caller.used()["tokens"] == prompt + answer)
    assert caller.end(kind, made) == (prompt, answer)
    restart(mortal)
    assert caller.used()["tokens"] == prompt + answer < reserved
    _, spent = await stored(mortal)
    assert spent[f"tokens:total:token:{minted.id}"] == prompt + answer


def test_one_that_is_under_way_when_all_dies_is_charged_what_it_held(
    mortal: Gateway, simulator: Simulator
) -> None:
    kind = KINDS["Anthropic's, by its results"]
    caller = Caller(mortal, mortal.new_token(limits=LIMITS))
    assert caller.make(kind).status_code == 200
    reserved = caller.used()["tokens"]
    minted = mortal.mint(limits=LIMITS)
    caller = Caller(mortal, minted.token)
    simulator.clear()
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(caller.make, kind, headers={"x-simulate": "hang=headers"})
        until(lambda: [it for it in simulator.requests() if it.path == "/v1/messages/batches"])
        mortal.command.kill()
        assert calling.exception() is not None
    mortal.start()

    assert until(caller.used)["tokens"] == reserved
    (event,) = until(lambda: [it for it in mortal.usage(token_id=minted.id) if it.endpoint != "limits"])
    # A worker outlives its supervisor for a moment, and sees that nobody waits for the answer.
    assert event.error_code in {"gateway_interrupted", "client_closed_request"}
    assert event.confidence in {Confidence.ESTIMATED, Confidence.PENDING}


def _make_many(gateways: list[Gateway], kind: Kind, minted: MintedToken) -> list[int]:
    """Have batches made at once by all gateways; return the statuses."""
    callers = [Caller(gateway, minted.token) for gateway in gateways]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*pool.map(lambda at: callers[at % len(callers)].make(kind).status_code, range(2 * AT_ONCE))]


def _check_no_overspend(gateways: list[Gateway], kind: Kind) -> None:
    one = Caller(gateways[0], gateways[0].new_token(limits=LIMITS))
    assert one.make(kind).status_code == 200
    need = one.used()["tokens"]
    amount = WORTH * need + need // 2
    minted = gateways[0].mint(limits=[Limit(LimitMeasure.TOKENS, amount, period=LimitPeriod.TOTAL)])

    statuses = _make_many(gateways, kind, minted)

    assert set(statuses) == {200, 429}
    assert statuses.count(200) == WORTH
    for gateway in gateways:
        assert Caller(gateway, minted.token).used()["tokens"] == WORTH * need


@pytest.mark.mongo
@pytest.mark.parametrize("kind", [*KINDS.values()][1:], ids=[*KINDS][1:])
def test_two_processes_overspend_no_budget(pair: Pair, kind: Kind) -> None:
    _check_no_overspend([pair.first, pair.second], kind)


@pytest.mark.parametrize("kind", [*KINDS.values()][1:], ids=[*KINDS][1:])
def test_workers_overspend_no_budget(tmp_path: Path, simulator: Simulator, kind: Kind) -> None:
    with Gateway(tmp_path, workers="2") as gateway:
        gateway.serve_models(simulator)
        _check_no_overspend([gateway], kind)


@pytest.mark.mongo
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_however_many_read_its_end_at_once_in_two_processes(pair: Pair, kind: Kind) -> None:
    minted = pair.first.mint(limits=LIMITS)
    callers = [Caller(gateway, minted.token) for gateway in (pair.first, pair.second)]
    made = callers[0].make(kind).json()["id"]
    reserved = callers[1].used()["tokens"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = [*pool.map(lambda at: callers[at % 2].end(kind, made), range(AT_ONCE))]

    prompt, answer = ends[0]
    assert set(ends) == {(prompt, answer)}
    event = counted(pair.second, minted, Confidence.EXACT)
    assert (event.prompt_tokens, event.completion_tokens) == (prompt, answer)
    for caller in callers:
        until(lambda caller=caller: caller.used()["tokens"] == prompt + answer)  # type: ignore[misc]
        assert prompt + answer < reserved
