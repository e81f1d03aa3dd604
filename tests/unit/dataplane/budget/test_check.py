"""What is said of requests before they are made is what becomes of them: how many pass, and why no more."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.domain.explanation import Explanation, Query
from tollkeeper_server.domain.limit import Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.model import Price
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.token import Token
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.snapshot.model import OwnPrice, ProjectView
from tollkeeper_server.snapshot.prices import short_price

from tests.unit.dataplane.budget.limited import ONE, answered, budget, configured
from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, token
from tests.unit.dataplane.gateway import Bench

CALLS = 6
SIZE = 100
BODY = {"model": "m", "messages": [{"role": "user", "content": "x" * SIZE}], "max_completion_tokens": 50}
LIMITS = st.lists(
    st.one_of(
        st.builds(
            Limit,
            measure=st.sampled_from([Measure.REQUEST_RATE, Measure.CONCURRENT]),
            amount=st.integers(1, CALLS + 1),
        ),
        st.builds(
            Limit,
            measure=st.sampled_from([Measure.TOKENS, Measure.MONEY, Measure.REQUESTS]),
            amount=st.integers(1, 3000),
            period=st.sampled_from(Period),
        ),
        st.builds(Limit, measure=st.just(Measure.TOKEN_RATE), amount=st.integers(1, 3000)),
    ),
    max_size=3,
)


async def _check(bench: Bench, known: Token | None = None, **query: object) -> Explanation:
    async def find(_: str) -> Token | None:
        return known or token()

    explainer = Explainer(
        lambda: bench.snapshot,
        bench.authenticator,
        find,
        bench.affinity,
        bench.health,
        bench.balancer,
        bench.limits,
        bench.model_lists,
        bench.forecast,
    )
    return await explainer.explain(Query(**{"token": "tok_1", "model": "m", **query}))  # type: ignore[arg-type]


async def _at_once(bench: Bench, calls: int) -> list[Reply]:
    """Make calls, each of which is answered once all are under way or refused."""
    answers = [bench.answers(waiting := asyncio.Event(), answered()) for _ in range(calls)]
    waits = [waiting for _ in answers]
    callers = [Caller("POST", "/v1/chat/completions", json.dumps(BODY).encode()) for _ in range(calls)]
    calling = [asyncio.create_task(caller.call(bench.plane)) for caller in callers]
    for _ in range(50):
        await asyncio.sleep(0)
    for wait in waits:
        wait.set()
    return await asyncio.gather(*calling)


@settings(max_examples=100)
@given(LIMITS)
@example([Limit(measure=Measure.TOKEN_RATE, amount=393), Limit(measure=Measure.REQUEST_RATE, amount=4)])
def test_as_many_are_admitted_as_it_says(limits: list[Limit]) -> None:
    async def both() -> tuple[Explanation, list[Reply]]:
        bench = Bench(configured(*limits))
        told = await _check(bench, body=json.dumps(BODY), calls=CALLS)
        assert bench.ledger.pending == 0
        return told, await _at_once(Bench(configured(*limits)), CALLS)

    told, replies = asyncio.run(both())

    passed = [reply for reply in replies if reply.status == 200]
    assert told.admitted_calls == len(passed)
    assert told.admitted == (len(passed) == CALLS)
    if len(passed) < CALLS:
        refused = next(reply for reply in replies if reply.status != 200)
        assert told.verdicts[-1].detail == json.loads(refused.body)["error"]["message"]


@pytest.mark.parametrize("seconds", [0, 1, 29, 54, 59])
async def test_a_rate_that_has_earned_a_part_of_a_request_says_when_it_has_the_rest(seconds: int) -> None:
    bench = Bench(configured(Limit(measure=Measure.REQUEST_RATE, amount=1)))
    bench.answers(answered())
    await Caller("POST", "/v1/chat/completions", json.dumps(BODY).encode()).call(bench.plane)
    bench.ledger_now += seconds * 1_000_000
    told = await _check(bench, body=json.dumps(BODY))
    refused = await Caller("POST", "/v1/chat/completions", json.dumps(BODY).encode()).call(bench.plane)
    assert told.verdicts[-1].detail == json.loads(refused.body)["error"]["message"]
    assert told.verdicts[-1].detail.endswith(f"try again in {60 - seconds} s")
    (one,) = told.reservations
    assert one.passes_at == datetime.fromtimestamp(bench.ledger_now / 1_000_000 + 60 - seconds, UTC)


async def test_a_made_body_counts_as_one_that_is_given() -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 10_000), budget(Measure.MONEY, 10_000)))
    given_ = await _check(bench, body=json.dumps(BODY, separators=(",", ":")))
    made = await _check(bench, prompt_bytes=SIZE, max_output_tokens=50)
    assert [it.need for it in made.reservations] == [it.need for it in given_.reservations]
    assert all(it.need > SIZE for it in made.reservations)


async def test_what_is_left_afterwards() -> None:
    bench = Bench(configured(budget(Measure.REQUESTS, 10)))
    told = await _check(bench, calls=4)
    (one,) = told.reservations
    assert (told.admitted, told.admitted_calls) == (True, 4)
    assert (one.need, one.left, one.left_after, one.admitted_calls, one.passes_at) == (
        1,
        10,
        6,
        4,
        None,
    )


@pytest.mark.parametrize(
    ("limit", "after"),
    [
        (Limit(measure=Measure.REQUEST_RATE, amount=60, burst=2), timedelta(seconds=1)),
        (Limit(measure=Measure.CONCURRENT, amount=2), None),
        (budget(Measure.REQUESTS, 2), None),
    ],
    ids=["a rate", "at once", "in total"],
)
async def test_when_more_would_pass(limit: Limit, after: timedelta | None) -> None:
    bench = Bench(configured(limit))
    now = datetime.fromtimestamp(bench.ledger_now / 1_000_000, UTC)
    told = await _check(bench, calls=3)
    assert (told.admitted, told.admitted_calls) == (False, 2)
    (one,) = told.reservations
    assert one.passes_at == (None if after is None else now + after)


async def test_a_budget_passes_more_when_its_period_ends() -> None:
    bench = Bench(configured(budget(Measure.REQUESTS, 2, Period.HOUR)))
    (one,) = (await _check(bench, calls=3)).reservations
    now = datetime.fromtimestamp(bench.ledger_now / 1_000_000, UTC)
    begun = now.replace(minute=0, second=0, microsecond=0)
    assert one.passes_at == begun + timedelta(hours=1)


async def test_nothing_passes_a_budget_that_is_overdrawn_not_even_what_is_free() -> None:
    """Each in a gateway of its own: asked, and called."""
    benches = []
    for _ in range(2):
        project = Scope(ScopeKind.PROJECT, "prj_1")
        meters = meters_of(project, [budget(Measure.MONEY, 10)])
        free = route("m", member_on(ONE), own_price=OwnPrice(short_price(Price(prompt=0, completion=0))))
        view = ProjectView("prj_1", is_active=True, api_key=None, meters=meters)
        bench = Bench(snapshot(free, project=view, targets={"one": ONE}))
        bench.ledger.reserve("over", tuple(meters), [5], bench.ledger_now)
        bench.ledger.settle("over", [12])
        benches.append(bench)
    told = await _check(benches[0], body=json.dumps(BODY))
    (reply,) = await _at_once(benches[1], 1)
    assert (told.admitted, told.admitted_calls, told.reservations[0].need) == (False, 0, 0)
    assert told.verdicts[-1].detail == json.loads(reply.body)["error"]["message"]


async def test_a_project_is_asked_about_without_a_token() -> None:
    bench = Bench(configured(budget(Measure.REQUESTS, 2)))
    told = await _check(bench, token="", project_id="prj_1", calls=3)
    assert (told.admitted_calls, told.project_id, told.token_id) == (2, "prj_1", "")


async def test_requests_that_a_token_has_left() -> None:
    known = token(max_requests=5, request_count=3)
    bench = Bench(configured(budget(Measure.REQUESTS, 9)), known)
    told = await _check(bench, known, calls=3)
    assert (told.admitted, told.admitted_calls) == (False, 2)
    assert (await _check(bench, known, calls=2)).admitted


async def test_nothing_is_admitted_that_an_earlier_step_refuses() -> None:
    bench = Bench(configured(budget(Measure.REQUESTS, 2)))
    told = await _check(bench, model="missing")
    assert (told.admitted, told.admitted_calls, told.reservations) == (False, 0, ())
