"""Requests whose limits hold: however one ends, it is settled once, and nothing is held after."""

import asyncio
import json
from dataclasses import replace
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.transport import ConnectError, CutError, LocalShortageError
from tollkeeper_server.domain.limit import Charge, Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.price import DatedPrice, PriceRates
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.errors import Reason
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.snapshot.prices import dated_price

from tests.unit.dataplane.budget.limited import (
    EVERY,
    ONE,
    answered,
    budget,
    chat,
    configured,
    used,
)
from tests.unit.dataplane.caller import Caller, Reply, Taker
from tests.unit.dataplane.configured import member_on, route, target, token
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer, Step

TOKENS, MONEY, REQUESTS = (
    f"{measure}:total:project:prj_1" for measure in (Measure.TOKENS, Measure.MONEY, Measure.REQUESTS)
)
DONE = b"data: [DONE]\n\n"


def _event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def _error(reply: Reply) -> dict[str, str]:
    error: dict[str, str] = json.loads(reply.body)["error"]
    return error


def _charged(bench: Bench) -> dict[str, int]:
    return {charge.key: charge.amount for charge in bench.journal.only.charges}


async def test_a_request_is_charged_what_it_used() -> None:
    bench = Bench(configured(*EVERY))
    bench.answers(answered(5, 7))

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.OK
    assert used(bench) == {TOKENS: 12, MONEY: 19, REQUESTS: 1} == _charged(bench)


async def test_what_it_holds_is_on_record_before_it_is_sent() -> None:
    bench = Bench(configured(*EVERY))
    bench.answers(answered())

    await chat(max_tokens=100).call(bench.plane)

    held = {hold.key: hold for hold in bench.journal.begun[0].holds}
    size = bench.journal.only.request_bytes
    assert held == {
        TOKENS: Charge(TOKENS, 0, size + 100),
        MONEY: Charge(MONEY, 0, size + 200),
        REQUESTS: Charge(REQUESTS, 0, 1),
    }
    assert bench.journal.order == ["begin", "open", "settle"]


@pytest.mark.parametrize(
    ("steps", "status", "tokens"),
    [
        ((answered(5, 7),), 200, 12),
        ((b'{"error":{}}',), 400, 0),
        ((CutError("cut"),), 200, None),
        ((b"{", CutError("cut")), 200, None),
    ],
    ids=["whole", "an error", "cut at once", "cut"],
)
async def test_however_it_ends_it_is_settled_once(
    steps: tuple[Step, ...], status: int, tokens: int | None
) -> None:
    bench = Bench(configured(*EVERY))
    bench.answers(*steps, status=status)

    await chat().call(bench.plane)

    event = bench.journal.only
    counted = event.tokens.prompt + event.tokens.completion
    assert used(bench) == {TOKENS: counted, MONEY: event.cost_nano_dollars, REQUESTS: 1} == _charged(bench)
    assert tokens in (None, counted)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("process_ends", [False, True])
async def test_nobody_waits_for_it_any_more(streams: bool, process_ends: bool) -> None:
    bench = Bench(configured(*EVERY))
    waiting = asyncio.Event()
    answer = bench.streams(_event("abcd"), waiting) if streams else bench.answers(b"{", waiting)
    caller = chat(stream=streams)
    calling = asyncio.create_task(caller.call(bench.plane))
    await answer.reached.wait()
    assert bench.ledger.pending == 1

    if process_ends:
        calling.cancel()
    else:
        caller.left.set()
    await asyncio.gather(calling, return_exceptions=True)

    event = bench.journal.only
    assert used(bench) == {
        TOKENS: event.tokens.prompt + event.tokens.completion,
        MONEY: event.cost_nano_dollars,
        REQUESTS: 1,
    }
    assert event.tokens.prompt > 0


async def test_an_error_that_nobody_waits_for_costs_nothing() -> None:
    bench = Bench(configured(*EVERY))
    answer = bench.answers(b"{", asyncio.Event(), status=400)
    caller = chat()
    calling = asyncio.create_task(caller.call(bench.plane))
    await answer.reached.wait()

    caller.left.set()
    await calling

    assert bench.journal.only.status == 499
    assert used(bench) == {TOKENS: 0, MONEY: 0, REQUESTS: 1} == _charged(bench)


