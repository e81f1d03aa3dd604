"""What requests may do by their limits: shorter answers, a maximum nobody said, and what has no price."""

import asyncio
import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.transport import ConnectError, Outgoing
from tollkeeper_server.domain.explanation import Query, Step, Verdict
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.ledger.local import LocalLedger
from tollkeeper_server.ledger.port import Ledger
from tollkeeper_server.ledger.reservation import Outcome
from tollkeeper_server.snapshot.model import OwnPrice, Route, Snapshot

from tests.unit.dataplane.budget.limited import ONE, PRICE, TWO, answered, budget, chat, configured, used
from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import member_on, route, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

TOKENS, MONEY = (f"{measure}:total:project:prj_1" for measure in (Measure.TOKENS, Measure.MONEY))
MUCH = budget(Measure.MONEY, 10**9)


def clamped(measure: Measure, amount: int) -> Limit:
    """Return a budget that has answers made shorter."""
    return msgspec.structs.replace(budget(measure, amount), clamp=True)


def unpriced(limit: Limit = MUCH) -> Limit:
    """Return a budget that lets pass what has no price."""
    return msgspec.structs.replace(limit, allow_unpriced=True)


def with_route(made: Snapshot, *routes: Route) -> Snapshot:
    """Return a configuration with other models."""
    return replace(made, routes={**made.routes, **{it.name: it for it in routes}})


def sent(bench: Bench) -> dict[str, object]:
    """Return the body that the upstream got."""
    return _body(bench.transport.only)


def _body(request: Outgoing) -> dict[str, object]:
    assert isinstance(request.body, bytes)
    body: dict[str, object] = json.loads(request.body)
    return body


async def limits_of(bench: Bench, model: str) -> Verdict:
    """Return what an explanation says of the limits of a chat."""
    told = await bench.explainer.explain(Query(token="tok_1", model=model))
    return next(verdict for verdict in told.verdicts if verdict.step is Step.LIMIT)


async def test_a_fallback_without_a_price_is_passed_over() -> None:
    made = configured(MUCH)
    bench = Bench(with_route(made, replace(made.routes["m"], fallbacks=("unpriced", "spare"))))
    bench.transport.answers["upstream.test"] = [ConnectError("refused"), Answer([answered()])]
    bench.transport.answers["two.test"] = [Answer([answered(5, 7)])]

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.OK
    assert bench.transport.hosts == ["upstream.test", "two.test"]
    assert bench.journal.only.model_served == "spare"
    assert used(bench) == {MONEY: 19}


async def test_a_model_without_a_price_is_passed_over_for_its_fallback() -> None:
    made = configured(MUCH)
    bench = Bench(with_route(made, replace(made.routes["unpriced"], fallbacks=("spare",))))
    bench.transport.answers["two.test"] = [Answer([answered(5, 7)])]

    reply = await chat("unpriced").call(bench.plane)

    assert reply.status == HTTPStatus.OK
    assert bench.transport.hosts == ["two.test"]
    assert used(bench) == {MONEY: 19}
    told = await bench.explainer.explain(Query(token="tok_1", model="unpriced"))
    assert told.admitted
    limit, member = told.verdicts[-2:]
    assert limit.detail.endswith("; one is not asked for unpriced, whose price is not known")
    assert member.detail.startswith(
        "two, of the fallback spare: no upstream of the model 'unpriced' has a price"
    )


async def test_a_deployment_without_a_price_is_passed_over() -> None:
    made = configured(MUCH)
    served = route(
        "m", member_on(ONE), member_on(TWO), deployment_prices={("two", ""): OwnPrice(PRICE)}, own_price=None
    )
    bench = Bench(with_route(made, served))
    bench.transport.answers["two.test"] = [Answer([answered(5, 7)]) for _ in range(4)]

    for _ in range(4):
        assert (await chat().call(bench.plane)).status == HTTPStatus.OK

    assert set(bench.transport.hosts) == {"two.test"}


async def test_what_has_no_price_is_refused_with_a_remedy() -> None:
    bench = Bench(configured(MUCH))
    reply = await chat("unpriced").call(bench.plane)
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (HTTPStatus.FORBIDDEN, "price_unknown")
    assert "'unpriced'" in error["message"]
    assert "allow_unpriced" in error["message"]


async def test_what_has_no_price_costs_nothing_if_that_is_allowed() -> None:
    bench = Bench(configured(unpriced(), budget(Measure.TOKENS, 10**6)))
    bench.answers(answered(5, 7))

    reply = await chat("unpriced").call(bench.plane)

    assert reply.status == HTTPStatus.OK
    assert used(bench) == {MONEY: 0, TOKENS: 12}
    assert bench.journal.only.cost_nano_dollars is None
    assert b"x-tollkeeper-cost" not in reply.headers


async def test_a_fallback_without_a_price_costs_nothing_if_that_is_allowed() -> None:
    made = configured(unpriced())
    bench = Bench(with_route(made, replace(made.routes["m"], fallbacks=("unpriced",))))
    bench.transport.answers["upstream.test"] = [ConnectError("refused"), Answer([answered()])]

    assert (await chat().call(bench.plane)).status == HTTPStatus.OK

    assert bench.journal.only.model_served == "unpriced"
    assert used(bench) == {MONEY: 0}


