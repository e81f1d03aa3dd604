"""No turn of the event loop works for long at requests, and each token has its turn."""

import asyncio

import pytest
from tollkeeper_server.dataplane import fair_turns
from tollkeeper_server.dataplane.fair_turns import MOST_AT_ONCE, SLICE_SECONDS, SLICES_ALONE, FairTurns
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.domain.token import digest_secret

from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import DIGEST_KEY, SECRET, token
from tests.unit.dataplane.gateway import Bench


class Clock:
    """A performance counter that moves on as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which turns are measured."""
    clock = Clock()
    monkeypatch.setattr(fair_turns, "perf_counter", clock)
    monkeypatch.setattr(fair_turns, "thread_time", clock)
    return clock


async def next_turn() -> None:
    """Let the event loop come round."""
    await asyncio.sleep(0)


async def test_a_turn_that_has_worked_for_long_is_over_and_the_next_is_not(clock: Clock) -> None:
    turns = FairTurns()
    for _ in range(3):
        assert not turns.is_over("a")
        clock.now += SLICE_SECONDS * 0.9
        assert not turns.is_over("a")
        clock.now += SLICE_SECONDS * 0.2
        assert not turns.is_over("a")
        assert turns.is_over("a")
        assert not turns.is_over("b")  # once for each token, so that one of few requests hardly waits
        assert turns.is_over("b")
        await next_turn()


def begin(turns: FairTurns, token_id: str) -> None:
    """Have a request be under way."""
    turns.under_way += 1
    if token_id != turns.only:
        turns.join(token_id)


def waits(turns: FairTurns, clock: Clock, token_id: str) -> bool:
    """Return whether a request that asks has to wait."""
    return clock.now >= turns.end and turns.is_over(token_id)


def slices(turns: FairTurns, clock: Clock, token_id: str) -> float:
    """Return for how many slices a token works in this turn before it waits."""
    began = clock.now
    while not waits(turns, clock, token_id):
        clock.now += SLICE_SECONDS / 10
    return (clock.now - began) / SLICE_SECONDS


async def test_a_token_that_is_alone_works_for_longer_in_a_turn_but_not_for_long(clock: Clock) -> None:
    turns = FairTurns()
    begin(turns, "a")
    begin(turns, "a")
    assert slices(turns, clock, "a") == pytest.approx(SLICES_ALONE, abs=0.3)
    assert waits(turns, clock, "a")


async def test_a_token_is_alone_until_another_comes_and_again_once_that_has_left(clock: Clock) -> None:
    turns = FairTurns()
    begin(turns, "a")
    assert not waits(turns, clock, "a")
    clock.now += 1.1 * SLICE_SECONDS
    assert not waits(turns, clock, "a")
    begin(turns, "b")
    assert not waits(turns, clock, "b")  # each once, as the slice has ended
    assert not waits(turns, clock, "a")
    assert waits(turns, clock, "b")
    assert waits(turns, clock, "a")
    await next_turn()
    begin(turns, "a")
    assert slices(turns, clock, "a") == pytest.approx(1, abs=0.3)
    await next_turn()
    turns.under_way = 0  # all have ended
    begin(turns, "b")
    assert slices(turns, clock, "b") == pytest.approx(SLICES_ALONE, abs=0.3)


async def test_requests_are_under_way_until_they_end_however_they_do() -> None:
    secret = b"sk-tk-another-one-0123456789"
    exhausted = token(id="tok_2", digest=digest_secret(secret, DIGEST_KEY), allowed_models=("another",))
    bench = Bench(others=[exhausted])
    turns = bench.plane._turns
    bench.answers(b"{}")
    body = b'{"model":"gpt-4o"}'
    assert (await Caller(body=body).call(bench.plane)).status == 200
    assert (await Caller(body=body, secret=secret).call(bench.plane)).status == 403
    assert (await Caller(body=body, secret=b"sk-tk-unknown").call(bench.plane)).status == 401
    bench.transport.answer = CutError("the upstream closed the connection")
    assert (await Caller(body=body).call(bench.plane)).status == 502
    assert turns.under_way == 0