async def test_what_nobody_has_counted_is_charged_as_it_was_held() -> None:
    """Such as sound, of which no answer says what it cost."""
    bench = Bench(configured(*EVERY))
    bench.answers(b"\xff\xfb", kind=b"audio/mpeg")
    body = json.dumps({"model": "m", "input": "12345678", "voice": "y"}).encode()

    await Caller("POST", "/v1/audio/speech", body).call(bench.plane)

    held = {hold.key: hold.amount for hold in bench.journal.begun[0].holds}
    assert used(bench) == held == _charged(bench)
    assert held[TOKENS] == 3 * len(body)


async def test_speech_holds_and_is_charged_what_its_characters_cost() -> None:
    """It has used no tokens: it is not billed by them."""
    price = dated_price([DatedPrice(rates=PriceRates(character=15))])
    made = configured(*EVERY)
    bench = Bench(replace(made, routes={**made.routes, "m": replace(made.routes["m"], own_price=price)}))
    bench.answers(b"\xff\xfb", kind=b"audio/mpeg")
    body = json.dumps({"model": "m", "input": "größer 🎈", "voice": "y"}).encode()

    await Caller("POST", "/v1/audio/speech", body).call(bench.plane)

    held = {hold.key: hold.amount for hold in bench.journal.begun[0].holds}
    assert held[MONEY] == 8 * 15_000
    assert used(bench) == {TOKENS: 0, MONEY: 8 * 15_000, REQUESTS: 1} == _charged(bench)


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/responses/input_tokens"])
async def test_counting_tokens_is_a_request_and_no_more(path: str) -> None:
    bench = Bench(configured(*EVERY))
    bench.answers(b'{"input_tokens": 5}')

    await Caller("POST", path, b'{"model":"m","input":"12345678","messages":[]}').call(bench.plane)

    assert bench.journal.only.cost_nano_dollars == 0
    assert used(bench) == {REQUESTS: 1} == _charged(bench)


@pytest.mark.parametrize(
    ("members", "held"),
    [
        ({"max_tool_calls": 3}, 3),
        ({}, 10),
    ],
)
async def test_a_response_holds_its_searches_and_is_charged_those_that_it_made(
    members: dict[str, object], held: int
) -> None:
    """At the dearer rate, as nobody knows yet which of both it makes."""
    rates = PriceRates(input=0, output=0, web_search=0.01, file_search=0.0025)
    made = configured(*EVERY)
    price = dated_price([DatedPrice(rates=rates)])
    bench = Bench(
        replace(made, routes={**made.routes, "m": replace(made.routes["m"], own_price=price, fallbacks=())})
    )
    calls = [{"type": kind, "status": "completed"} for kind in ("web_search_call", "file_search_call")]
    usage = {"input_tokens": 5, "output_tokens": 7}
    bench.answers(json.dumps({"status": "completed", "output": calls, "usage": usage}).encode())
    asked = {
        "model": "m",
        "input": "12345678",
        "tools": [{"type": "web_search"}, {"type": "file_search"}],
        **members,
    }

    await Caller("POST", "/v1/responses", json.dumps(asked).encode()).call(bench.plane)

    assert {hold.key: hold.amount for hold in bench.journal.begun[0].holds}[MONEY] == held * 10_000_000
    assert used(bench) == {TOKENS: 12, MONEY: 12_500_000, REQUESTS: 1} == _charged(bench)


