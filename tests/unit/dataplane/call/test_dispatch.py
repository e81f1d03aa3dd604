"""Failover and fallbacks: what callers get when upstreams fail, and what upstreams get to see."""

import errno
import json

import pytest
from tollkeeper_server.dataplane.transport import (
    ConnectError,
    CutError,
    LocalShortageError,
    TimeoutExpiredError,
)
from tollkeeper_server.domain.connect_failure import ConnectProblem, ConnectReason
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.domain.traffic import Retry

from tests.unit.dataplane.call.scripted import FAILOVER, ask, bad, good, model, scene, upstream
from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import token
from tests.unit.dataplane.upstream import Answer


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("refused"),
        CutError("cut"),
        TimeoutExpiredError("late"),
        *(bad(code) for code in (408, 429, 500, 502, 503, 504)),
    ],
)
async def test_a_failed_call_goes_to_another_member(failure: Answer | BaseException) -> None:
    bench = scene(model("m", "a", "b"), a=[failure], b=[good()])

    reply = await ask(bench)

    assert (reply.status, reply.body) == (200, b'{"text": "fine"}')
    assert bench.transport.hosts == ["a.test", "b.test"]
    assert reply.headers[b"x-tollkeeper-upstream"] == b"b"
    assert [json.loads(body)["model"] for body in bench.transport.bodies] == ["m-at-a", "m-at-b"]
    (event,) = bench.journal.settled
    assert (event.upstream, event.status, event.error_code) == ("b", 200, "")


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_what_the_caller_did_wrong_is_not_tried_elsewhere(status: int) -> None:
    bench = scene(model("m", "a", "b"), a=[bad(status)], b=[good()])

    assert (await ask(bench)).status == status
    assert bench.transport.hosts == ["a.test"]


async def test_the_last_failure_is_the_answer() -> None:
    bench = scene(model("m", "a", "b"), a=[ConnectError("refused")], b=[bad(500, b"all of it")])

    reply = await ask(bench)

    assert (reply.status, reply.body, reply.ended) == (500, b"all of it", True)


async def test_an_upstream_that_fails_is_left_alone() -> None:
    bench = scene(model("m", "a"), a=[bad(500)])
    for _ in range(10):
        assert (await ask(bench)).status == 500

    reply = await ask(bench)

    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"30")
    assert len(bench.transport.requests) == 10
    bench.now += 30
    bench.transport.answers["a.test"] = [good()]
    assert (await ask(bench)).status == 200


async def test_a_projects_bad_key_blames_nobody() -> None:
    bench = scene(model("m", "a"), a=[bad(401)])
    for _ in range(20):
        assert (await ask(bench)).status == 502

    assert len(bench.transport.requests) == 20


async def test_a_model_without_deployments_says_so() -> None:
    reply = await ask(scene(model("m")))

    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"30")
    assert "no active deployment" in reply.body.decode()


async def test_a_fallback_serves_when_nothing_of_the_model_does() -> None:
    bench = scene(
        model("m", "a", fallbacks=("gone", "n")), model("n", "b"), a=[ConnectError("refused")], b=[good()]
    )

    reply = await ask(bench)

    assert (reply.status, reply.headers[b"x-tollkeeper-model"]) == (200, b"n")
    assert json.loads(bench.transport.bodies[-1])["model"] == "n-at-b"
    (event,) = bench.journal.settled
    assert (event.model_asked, event.model_served, event.upstream) == ("m", "n", "b")


async def test_no_fallback_gets_round_what_a_token_is_allowed() -> None:
    bench = scene(
        model("m", "a", fallbacks=("n",)),
        model("n", "b"),
        known=token(allowed_models=("m",)),
        a=[bad(500)],
        b=[good()],
    )

    assert (await ask(bench)).status == 500
    assert bench.transport.hosts == ["a.test"]


