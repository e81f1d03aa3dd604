"""What is explained is what would happen, and nothing happens."""

import re
from dataclasses import replace
from typing import Any

import pytest
from tollkeeper_server.dataplane.explain import Explainer
from tollkeeper_server.domain.explanation import Explanation, Query, Step
from tollkeeper_server.domain.limit import Limit, Measure
from tollkeeper_server.domain.listener import IpLimit, Rule
from tollkeeper_server.domain.model import Price
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Strategy, TrafficPolicy
from tollkeeper_server.domain.upstream import HeaderAction
from tollkeeper_server.errors import Reason
from tollkeeper_server.snapshot.model import ListenerView, Snapshot
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import (
    AZURE,
    PROVIDER_KEY,
    SECRET,
    member_on,
    pool,
    route,
    snapshot,
    target,
    token,
)
from tests.unit.dataplane.gateway import Bench

ONE = target("one", operations=((HeaderAction.INSERT, b"x-team", b"search"),))
LISTENER = ListenerView(
    name="tenant",
    address="127.0.0.1:3001",
    rules=compile_rules(
        [Rule(path="/api/items/{id:[0-9]+}", group="spare"), Rule(header="x-beta", group="spare")]
    ),
    default_group="",
    ip_limit=IpLimit(per_second=50),
    head_timeout=10,
)
CONFIGURED = snapshot(
    route(
        "gpt-4o",
        member_on(ONE, "gpt-4o"),
        member_on(AZURE, "mine"),
        policy=TrafficPolicy(strategy=Strategy.FAILOVER),
        fallbacks=("llama",),
        price=Price(prompt=2500, completion=10_000),
    ),
    route("llama"),
    default=target("fallback"),
    listeners={"tenant": LISTENER},
    groups={"spare": pool(member_on(target("spare")), name="spare")},
)


def _bench(configuration: Snapshot = CONFIGURED, known: Token | None = None) -> tuple[Bench, Explainer]:
    bench = Bench(configuration, known)

    async def find(token_id: str) -> Token | None:
        found = known or token()
        return found if token_id == found.id else None

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
    return bench, explainer


async def _explain(known: Token | None = None, **query: Any) -> Explanation:
    _, explainer = _bench(known=known)
    return await explainer.explain(Query(**{"token": "tok_1", **query}))


async def test_a_list_of_kept_things_is_explained() -> None:
    told = await _explain(method="GET", path="/v1/files")
    assert told.admitted
    assert told.members == ()
    assert [it.detail for it in told.verdicts if it.step is Step.AFFINITY] == [
        "the project's own things are listed, of all upstreams that keep some for it"
    ]


async def test_what_is_read_first_is_explained() -> None:
    bench, explainer = _bench(known=token(allowed_models=("gpt-4o",)))
    bench.placements.upstreams = {"video_1": "fallback"}
    told = await explainer.explain(Query(token="tok_1", path="/v1/videos/video_1/remix", model="gpt-4o"))
    assert told.admitted
    (detail,) = [it.detail for it in told.verdicts if it.step is Step.AFFINITY]
    assert detail == (
        "video_1 is kept by fallback for project prj_1; /videos/video_1 is read there first, and what the "
        "token may not use or reach is refused"
    )


async def test_that_a_batch_is_held_to_its_lines_is_explained() -> None:
    bench, explainer = _bench()
    bench.placements.keep("file-1", "fallback")
    body = '{"input_file_id":"file-1","endpoint":"/v1/chat/completions"}'
    told = await explainer.explain(Query(token="tok_1", path="/v1/batches", body=body))
    assert told.admitted
    (detail,) = [it.detail for it in told.verdicts if it.step is Step.AFFINITY]
    assert detail.endswith("is refused; what its lines may use is reserved then")


async def test_what_a_batch_of_messages_reserves_is_explained() -> None:
    limits = (Limit(measure=Measure.TOKENS, amount=10**6, period=Period.TOTAL),)
    asked = {"model": "gpt-4o", "prompt_bytes": 1000, "max_output_tokens": 500}
    one = await _explain(token(limits=limits), path="/v1/messages/batches", **asked)
    (reserved,) = one.reservations
    assert 1500 < reserved.need < 1700
    many = await _explain(token(limits=limits), path="/v1/messages/batches", calls=1000, **asked)
    assert many.admitted_calls == 10**6 // reserved.need


async def test_a_request_that_would_be_sent_is_explained_to_its_last_header() -> None:
    told = await _explain(model="gpt-4o", headers=(("User-Agent", "me"),))

    assert told.admitted
    assert [verdict.step for verdict in told.verdicts] == [
        Step.LISTENER,
        Step.ENDPOINT,
        Step.TOKEN,
        Step.ROUTE,
        Step.LIMIT,
        Step.MEMBER,
    ]
    assert (told.model, told.strategy, told.fallbacks) == ("gpt-4o", "failover", ("llama",))
    assert (told.token_id, told.project_id) == ("tok_1", "prj_1")
    assert told.price == Price(prompt=2500, completion=10_000)
    chosen, other = told.members
    assert (chosen.upstream, chosen.is_chosen, chosen.breaker, chosen.is_available) == (
        "one",
        True,
        "closed",
        True,
    )
    assert chosen.url == "http://upstream.test/v1/chat/completions"
    assert (other.upstream, other.upstream_model, other.is_chosen) == ("azure", "mine", False)
    headers = dict(told.headers)
    assert (headers["x-team"], headers["user-agent"], headers["authorization"]) == ("***", "me", "***")