@pytest.mark.parametrize(
    ("members", "held"),
    [
        ({}, 1000),
        ({"pages": [0, 1, 2, 3, 4]}, 5),
        ({"pages": 7}, 1),
        ({"pages": "0-4"}, 1000),
        ({"pages": []}, 1000),
    ],
)
async def test_a_document_holds_its_pages_and_is_charged_those_that_were_read(
    members: dict[str, object], held: int
) -> None:
    made = configured(*EVERY)
    own = dated_price([DatedPrice(rates=PriceRates(page=0.00002, annotated_page=0.00004))])
    served = replace(made.routes["m"], own_price=own, fallbacks=())
    bench = Bench(replace(made, routes={**made.routes, "m": served}))
    bench.answers(b'{"pages":[],"usage_info":{"pages_processed":3}}')
    body = json.dumps({"model": "m", "document": {"document_url": "http://x"}, **members}).encode()

    await Caller("POST", "/v1/ocr", body).call(bench.plane)

    # Annotated they would be dearer.
    assert {hold.key: hold.amount for hold in bench.journal.begun[0].holds}[MONEY] == held * 40_000
    assert used(bench) == {TOKENS: 0, MONEY: 60_000, REQUESTS: 1} == _charged(bench)


async def test_the_upstream_is_not_reached_and_another_model_serves() -> None:
    bench = Bench(configured(*EVERY, model=EVERY))
    bench.transport.answers["upstream.test"] = [ConnectError("refused")]
    bench.transport.answers["two.test"] = [Answer([answered(5, 7)])]

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.OK
    assert bench.journal.only.model_served == "spare"
    of_model = {key.replace("project:prj_1", "model:m"): 0 for key in (TOKENS, MONEY)}
    requests = REQUESTS.replace("project:prj_1", "model:m")
    assert used(bench) == {TOKENS: 12, MONEY: 19, REQUESTS: 1, requests: 1, **of_model}


async def test_a_model_that_has_nothing_left_is_no_fallback() -> None:
    made = configured(*EVERY)
    spare = replace(
        made.routes["spare"],
        meters=meters_of(Scope(ScopeKind.MODEL, "spare"), [budget(Measure.TOKENS, 10)]),
    )
    bench = Bench(replace(made, routes={**made.routes, "spare": spare}))
    bench.transport.answers["upstream.test"] = [ConnectError("refused")]
    bench.transport.answers["two.test"] = [Answer([answered()])]

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.BAD_GATEWAY
    assert bench.transport.hosts == ["upstream.test"]
    assert bench.journal.only.model_served == "m"
    assert used(bench)[TOKENS] == 0


async def test_a_fallback_is_charged_to_its_own_model() -> None:
    made = configured(model=(budget(Measure.TOKENS, 10**6),))
    spare = replace(
        made.routes["spare"],
        meters=meters_of(Scope(ScopeKind.MODEL, "spare"), [budget(Measure.TOKENS, 10**6)]),
    )
    bench = Bench(replace(made, routes={**made.routes, "spare": spare}))
    bench.transport.answers["upstream.test"] = [ConnectError("refused")]
    bench.transport.answers["two.test"] = [Answer([answered(5, 7)])]

    await chat().call(bench.plane)

    expected = {"tokens:total:model:m": 0, "tokens:total:model:spare": 12}
    assert used(bench) == expected == _charged(bench)
    assert {hold.key for hold in bench.journal.begun[-1].holds} == set(expected)


@pytest.mark.parametrize(
    ("failure", "requests"),
    [(ConnectError("refused"), 0), (LocalShortageError(Shortage.PORTS), 0), (CutError("cut"), 1)],
)
async def test_what_reaches_no_upstream_is_charged_nothing(failure: Exception, requests: int) -> None:
    made = configured(*EVERY)
    bench = Bench(replace(made, routes={"m": replace(made.routes["m"], fallbacks=())}))
    bench.transport.answers["upstream.test"] = [failure]

    reply = await chat().call(bench.plane)

    assert reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    assert used(bench) == {TOKENS: 0, MONEY: 0, REQUESTS: requests}
    assert sum(charge.amount for charge in bench.journal.only.charges) == requests
    assert bench.journal.only.upstream == "one"


async def test_what_is_sent_nowhere_is_charged_nothing() -> None:
    made = configured(*EVERY)
    asleep = replace(made.routes["m"], pool=replace(made.routes["m"].pool, members=()), fallbacks=())
    bench = Bench(replace(made, routes={"m": asleep}))

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert set(used(bench).values()) == {0}
    assert bench.journal.only.charges == ()


