"""What a batch needs is never less than what it uses, however it is read."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper_server.dataplane.budget.batch import BatchNeed
from tollkeeper_server.dataplane.budget.calls import Call
from tollkeeper_server.dataplane.budget.legs import Leg
from tollkeeper_server.dataplane.budget.meter_set import MeterSet
from tollkeeper_server.dataplane.reply.batch_usage import LineUsage
from tollkeeper_server.dataplane.request.batch_lines import Lines
from tollkeeper_server.dataplane.request.endpoint import CHAT
from tollkeeper_server.domain.limit import Measure, Scope, ScopeKind
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.prices.consumption import Unit
from tollkeeper_server.prices.price import GivenPeriod, GivenRates, Price, Service, Variant
from tollkeeper_server.snapshot.meters import meters_of

from tests.unit.dataplane.budget.limited import budget

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
METERS = MeterSet(
    meters_of(
        Scope(ScopeKind.PROJECT, "prj_1"), [budget(it, 10**15) for it in (Measure.TOKENS, Measure.MONEY)]
    )
)
rates = st.integers(0, 10**7)
steps = st.one_of(
    rates.map(lambda rate: ((-1, rate),)),
    st.tuples(rates, rates, st.integers(1, 60)).map(lambda it: ((-1, it[0]), (it[2], it[1]))),
)
units = st.fixed_dictionaries(
    {Unit.INPUT: steps, Unit.OUTPUT: steps},
    optional={Unit.CACHED: steps, Unit.CACHE_WRITE: steps, Unit.REASONING: steps, Unit.REQUEST: steps},
)
prices = st.builds(
    lambda usual, in_batch, priority: Price(
        (GivenPeriod(GivenRates(usual)),),
        (
            Variant(Service(is_batch=True), GivenRates(in_batch)),
            Variant(Service("priority"), GivenRates(priority)),
        ),
    ),
    units,
    st.dictionaries(st.sampled_from([Unit.INPUT, Unit.OUTPUT, Unit.CACHED]), steps),
    units,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a request's body, and a usage that keeps to it."""
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": draw(st.text(max_size=60))}],
    }
    most = draw(st.integers(1, 300))
    body[draw(st.sampled_from(["max_tokens", "max_completion_tokens"]))] = most
    answers = draw(st.integers(1, 3))
    if answers > 1:
        body["n"] = answers
    prompt = draw(st.integers(1, len(json.dumps(body, ensure_ascii=False).encode())))
    cached = draw(st.integers(0, prompt))
    completion = draw(st.integers(0, most * answers))
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": draw(st.integers(0, prompt - cached)),
        },
        "completion_tokens_details": {"reasoning_tokens": draw(st.integers(0, completion))},
    }
    return body, usage


def _cut(whole: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(it % (len(whole) + 1) for it in at)})
    return [whole[start:end] for start, end in pairwise(places)]


@settings(max_examples=200)
@given(st.lists(requests(), min_size=1, max_size=6), prices, st.lists(st.integers(0, 10**6), max_size=6))
def test_what_is_charged_at_first_suffices_and_what_is_charged_at_last_is_the_sum(
    asked: list[tuple[dict[str, Any], dict[str, Any]]], price: Price, cuts: list[int]
) -> None:
    leg = Leg(Call("m", "m", "one", "m"), price, 0, None)
    need = BatchNeed(lambda _: [leg], AT.timestamp())
    lines = Lines(1 << 20)
    sent = b"".join(
        json.dumps({"url": "/v1/chat/completions", "body": body}, ensure_ascii=False).encode() + b"\n"
        for body, _ in asked
    )
    for piece in _cut(sent, cuts):
        for line in lines.read(lines.feed(piece)):
            assert [*line.endpoints] == [CHAT]
            for body in line.bodies:
                need.add(CHAT, line.models, body)
    usage = LineUsage(lambda _: price, AT)
    for _, used in asked:
        answer = {"model": "m", "usage": used}
        usage.add(json.dumps({"response": {"status_code": 200, "body": answer}}).encode())

    _, _, tokens, money = need.demand(METERS, may_pass_over=False).amounts
    prompt, completion = (sum(it[name] for _, it in asked) for name in ("prompt_tokens", "completion_tokens"))
    assert need.requests == len(asked)
    assert usage.tokens.confidence is Confidence.EXACT
    assert (usage.tokens.prompt, usage.tokens.completion) == (prompt, completion)
    assert tokens >= prompt + completion
    assert usage.cost is not None
    assert money >= usage.cost