async def test_what_an_upstreams_settings_do_to_headers_is_told() -> None:
    bench, explainer = _bench()
    named = target("one", request_id_header=b"x-call", passed_headers=frozenset({b"set-cookie", b"nel"}))
    bench.snapshot = snapshot(route("gpt-4o", member_on(named)))

    told = await explainer.explain(Query(token="tok_1", model="gpt-4o"))

    assert dict(told.headers)["x-call"].startswith("req_")
    assert told.verdicts[-1].detail.endswith("; of its answer's headers, nel, set-cookie may pass, too")


async def test_upstreams_whose_lists_of_models_count_are_told() -> None:
    bench, explainer = _bench()
    bench.snapshot = snapshot(route("*", member_on(target("open", models_url="http://open.test/v1/models"))))

    told = await explainer.explain(Query(token="tok_1", method="GET", path="/v1/models"))

    assert told.admitted
    assert told.verdicts[-1].detail.endswith("that the token may use; open may list further ones")


async def test_no_secret_is_told() -> None:
    told = await _explain(token=SECRET.decode(), model="gpt-4o")

    assert told.admitted
    assert PROVIDER_KEY.decode() not in repr(told)
    assert SECRET.decode() not in repr(told)


@pytest.mark.parametrize(
    ("query", "step", "reason"),
    [
        ({"listener": "nowhere"}, Step.LISTENER, Reason.NOT_FOUND),
        ({"path": "/v1/../x"}, Step.ENDPOINT, Reason.INVALID_ARGUMENT),
        ({"path": "/elsewhere"}, Step.ENDPOINT, Reason.NOT_FOUND),
        ({"token": "tok_2"}, Step.TOKEN, Reason.INVALID_API_KEY),
        ({"token": "sk-unknown"}, Step.TOKEN, Reason.INVALID_API_KEY),
        ({"token": ""}, Step.TOKEN, Reason.INVALID_API_KEY),
        ({"model": "unheard-of"}, Step.ROUTE, Reason.MODEL_NOT_FOUND),
        ({}, Step.ROUTE, Reason.MODEL_REQUIRED),
        ({"model": "llama"}, Step.MEMBER, Reason.NO_UPSTREAM),
    ],
)
async def test_the_step_that_refuses_says_why(query: dict[str, Any], step: Step, reason: Reason) -> None:
    told = await _explain(**query)

    assert not told.admitted
    assert (told.verdicts[-1].step, told.verdicts[-1].code) == (step, reason.value)
    assert all(verdict.passed for verdict in told.verdicts[:-1])


async def test_a_token_that_may_not_use_the_model_is_told() -> None:
    told = await _explain(token(allowed_models=("llama",)), model="gpt-4o")

    assert (told.verdicts[-1].step, told.verdicts[-1].code) == (Step.ROUTE, Reason.MODEL_NOT_ALLOWED.value)


async def test_rules_and_limits_of_a_listener_are_told() -> None:
    by_path = await _explain(token(max_requests=10, request_count=4), listener="tenant", path="/api/items/42")
    by_header = await _explain(listener="tenant", model="gpt-4o", headers=(("X-Beta", "1"),))

    assert (by_path.listener, by_path.rule, by_path.group) == ("tenant", "/api/items/{id:[0-9]+}", "spare")
    assert by_path.members[0].url == "http://upstream.test/v1/api/items/42"
    limits = next(verdict.detail for verdict in by_path.verdicts if verdict.step is Step.LIMIT)
    assert limits == "4 of 10 requests used, 50 requests a second of an address"
    assert (by_header.rule, by_header.group) == ("x-beta: *", "spare")


async def test_what_an_upstream_keeps_leads_there() -> None:
    bench, explainer = _bench(replace(CONFIGURED, targets={"one": ONE, "azure": AZURE}))
    bench.placements.upstreams["file-abc123"] = "azure"

    told = await explainer.explain(Query(token="tok_1", path="/v1/files/file-abc123", method="GET"))

    assert [member.upstream for member in told.members] == ["azure"]


async def test_explaining_uses_nothing_up() -> None:
    rotating = snapshot(route("m", *(member_on(target(name)) for name in ("a", "b", "c"))))
    bench, explainer = _bench(rotating)

    chosen = []
    for _ in range(4):
        told = await explainer.explain(Query(token="tok_1", model="m"))
        chosen += [member.upstream for member in told.members if member.is_chosen]
    assert len(set(chosen)) == 1
    await Caller(body=b'{"model":"m"}').call(bench.plane)
    assert bench.journal.settled[0].upstream == chosen[0]
    assert not bench.admissions


async def test_what_a_request_would_reserve_is_told_and_not_held() -> None:
    limits = (
        Limit(measure=Measure.REQUEST_RATE, amount=60),
        Limit(measure=Measure.TOKENS, amount=100_000, period=Period.DAY),
    )
    bench, explainer = _bench(known=token(limits=limits))

    for _ in range(100):
        told = await explainer.explain(Query(token="tok_1", model="gpt-4o"))

    assert told.admitted
    (words,) = [it.detail for it in told.verdicts if it.step is Step.LIMIT]
    assert re.fullmatch(
        r"1 of the 60 requests a minute of token tok_1, "
        r"16,[34]\d\d of the 100,000 tokens a day of token tok_1",
        words,
    ), words
    assert bench.ledger.pending == 0
    assert bench.journal.begun == []


async def test_the_limit_that_would_refuse_is_named() -> None:
    limits = (Limit(measure=Measure.TOKENS, amount=100, period=Period.DAY),)
    bench, explainer = _bench(known=token(limits=limits))

    told = await explainer.explain(Query(token="tok_1", model="gpt-4o"))

    last = told.verdicts[-1]
    assert (told.admitted, last.step, last.code, last.status) == (
        False,
        Step.LIMIT,
        "insufficient_quota",
        429,
    )
    assert last.detail.startswith("100 tokens are left of the 100 tokens a day of token tok_1")
    assert not bench.metrics.limit_refusals