async def test_a_refusal_consumes_nothing() -> None:
    """Not even of the token's requests, which are counted elsewhere."""
    known = token(max_requests=3, limits=(budget(Measure.REQUESTS, 10),))
    bench = Bench(configured(budget(Measure.TOKENS, 10)), known)

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.TOO_MANY_REQUESTS
    assert bench.admissions == []
    assert set(used(bench).values()) == {0}
    assert bench.transport.requests == []


async def test_what_the_store_refuses_is_charged_nothing() -> None:
    """The token's requests, which the store counts, are used up."""
    bench = Bench(configured(*EVERY), token(max_requests=3))
    bench.admitted = False

    reply = await chat().call(bench.plane)

    assert _error(reply)["code"] == "request_limit_exceeded"
    assert bench.admissions == ["tok_1"]
    assert set(used(bench).values()) == {0}


@pytest.mark.parametrize(
    ("limit", "code", "kind", "retry", "after"),
    [
        (budget(Measure.TOKENS, 10), "insufficient_quota", "insufficient_quota", b"false", None),
        (budget(Measure.MONEY, 10), "insufficient_quota", "insufficient_quota", b"false", None),
        (
            Limit(measure=Measure.TOKEN_RATE, amount=10),
            "request_above_limit",
            "rate_limit_error",
            b"false",
            None,
        ),
    ],
)
async def test_what_never_passes_says_so(
    limit: Limit, code: str, kind: str, retry: bytes, after: bytes | None
) -> None:
    bench = Bench(configured(limit))

    reply = await chat().call(bench.plane)

    error = _error(reply)
    assert reply.status == HTTPStatus.TOO_MANY_REQUESTS
    assert (error["code"], error["type"]) == (code, kind)
    assert "project prj_1" in error["message"]
    assert (reply.headers.get(b"x-should-retry"), reply.headers.get(b"retry-after")) == (retry, after)
    assert {labels: one.value for labels, one in bench.metrics.limit_refusals.items()} == {
        ("project", str(limit.measure)): 1
    }


async def test_a_rate_says_when_to_come_again() -> None:
    bench = Bench(configured(Limit(measure=Measure.REQUEST_RATE, amount=10, burst=1)))
    bench.answers(answered())

    good = await chat().call(bench.plane)
    refused = await chat().call(bench.plane)

    expected = {
        b"x-ratelimit-limit-requests": b"10",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"6s",
    }
    for reply in (good, refused):
        assert {name: value for name, value in reply.headers.items() if b"ratelimit" in name} == expected
    assert refused.status == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.headers[b"retry-after"] == b"6"
    assert _error(refused)["code"] == "rate_limit_exceeded"
    bench.ledger_now += 6_000_000
    assert (await chat().call(bench.plane)).status == HTTPStatus.OK


async def test_an_upstreams_own_rates_are_not_the_callers() -> None:
    bench = Bench(configured(Limit(measure=Measure.REQUEST_RATE, amount=10)))
    theirs = [(b"X-RateLimit-Limit-Requests", b"5000"), (b"x-ratelimit-limit-tokens", b"70")]
    bench.transport.answer = Answer([answered()], 200, [(b"content-type", b"application/json"), *theirs])

    reply = await chat().call(bench.plane)

    assert reply.headers[b"x-ratelimit-limit-requests"] == b"10"
    assert reply.headers[b"x-ratelimit-limit-tokens"] == b"70"


async def test_only_so_many_are_under_way() -> None:
    bench = Bench(configured(gateway=(Limit(measure=Measure.CONCURRENT, amount=1),)))
    waiting = asyncio.Event()
    answer = bench.answers(b"{", waiting, b"}")
    first = asyncio.create_task(chat().call(bench.plane))
    await answer.reached.wait()

    refused = await chat().call(bench.plane)
    waiting.set()
    await first

    assert refused.status == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.headers[b"retry-after"] == b"1"
    assert "the gateway" in _error(refused)["message"]
    bench.answers(answered())
    assert (await chat().call(bench.plane)).status == HTTPStatus.OK