async def test_all_limits_must_allow_what_has_no_price() -> None:
    bench = Bench(configured(unpriced(), gateway=(MUCH,)))
    assert (await chat("unpriced").call(bench.plane)).status == HTTPStatus.FORBIDDEN


async def test_an_answer_is_made_as_short_as_there_are_tokens() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 1000)))
    bench.answers(answered(5, 7))

    reply = await chat(max_tokens=5000).call(bench.plane)

    left = 1000 - bench.journal.only.request_bytes
    assert reply.status == HTTPStatus.OK
    assert sent(bench)["max_tokens"] == left
    assert "max_completion_tokens" not in sent(bench)
    assert reply.headers[b"x-tollkeeper-max-output"] == b"%d;clamped" % left
    assert [hold.amount for hold in bench.journal.begun[0].holds] == [1000]
    assert used(bench) == {TOKENS: 12}
    assert {labels: one.value for labels, one in bench.metrics.limit_clamps.items()} == {
        ("project", "tokens"): 1
    }


async def test_an_answer_is_made_as_short_as_there_is_money() -> None:
    bench = Bench(configured(clamped(Measure.MONEY, 2000)))
    bench.answers(answered(5, 7))

    await chat(max_tokens=5000).call(bench.plane)

    left = (2000 - bench.journal.only.request_bytes) // 2  # at two nano-dollars a token
    assert sent(bench)["max_tokens"] == left


async def test_each_of_several_answers_is_made_shorter() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 2001)))
    bench.answers(answered(5, 7))
    await chat(max_tokens=5000, n=3).call(bench.plane)
    assert sent(bench)["max_tokens"] == (2001 - bench.journal.only.request_bytes) // 3


async def test_the_least_of_several_limits_counts() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 2000), clamped(Measure.MONEY, 1500)))
    bench.answers(answered(5, 7))
    await chat(max_tokens=5000).call(bench.plane)
    assert sent(bench)["max_tokens"] == (1500 - bench.journal.only.request_bytes) // 2


class Later:
    """A ledger that answers a turn later, as one does that others share."""

    def __init__(self, ledger: LocalLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    async def reserve(self, *what: Any) -> Outcome:
        """Reserve as the ledger does."""
        await asyncio.sleep(0)
        return self._ledger.reserve(*what)


@pytest.mark.parametrize(("amount", "status"), [(1000, HTTPStatus.OK), (300, HTTPStatus.TOO_MANY_REQUESTS)])
async def test_a_ledger_that_is_waited_for_has_answers_made_shorter_too(
    amount: int, status: HTTPStatus
) -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, amount)))
    bench.reservations._ledger = cast("Ledger", Later(bench.ledger))
    bench.answers(answered(5, 7))

    assert (await chat(max_tokens=5000).call(bench.plane)).status == status

    assert used(bench) == {TOKENS: 12 if status == HTTPStatus.OK else 0}
    if status == HTTPStatus.OK:
        assert sent(bench)["max_tokens"] == amount - bench.journal.only.request_bytes


async def test_a_limit_that_is_not_clamped_refuses() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 1000), budget(Measure.MONEY, 1000)))
    reply = await chat(max_tokens=5000).call(bench.plane)
    assert reply.status == HTTPStatus.TOO_MANY_REQUESTS
    assert used(bench) == {TOKENS: 0, MONEY: 0}


@pytest.mark.parametrize(("amount", "status"), [(256, HTTPStatus.OK), (255, HTTPStatus.TOO_MANY_REQUESTS)])
async def test_an_answer_that_would_be_of_no_use_is_refused(amount: int, status: HTTPStatus) -> None:
    sizes = Bench(configured())
    await chat(max_tokens=5000).call(sizes.plane)
    bench = Bench(configured(clamped(Measure.TOKENS, sizes.journal.only.request_bytes + amount)))
    bench.answers(answered(5, 7))
    assert (await chat(max_tokens=5000).call(bench.plane)).status == status


async def test_what_has_no_maximum_is_refused() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 300)))
    body = json.dumps({"model": "m", "input": "x" * 1000}).encode()
    reply = await Caller("POST", "/v1/embeddings", body).call(bench.plane)
    assert reply.status == HTTPStatus.TOO_MANY_REQUESTS


async def test_an_explanation_says_how_short_the_answer_is() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 1000)), default_output=5000)
    verdict = await limits_of(bench, "m")
    assert verdict.passed
    assert verdict.detail == (
        "1,000 of the 1,000 tokens in all of project prj_1; the answer may have 987 tokens, "
        "which is what is left"
    )
    assert (await limits_of(bench, "m")).detail == verdict.detail  # nothing is held