async def test_the_intent_is_noted_before_anything_is_sent_anywhere() -> None:
    bench = scene(model("m", "a", "b"), a=[bad(500)], b=[good()])

    await ask(bench)

    assert bench.journal.order == ["begin", "open", "begin", "open", "settle"]


async def test_answers_that_are_not_passed_on_are_let_go_of() -> None:
    failed, served = bad(500), good()
    bench = scene(model("m", "a", "b"), a=[failed], b=[served])

    await ask(bench)

    assert failed.closed
    assert served.closed
    assert [bench.health.of(upstream(name)).in_flight for name in ("a", "b")] == [0, 0]


async def test_a_session_stays_with_its_member() -> None:
    policy = {"session_header": "X-Session"}
    bench = scene(model("m", "a", "b", "c", policy=policy), a=[good()], b=[good()], c=[good()])

    async def host(session: bytes) -> str:
        body = b'{"model":"m"}'
        await Caller(body=body, headers=[(b"x-session", session)]).call(bench.plane)
        return bench.transport.hosts[-1]

    first = {session: await host(session) for session in (b"%d" % n for n in range(20))}
    assert {session: await host(session) for session in first} == first
    assert len(set(first.values())) == 3


@pytest.mark.parametrize("shortage", list(Shortage))
async def test_what_this_machine_lacks_is_no_failure_of_an_upstream(shortage: Shortage) -> None:
    short = LocalShortageError(shortage)
    # A retry would wait longer than any test may.
    policy = {**FAILOVER, "retry": Retry(attempts=9, initial_ms=60_000, max_ms=60_000, total_seconds=3600)}
    bench = scene(model("m", "a", "b", policy=policy), a=[short], b=[short])

    reply = await ask(bench)

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (503, "gateway_shortage")
    assert shortage.text in json.loads(reply.body)["error"]["message"]
    assert (reply.headers[b"retry-after"], reply.headers[b"x-should-retry"]) == (b"1", b"true")
    assert bench.transport.hosts == ["a.test", "b.test"]
    assert not bench.metrics.upstream_errors
    assert not bench.metrics.breaker_calls
    assert {view.average_success for view in bench.health.views().values()} == {1.0}
    assert {view.success_share for view in bench.health.views().values()} == {None}
    assert {view.in_flight for view in bench.health.views().values()} == {0}
    (event,) = bench.journal.settled
    assert (event.status, event.error_code) == (503, "gateway_shortage")


async def test_a_member_with_a_connection_left_serves_what_another_has_none_for() -> None:
    bench = scene(model("m", "a", "b"), a=[LocalShortageError(Shortage.PORTS)], b=[good()])

    assert (await ask(bench)).status == 200


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "x"), RuntimeError("can't start new thread")])
async def test_a_shortage_anywhere_is_told_as_one(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    reply = await ask(scene(model("m", "a"), a=[error]))

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (503, "gateway_shortage")
    assert "Traceback" not in caplog.text


async def test_a_failed_connection_is_known_until_the_upstream_answers() -> None:
    expired = ConnectError("no connection", ConnectProblem(reason=ConnectReason.CERTIFICATE_EXPIRED))
    bench = scene(model("m", "a"), a=[expired, expired, good()])

    for status, is_over in ((502, False), (502, False), (200, True)):
        assert (await ask(bench)).status == status
        failure = bench.health.connect_failure_of("a")
        assert failure is not None
        assert (failure.reason, failure.is_over) == (ConnectReason.CERTIFICATE_EXPIRED, is_over)


async def test_the_journal_knows_where_a_request_is_whatever_it_was_sent_to_first() -> None:
    bench = scene(
        model("m", "a", "b", fallbacks=("other",)), model("other", "b"), a=[bad(500)], b=[bad(500), good()]
    )

    assert (await ask(bench)).status == 200

    places = [(intent.upstream, intent.model_served) for intent in bench.journal.begun]
    assert places == [("a", "m"), ("b", "m"), ("b", "other")]
    assert len({intent.id for intent in bench.journal.begun}) == 1