async def test_a_model_without_a_price_takes_no_budget_of_money() -> None:
    bench = Bench(configured(budget(Measure.MONEY, 10**9)))
    reply = await chat("unpriced").call(bench.plane)

    assert reply.status == HTTPStatus.FORBIDDEN
    assert _error(reply)["code"] == "price_unknown"
    assert "'unpriced'" in _error(reply)["message"]
    assert bench.transport.requests == []


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("evals", "run its questions as requests of their own, or have"),
        ("realtime/sessions", "use chat completions or responses, or have"),
        ("fine_tuning/jobs", "holds for it; have an administrator make a token"),
        ("videos", "holds for it; have an administrator make a token"),
    ],
)
async def test_what_is_used_after_the_request_takes_no_budget(path: str, remedy: str) -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 10**9)))
    reply = await Caller("POST", f"/v1/{path}", b'{"model":"m"}').call(bench.plane)
    error = _error(reply)
    assert (reply.status, bench.journal.only.error_code) == (HTTPStatus.FORBIDDEN, "price_unknown")
    assert "the limit of project prj_1, 1,000,000,000 tokens in all, holds for it" in error["message"]
    assert remedy in error["message"]


@pytest.mark.parametrize("path", ["/v1/files/file-own", "/v1/batches/file-own"])
async def test_what_costs_no_tokens_is_a_request(path: str) -> None:
    bench = Bench(configured(*EVERY))
    bench.placements.keep("file-own", "one")
    bench.answers(b"{}")
    reply = await Caller("GET", path).call(bench.plane)
    assert reply.status == HTTPStatus.OK
    assert used(bench) == {REQUESTS: 1}


async def test_more_than_was_held_is_charged_in_full_and_told() -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 200)))
    bench.answers(answered(1000, 1000))

    first = await chat(max_tokens=10).call(bench.plane)
    second = await chat(max_tokens=10).call(bench.plane)

    assert (first.status, second.status) == (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS)
    assert second.headers[b"x-tollkeeper-budget-used"] == b'1000;scope="project";measure="tokens"'
    assert used(bench) == {TOKENS: 2000}
    held = bench.journal.begun[0].holds[0].amount
    assert bench.metrics.overdrafts["project", "tokens"].value == 2000 - held


async def test_a_budget_that_is_nearly_used_up_shows_in_answers() -> None:
    bench = Bench(configured(budget(Measure.TOKENS, 1000, Period.MONTH)))
    bench.answers(answered(400, 400))

    first = await chat(max_tokens=100).call(bench.plane)
    second = await chat(max_tokens=10).call(bench.plane)

    assert b"x-tollkeeper-budget-used" not in first.headers
    assert second.headers[b"x-tollkeeper-budget-used"] == b'80;scope="project";measure="tokens"'
    assert [(meter.scope.words, reached) for meter, reached in bench.crossed] == [
        ("project prj_1", 1),
        ("project prj_1", 2),
    ]


def _long_stream(amount: int) -> tuple[Bench, Caller]:
    """Return a stream of 20,000 bytes of text in 20 events, of which nobody has said a maximum."""
    bench = Bench(configured(budget(Measure.TOKENS, amount)))
    bench.streams(*[_event("x" * 1000)] * 20, DONE)
    return bench, chat(stream=True)


@pytest.mark.parametrize("on_listener", [False, True])
async def test_a_long_stream_holds_more_on_its_way(on_listener: bool) -> None:
    bench, caller = _long_stream(22_000)
    if on_listener:
        caller.scope["extensions"] = {"tollkeeper.caller": Taker(caller.sent)}

    reply = await caller.call(bench.plane)

    assert (reply.status, reply.ended) == (HTTPStatus.OK, True)
    assert bench.journal.only.error_code == ""
    held = [sum(hold.amount for hold in intent.holds) for intent in bench.journal.begun]
    assert len(held) == 2
    assert held[1] == held[0] + 4096
    assert used(bench) == {TOKENS: bench.journal.only.tokens.prompt + bench.journal.only.tokens.completion}