MESSAGE = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("provider", "path", "asked", "expected"),
    [
        (Provider.OPENAI, "chat/completions", {}, {"max_completion_tokens": 700}),
        (Provider.AZURE, "chat/completions", {}, {"max_completion_tokens": 700}),
        (Provider.GENERIC, "chat/completions", {}, {"max_tokens": 700}),
        (Provider.OPENAI, "chat/completions", {"max_tokens": None}, {"max_completion_tokens": 700}),
        (Provider.OPENAI, "chat/completions", {"max_tokens": -1}, {"max_tokens": 700}),
        (Provider.OPENAI, "chat/completions", {"MAX_TOKENS": 9000}, {"max_completion_tokens": 700}),
        (Provider.OPENAI, "completions", {}, {"max_tokens": 700}),
        (Provider.OPENAI, "responses", {}, {"max_output_tokens": 700}),
        (Provider.OPENAI, "responses", {"max_tokens": 5}, {"max_tokens": 5, "max_output_tokens": 700}),
        (Provider.GENERIC, "messages", {}, {"max_tokens": 700}),
        (Provider.OPENAI, "chat/completions", {"max_tokens": 5}, {"max_tokens": 5}),
    ],
)
async def test_a_maximum_that_nobody_said_is_written(
    provider: Provider, path: str, asked: dict[str, object], expected: dict[str, object]
) -> None:
    """By the member of its endpoint that the upstream knows."""
    up = target("one", provider, base_url="http://upstream.test/v1")
    made = with_route(configured(budget(Measure.TOKENS, 10**6)), route("m", member_on(up)))
    bench = Bench(replace(made, targets={"one": up}), default_output=700)
    bench.answers(answered())
    body = json.dumps({"model": "m", "messages": MESSAGE, **asked, "x": 1}).encode()

    reply = await Caller("POST", f"/v1/{path}", body).call(bench.plane)

    assert reply.status == HTTPStatus.OK
    assert sent(bench) == {"model": "m", "messages": MESSAGE, **expected, "x": 1}
    is_written = asked != expected
    assert (reply.headers.get(b"x-tollkeeper-max-output") == b"700") is is_written
    most = expected["max_tokens"] if not is_written else 700
    assert [hold.amount for hold in bench.journal.begun[0].holds] == [len(body) + int(str(most))]


async def test_a_large_body_gets_its_maximum_too() -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 10**9)), default_output=700)
    bench.answers(answered())
    await chat(padding="x" * 300_000).call(bench.plane)
    body = bench.transport.only.body
    assert not isinstance(body, bytes)
    joined = b"".join(body.parts)  # type: ignore[union-attr]  # no body that streams
    assert json.loads(joined)["max_completion_tokens"] == 700


async def test_a_model_whose_maximum_is_known_gets_none_written() -> None:
    """Gpt-4o's stands in the table of prices."""
    up = target("one", prices="openai")
    made = with_route(configured(budget(Measure.TOKENS, 10**6)), route("gpt-4o", member_on(up)))
    bench = Bench(replace(made, targets={"one": up}), default_output=700)
    bench.answers(answered())

    reply = await chat("gpt-4o").call(bench.plane)

    assert "max_completion_tokens" not in sent(bench)
    assert b"x-tollkeeper-max-output" not in reply.headers


async def test_without_a_budget_nothing_is_written() -> None:
    bench = Bench(configured(Limit(measure=Measure.TOKEN_RATE, amount=10**6)), default_output=700)
    bench.answers(answered())
    await chat().call(bench.plane)
    assert set(sent(bench)) == {"model", "messages"}


async def test_a_maximum_that_nobody_said_takes_no_more_of_a_rate() -> None:
    rate = Limit(measure=Measure.TOKEN_RATE, amount=10_000)
    bench = Bench(configured(rate, budget(Measure.TOKENS, 10**6)), default_output=9999)
    bench.answers(b"{}", status=400)
    reply = await chat().call(bench.plane)
    assert reply.headers[b"x-ratelimit-remaining-tokens"] >= b"8900"


async def test_what_a_fallback_is_sent_is_as_short() -> None:
    bench = Bench(configured(clamped(Measure.TOKENS, 1000)))
    bench.transport.answers["upstream.test"] = [ConnectError("refused")]
    bench.transport.answers["two.test"] = [Answer([answered(5, 7)])]

    await chat(max_tokens=5000).call(bench.plane)

    first, second = map(_body, bench.transport.requests)
    assert first["max_tokens"] == second["max_tokens"] == 1000 - bench.journal.only.request_bytes


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12_000),
    st.lists(st.integers(0, 256), min_size=1, max_size=30),
    st.sampled_from([Measure.TOKENS, Measure.MONEY]),
)
def test_no_clamped_budget_is_overspent(amount: int, outputs: list[int], measure: Measure) -> None:
    """By answers that keep to the maximum that was sent."""
    bench = Bench(configured(clamped(measure, amount)))

    async def all_of_them() -> None:
        for output in outputs:
            bench.answers(answered(20, output))
            await chat(max_tokens=4000).call(bench.plane)

    asyncio.run(all_of_them())
    (spent,) = used(bench).values()
    assert spent <= amount
    for request in bench.transport.requests:
        assert 256 <= int(str(_body(request)["max_tokens"])) <= 4000