async def test_nobody_waits_whose_turns_are_apart(clock: Clock) -> None:
    turns = FairTurns()
    for _ in range(10):
        assert not turns.is_over("a")
        clock.now += 10.0
        await next_turn()


async def test_a_token_of_one_request_does_not_wait_for_one_of_many() -> None:
    turns, gone = FairTurns(), list[str]()

    async def ask(token: str) -> None:
        await turns.wait(token, begun=False)
        gone.append(token)

    asking = [asyncio.create_task(ask("many")) for _ in range(100)]
    await next_turn()
    assert turns.is_over("many")  # behind its others
    assert not turns.is_over("one")
    asking.append(asyncio.create_task(ask("one")))
    for _ in range(3):
        await next_turn()
    assert "one" in gone
    assert len(gone) <= 3 * MOST_AT_ONCE
    await asyncio.gather(*asking)
    assert gone.count("many") == 100
    assert not turns.is_over("many")


async def test_who_leaves_takes_no_turn() -> None:
    turns = FairTurns()
    asking = [turns.wait("a", begun=number % 2 == 0) for number in range(100)]
    await next_turn()
    for turn in asking[1:]:
        turn.cancel()
    await asyncio.wait_for(turns.wait("a", begun=False), 5)
    assert all(turn.cancelled() for turn in asking[1:])
    assert not turns.is_over("a")


async def test_an_answer_does_not_wait_behind_all_that_its_token_begins() -> None:
    turns, gone = FairTurns(), list[str]()

    async def ask(what: str) -> None:
        await turns.wait("a", begun=what == "answer")
        gone.append(what)

    asking = [asyncio.create_task(ask("request")) for _ in range(200)]
    await next_turn()
    asking += [asyncio.create_task(ask("answer")) for _ in range(20)]
    await asyncio.gather(*asking)
    last = max(number for number, what in enumerate(gone) if what == "answer")
    assert last <= 3 * MOST_AT_ONCE + 2 * 20  # by turns with those that begin, once they have come
    assert "request" in gone[:last]


async def test_as_many_go_on_in_a_turn_as_their_steps_are_short(clock: Clock) -> None:
    turns, gone = FairTurns(), 0
    step = SLICE_SECONDS / MOST_AT_ONCE

    async def ask() -> None:
        nonlocal gone
        await turns.wait("a", begun=False)
        gone += 1
        clock.now += step

    async def gone_in_a_turn() -> int:
        before = gone
        await next_turn()
        return gone - before

    asking = [asyncio.create_task(ask()) for _ in range(400)]
    for _ in range(10):
        assert await gone_in_a_turn() <= MOST_AT_ONCE
    assert gone > 5 * MOST_AT_ONCE
    step = SLICE_SECONDS / 4
    for _ in range(20):
        await next_turn()
    assert await gone_in_a_turn() in {3, 4}
    step = 2 * SLICE_SECONDS
    for _ in range(20):
        await next_turn()
    assert await gone_in_a_turn() == 1
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("fails", [False, True])
async def test_requests_of_a_token_with_many_wait_behind_another_token(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_turns, "SLICE_SECONDS", 0.0)  # every turn has worked for too long
    secret = b"sk-tk-another-one-0123456789"
    bench = Bench(others=[token(id="tok_2", digest=digest_secret(secret, DIGEST_KEY))])
    bench.answers(b"{}")
    if fails:
        bench.transport.answer = CutError("the upstream closed the connection")
    ended = list[str]()

    async def ask(name: str, its_secret: bytes) -> None:
        reply = await Caller(body=b'{"model":"gpt-4o"}', secret=its_secret).call(bench.plane)
        assert (reply.status == 200) is not fails
        ended.append(name)

    asking = [asyncio.create_task(ask("many", SECRET)) for _ in range(40)]
    asking.append(asyncio.create_task(ask("one", secret)))
    await asyncio.gather(*asking)
    assert len(ended) == 41
    assert ended.index("one") <= 8