@pytest.mark.parametrize("on_listener", [False, True])
async def test_a_stream_ends_that_is_more_than_there_is(on_listener: bool) -> None:
    bench, caller = _long_stream(17_000)
    if on_listener:
        caller.scope["extensions"] = {"tollkeeper.caller": Taker(caller.sent)}

    reply = await caller.call(bench.plane)

    assert (reply.status, reply.ended) == (HTTPStatus.OK, True)
    assert json.loads(reply.chunks[-1].removeprefix(b"data: "))["error"]["code"] == "insufficient_quota"
    event = bench.journal.only
    assert event.error_code == str(Reason.INSUFFICIENT_QUOTA)
    assert used(bench) == {TOKENS: event.tokens.prompt + event.tokens.completion}
    assert not any(one.value for one in bench.metrics.upstream_errors.values())  # it is not at fault


async def test_what_can_not_be_written_down_does_not_begin() -> None:
    bench = Bench(configured(*EVERY))
    bench.room_for = 0

    reply = await chat().call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "gateway_shortage")
    assert bench.transport.requests == []
    assert set(used(bench).values()) == {0}
    assert bench.journal.only.charges == ()


async def test_a_fallback_that_can_not_be_written_down_is_none() -> None:
    made = configured(*EVERY)
    spare = replace(
        made.routes["spare"],
        meters=meters_of(Scope(ScopeKind.MODEL, "spare"), [budget(Measure.REQUESTS, 10)]),
    )
    bench = Bench(replace(made, routes={**made.routes, "spare": spare}))
    bench.room_for = 1
    bench.transport.answers["upstream.test"] = [ConnectError("refused")]

    reply = await chat().call(bench.plane)

    assert reply.status == HTTPStatus.BAD_GATEWAY
    assert bench.transport.hosts == ["upstream.test"]
    assert used(bench)["requests:total:model:spare"] == 0


async def test_a_stream_ends_whose_further_need_can_not_be_written_down() -> None:
    bench, caller = _long_stream(22_000)
    bench.room_for = 1

    reply = await caller.call(bench.plane)

    assert json.loads(reply.chunks[-1].removeprefix(b"data: "))["error"]["code"] == "gateway_shortage"
    event = bench.journal.only
    assert event.error_code == str(Reason.SHORTAGE)
    assert used(bench) == {TOKENS: event.tokens.prompt + event.tokens.completion}


@pytest.mark.parametrize("limits", [(), (Limit(measure=Measure.TOKEN_RATE, amount=10**6),)])
@pytest.mark.parametrize(("amount", "ends"), [(34_000, True), (50_000, False)])
async def test_a_stream_of_a_fallback_holds_more_at_its_price(
    limits: tuple[Limit, ...], amount: int, ends: bool
) -> None:
    """Whatever was held before: a token of its answers costs two nano-dollars."""
    made = configured(*limits, budget(Measure.REQUESTS, 10))
    spare = replace(
        made.routes["spare"],
        meters=meters_of(Scope(ScopeKind.MODEL, "spare"), [budget(Measure.MONEY, amount)]),
    )
    bench = Bench(replace(made, routes={**made.routes, "spare": spare}))
    bench.transport.answers["upstream.test"] = [ConnectError("refused")]
    bench.transport.answers["two.test"] = [Answer([*[_event("x" * 1000)] * 20, DONE])]

    await chat(stream=True).call(bench.plane)

    event = bench.journal.only
    assert (event.error_code == str(Reason.INSUFFICIENT_QUOTA)) is ends
    of_spare = [
        sum(hold.amount for hold in intent.holds if hold.key.startswith("money"))
        for intent in bench.journal.begun
    ]
    of_spare = [held for held in of_spare if held]
    assert of_spare[-1] == of_spare[0] + (0 if ends else 4096 * 2)
    assert used(bench)["money:total:model:spare"] <= amount


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.integers(0, 60), min_size=1, max_size=30),
    st.sampled_from([Measure.TOKENS, Measure.MONEY, Measure.REQUESTS]),
)
def test_no_budget_is_overspent(worth: int, outputs: list[int], measure: Measure) -> None:
    """By honest answers: those that keep to the maximum that was asked for."""
    amount = worth if measure is Measure.REQUESTS else worth * 150
    bench = Bench(configured(budget(measure, amount)))

    async def call(output: int) -> None:
        bench.answers(answered(20, output))
        await chat(max_tokens=60).call(bench.plane)

    async def all_of_them() -> None:
        for output in outputs:
            await call(output)

    asyncio.run(all_of_them())
    (spent,) = used(bench).values()
    assert spent <= amount
    assert spent == sum(charge.amount for event in bench.journal.settled for charge in event.charges)


