"""What listeners, policies and upstreams' own settings change about a request on its way."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tollkeeper_server.dataplane.caller import LISTENER
from tollkeeper_server.dataplane.transport import ConnectError, CutError
from tollkeeper_server.domain.listener import IpLimit, Rule
from tollkeeper_server.domain.traffic import Strategy
from tollkeeper_server.domain.upstream import HeaderAction
from tollkeeper_server.snapshot.model import Header, ListenerView, Snapshot, Target
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import PROVIDER_KEY, member_on, pool, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

BODY = b'{"model":"m"}'
INSERT, REPLACE, REMOVE = HeaderAction.INSERT, HeaderAction.REPLACE, HeaderAction.REMOVE


def _target(name: str, **fields: Any) -> Target:
    return target(name, base_url=f"http://{name}.test/v1", **fields)


def _listener(*rules: Rule, name: str = "tenant", **fields: Any) -> ListenerView:
    values: dict[str, Any] = {
        "address": "127.0.0.1:3001",
        "default_group": "",
        "ip_limit": None,
        "head_timeout": 10,
        **fields,
    }
    return ListenerView(name=name, rules=compile_rules(rules), **values)


def _bench(configuration: Snapshot, **answers: list[Answer | BaseException]) -> Bench:
    bench = Bench(configuration)
    bench.transport.answers = {f"{name}.test": script for name, script in answers.items()}
    return bench


async def _call(bench: Bench, listener: str = "tenant", ip: str = "192.0.2.1", **caller: Any) -> Reply:
    asked = Caller(**{"body": BODY, **caller})
    asked.scope[LISTENER] = listener
    asked.scope["client"] = (ip, 50_000)
    return await asked.call(bench.plane)


async def _sent(upstream: Target, *headers: Header, **policy: Any) -> dict[bytes, bytes]:
    bench = Bench(snapshot(route("m", member_on(upstream, "", **policy))))
    await Caller(body=BODY, headers=headers).call(bench.plane)
    return dict(bench.transport.only.headers)


async def test_an_address_that_asks_too_often_is_told_when_to_come_again() -> None:
    view = _listener(ip_limit=IpLimit(per_second=1, burst=2))
    bench = Bench(snapshot(route("m", member_on(target())), listeners={"tenant": view}))

    replies = [await _call(bench) for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[-1].headers[b"retry-after"] == b"1"
    assert json.loads(replies[-1].body)["error"]["code"] == "rate_limit_exceeded"
    assert (await _call(bench, ip="192.0.2.2")).status == 200
    assert (await _call(bench, listener="main")).status == 200


@pytest.mark.parametrize(
    ("operations", "sent", "expected"),
    [
        ([(INSERT, b"x-team", b"a")], [], b"a"),
        ([(INSERT, b"x-team", b"a")], [(b"x-team", b"mine")], b"mine"),
        ([(REPLACE, b"x-team", b"a")], [(b"x-team", b"mine")], b"a"),
        ([(REMOVE, b"x-team", b"")], [(b"x-team", b"mine")], None),
        ([(REMOVE, b"x-team", b""), (INSERT, b"x-team", b"b")], [(b"x-team", b"mine")], b"b"),
        ([(INSERT, b"x-team", b"a"), (REPLACE, b"x-team", b"b"), (INSERT, b"x-team", b"c")], [], b"b"),
    ],
)
async def test_header_operations_are_done_in_order(
    operations: list[tuple[HeaderAction, bytes, bytes]], sent: list[Header], expected: bytes | None
) -> None:
    assert (await _sent(target(operations=tuple(operations)), *sent)).get(b"x-team") == expected


async def test_no_operation_touches_the_credential() -> None:
    upstream = target(operations=((REMOVE, b"authorization", b""), (REPLACE, b"accept", b"*/*")))

    headers = await _sent(upstream)

    assert headers[b"authorization"] == b"Bearer " + PROVIDER_KEY
    assert headers[b"accept"] == b"*/*"


async def test_a_policy_names_the_user_agent() -> None:
    theirs = (b"user-agent", b"curl/8")

    assert (await _sent(target(), theirs))[b"user-agent"] == b"curl/8"
    assert (await _sent(target(), theirs, user_agent="ours/1"))[b"user-agent"] == b"ours/1"


@pytest.mark.parametrize(("stream", "total"), [(False, 7.0), (True, 3600.0)])
async def test_the_request_time_out_is_for_answers_that_are_not_streamed(stream: bool, total: float) -> None:
    timeouts = {"request": 7.0, "connect": 2.0, "idle": 3.0}
    bench = Bench(snapshot(route("m", member_on(target(), timeouts=timeouts))))

    await Caller(body=json.dumps({"model": "m", "stream": stream}).encode()).call(bench.plane)

    sent = bench.transport.only.timeouts
    assert (sent.total, sent.connect, sent.idle, sent.first_byte) == (total, 2.0, 3.0, 600.0)


async def test_a_listener_forwards_what_its_rules_say() -> None:
    view = _listener(
        Rule(path="/api/items/{id:[0-9]+}", group="items"),
        Rule(path="/cohere/*", group="cohere", strip_prefix="/cohere"),
        Rule(path="/v1/models", group="items"),
    )
    groups = {name: pool(member_on(_target(name)), name=name) for name in ("items", "cohere")}
    bench = _bench(snapshot(listeners={"tenant": view}, groups=groups), items=[Answer()], cohere=[Answer()])

    for path in ("/api/items/42", "/cohere/v1/rerank", "/v1/models"):
        assert (await _call(bench, method="GET", path=path, body=b"")).status == 200

    assert [request.url for request in bench.transport.requests] == [
        "http://items.test/v1/api/items/42",
        "http://cohere.test/v1/rerank",
        "http://items.test/v1/models",
    ]
    assert (await _call(bench, method="GET", path="/api/items/x", body=b"")).status == 404


async def test_a_default_group_takes_models_that_nobody_has_configured() -> None:
    view = _listener(default_group="farm")
    groups = {"farm": pool(member_on(_target("farm")), name="farm")}
    bench = _bench(snapshot(listeners={"tenant": view}, groups=groups), farm=[Answer()])

    reply = await _call(bench, body=b'{"model":"whatever"}')

    assert reply.headers[b"x-tollkeeper-upstream"] == b"farm"
    assert reply.headers[b"x-tollkeeper-model"] == b"whatever"
    assert bench.transport.bodies == [b'{"model":"whatever"}']
    assert (await _call(bench, listener="main", body=b'{"model":"whatever"}')).status == 404


async def test_what_a_rule_or_the_default_sends_to_a_group_is_counted() -> None:
    view = _listener(Rule(path="/v1/embeddings", group="ruled"), default_group="farm")
    groups = {name: pool(member_on(_target(name)), name=name) for name in ("farm", "ruled")}
    configured = snapshot(route("m", member_on(_target("own"))), listeners={"tenant": view}, groups=groups)
    bench = _bench(configured, farm=[Answer()], ruled=[Answer()], own=[Answer()])

    await _call(bench, path="/v1/embeddings", body=b'{"model":"m","input":"x"}')
    await _call(bench, body=b'{"model":"whatever"}')
    await _call(bench, path="/v1/files", body=b"x")
    await _call(bench, body=BODY)

    counted = {labels: count.value for labels, count in bench.metrics.matches.items()}
    assert counted == {("tenant", "ruled"): 1, ("tenant", "farm"): 2}


async def test_what_was_made_somewhere_is_found_there_again() -> None:
    one, two = _target("one"), _target("two")
    view = _listener(default_group="both")
    configured = snapshot(
        listeners={"tenant": view},
        groups={"both": pool(member_on(one), member_on(two), name="both")},
        targets={"one": one, "two": two},
    )
    made = Answer((b'{"id":"file-abc123","object":"file"}',))
    bench = _bench(configured, one=[made], two=[made])

    created = await _call(bench, path="/v1/files", body=b"x")
    there = bench.transport.hosts[0]
    for _ in range(4):
        await _call(bench, method="GET", path="/v1/files/file-abc123", body=b"")

    assert created.body == b'{"id":"file-abc123","object":"file"}'
    assert bench.transport.hosts == [there] * 5


@pytest.mark.parametrize(
    ("failure", "status", "hosts"),
    [
        (ConnectError("refused"), 200, ["one.test", "two.test"]),
        (CutError("cut"), 502, ["one.test"]),
        (Answer(status=500), 500, ["one.test"]),
    ],
)
async def test_an_upload_goes_elsewhere_only_if_nothing_of_it_was_sent(
    failure: Answer | BaseException, status: int, hosts: list[str]
) -> None:
    both = pool(member_on(_target("one")), member_on(_target("two")), name="both", strategy=Strategy.FAILOVER)
    view = _listener(default_group="both")
    bench = _bench(snapshot(listeners={"tenant": view}, groups={"both": both}), one=[failure], two=[Answer()])

    reply = await _call(bench, path="/v1/files", body=[b"some", b"thing"])

    assert (reply.status, bench.transport.hosts) == (status, hosts)
    assert bench.transport.bodies == [b"something"]
    assert bench.journal.order[0] == "begin"
    assert [f"{intent.upstream}.test" for intent in bench.journal.begun] == hosts


async def test_what_an_upstream_keeps_is_not_looked_for_elsewhere() -> None:
    one, two = _target("one"), _target("two")
    bench = _bench(
        snapshot(default=two, targets={"one": one, "two": two}), one=[ConnectError("refused")], two=[Answer()]
    )
    bench.placements.upstreams["batch_1234"] = "one"

    assert (await _call(bench, method="GET", path="/v1/batches/batch_1234", body=b"")).status == 502
    assert bench.transport.hosts == ["one.test"]


async def test_an_upstream_that_keeps_it_but_takes_no_traffic_is_named() -> None:
    one, two = _target("one"), _target("two")
    bench = Bench(snapshot(default=two, targets={"one": one, "two": two}))
    bench.placements.upstreams["batch_1234"] = "gone"

    reply = await _call(bench, method="GET", path="/v1/batches/batch_1234", body=b"")

    assert reply.status == 503
    assert "gone" in json.loads(reply.body)["error"]["message"]


async def test_a_request_keeps_the_configuration_it_began_with() -> None:
    bench = _bench(snapshot(route("m", member_on(_target("one")))), one=[Answer()], two=[Answer()])
    asked = Caller(body=BODY)

    async def change(_message: dict[str, Any]) -> None:
        bench.snapshot = replace(bench.snapshot, routes={})

    asked.on_send = change
    assert (await asked.call(bench.plane)).ended
    assert (await Caller(body=BODY).call(bench.plane)).status == 404