async def test_a_caller_is_told_its_limits() -> None:
    known = token(limits=(Limit(measure=Measure.REQUEST_RATE, amount=60, burst=5),), allowed_models=("m",))
    made = configured(
        budget(Measure.MONEY, 10**9, Period.HOUR),
        model=(budget(Measure.TOKENS, 10**6),),
        gateway=(Limit(measure=Measure.CONCURRENT, amount=7),),
    )
    bench = Bench(made, known)
    bench.answers(answered(5, 7))
    await chat().call(bench.plane)
    bench.ledger_now += 500_000

    reply = await Caller("GET", "/v1/tollkeeper/limits").call(bench.plane)

    assert reply.status == HTTPStatus.OK
    states = {(it["scope"]["kind"], it["measure"]): it for it in json.loads(reply.body)["data"]}
    assert states["token", "requests_per_minute"] == {
        "scope": {"kind": "token", "id": "tok_1"},
        "measure": "requests_per_minute",
        "unit": "requests",
        "limit": 60,
        "burst": 5,
        "left": 4,
        "reset_seconds": 0.5,
    }
    money = states["project", "money"]
    assert (money["used"], money["held"], money["left"]) == (19, 0, 10**9 - 19)
    assert (money["unit"], money["period"], money["zone"]) == ("nano_dollars", "hour", "UTC")
    assert 0 < money["reset_seconds"] <= 3600
    assert states["model", "tokens"]["used"] == 12
    assert states["gateway", "concurrent_requests"]["left"] == 7
    assert len(bench.transport.requests) == 1
    assert bench.ledger.pending == 0


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_limits_are_only_read_there(method: str) -> None:
    bench = Bench(configured(*EVERY))
    reply = await Caller(method, "/v1/tollkeeper/limits").call(bench.plane)
    assert reply.status == HTTPStatus.METHOD_NOT_ALLOWED
    assert reply.headers[b"allow"] == b"GET, HEAD, OPTIONS"


async def test_limits_are_told_to_nobody_without_a_token() -> None:
    reply = await Caller("GET", "/v1/tollkeeper/limits", secret=None).call(Bench(configured(*EVERY)).plane)
    assert reply.status == HTTPStatus.UNAUTHORIZED


async def test_a_limit_that_is_raised_goes_on_with_what_was_used() -> None:
    bench = Bench(configured(), token(limits=(budget(Measure.REQUESTS, 1),)))
    bench.answers(answered())
    assert (await chat().call(bench.plane)).status == HTTPStatus.OK
    assert (await chat().call(bench.plane)).status == HTTPStatus.TOO_MANY_REQUESTS

    raised = token(limits=(budget(Measure.REQUESTS, 2),))
    bench.tokens.local = {raised.digest: raised}
    assert (await chat().call(bench.plane)).status == HTTPStatus.OK
    assert (await chat().call(bench.plane)).status == HTTPStatus.TOO_MANY_REQUESTS
    assert used(bench) == {"requests:total:token:tok_1": 2}


async def test_the_dearest_of_all_that_may_serve_is_held() -> None:
    """The fallback costs more: gpt-4o's prices, of the table."""
    made = configured(budget(Measure.MONEY, 10**12))
    listed = target("listed", prices="openai")
    dear = route("gpt-4o", member_on(listed, "gpt-4o"))
    m = replace(made.routes["m"], fallbacks=("gpt-4o",))
    bench = Bench(replace(made, routes={"m": m, "gpt-4o": dear}, targets={"one": ONE, "listed": listed}))
    bench.answers(answered())

    await chat(max_tokens=100).call(bench.plane)

    (held,) = bench.journal.begun[0].holds
    # $10 for a million tokens of the answer; priority is dearer still.
    assert held.amount >= 100 * 10_000
