"""Retries, failover, fallbacks: what callers get when upstreams fail, and what upstreams get to see."""

import gzip
import json
from typing import Any

import pytest
from tollkeeper_server.dataplane.call.retry import BUDGET_FLOOR
from tollkeeper_server.dataplane.transport import ConnectError, CutError, TimeoutExpiredError
from tollkeeper_server.domain.model import FallbackCause
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Retry, Strategy, TrafficPolicy
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.snapshot.model import Header, Route, Target

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, target, token
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

TOO_LONG = b'{"error":{"code":"context_length_exceeded","message":"too long"}}'
FAILOVER = {"strategy": Strategy.FAILOVER}


def _target(name: str, **fields: Any) -> Target:
    return target(name, base_url=f"http://{name}.test/v1", **fields)


def _route(model: str, *names: str, policy: dict[str, Any] | None = None, **fields: Any) -> Route:
    members = [member_on(_target(name), f"{model}-at-{name}") for name in names]
    return route(model, *members, policy=TrafficPolicy(**(policy or FAILOVER)), **fields)


def _bench(*routes: Route, known: Token | None = None, **answers: list[Answer | BaseException]) -> Bench:
    bench = Bench(snapshot(*routes), known)
    bench.transport.answers = {f"{name}.test": script for name, script in answers.items()}
    return bench


def _ok(text: str = "fine") -> Answer:
    return Answer((json.dumps({"text": text}).encode(),))


def _status(status: int, body: bytes = b'{"error":"theirs"}', *headers: Header) -> Answer:
    return Answer((body,), status, [(b"Content-Type", b"application/json"), *headers])


async def _ask(bench: Bench, model: str = "m", **fields: Any) -> Reply:
    body = json.dumps({"model": model, **fields}).encode()
    return await Caller(body=body).call(bench.plane)


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("refused"),
        CutError("cut"),
        TimeoutExpiredError("late"),
        *(_status(code) for code in (408, 429, 500, 502, 503, 504)),
    ],
)
async def test_a_failed_call_goes_to_another_member(failure: Answer | BaseException) -> None:
    bench = _bench(_route("m", "a", "b"), a=[failure], b=[_ok()])

    reply = await _ask(bench)

    assert (reply.status, reply.body) == (200, b'{"text": "fine"}')
    assert bench.transport.hosts == ["a.test", "b.test"]
    assert reply.headers[b"x-tollkeeper-upstream"] == b"b"
    assert [json.loads(body)["model"] for body in bench.transport.bodies] == ["m-at-a", "m-at-b"]
    (event,) = bench.journal.settled
    assert (event.upstream, event.status, event.error_code) == ("b", 200, "")


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_what_the_caller_did_wrong_is_not_tried_elsewhere(status: int) -> None:
    bench = _bench(_route("m", "a", "b"), a=[_status(status)], b=[_ok()])

    assert (await _ask(bench)).status == status
    assert bench.transport.hosts == ["a.test"]


async def test_the_last_failure_is_the_answer() -> None:
    bench = _bench(_route("m", "a", "b"), a=[ConnectError("refused")], b=[_status(500, b"all of it")])

    reply = await _ask(bench)

    assert (reply.status, reply.body, reply.ended) == (500, b"all of it", True)


async def test_without_a_retry_no_member_is_tried_twice() -> None:
    bench = _bench(_route("m", "a", "b"), a=[_status(500)], b=[_status(502)])

    assert (await _ask(bench)).status == 502
    assert bench.transport.hosts == ["a.test", "b.test"]


async def test_a_retry_goes_round_as_often_as_it_says() -> None:
    policy = {**FAILOVER, "retry": Retry(attempts=3, initial_ms=1)}
    bench = _bench(_route("m", "a", "b", policy=policy), a=[_status(500)], b=[_status(502)])

    assert (await _ask(bench)).status == 502
    assert bench.transport.hosts == ["a.test", "b.test", "a.test", "b.test"]


async def test_a_retry_of_one_member_ends_with_its_first_success() -> None:
    policy = {"retry": Retry(attempts=5, initial_ms=1)}
    bench = _bench(_route("m", "a", policy=policy), a=[_status(500), ConnectError("refused"), _ok()])

    assert (await _ask(bench)).status == 200
    assert len(bench.transport.requests) == 3


async def test_what_an_upstream_may_have_acted_on_is_not_repeated_if_only_safe_calls_are() -> None:
    policy = {**FAILOVER, "retry": Retry(only_safe=True, initial_ms=1)}
    acted = _bench(_route("m", "a", "b", policy=policy), a=[CutError("cut")], b=[_ok()])
    unseen = _bench(_route("m", "a", "b", policy=policy), a=[ConnectError("refused")], b=[_ok()])

    assert (await _ask(acted)).status == 502
    assert (await _ask(unseen)).status == 200


async def test_nobody_waits_longer_than_the_policy_allows() -> None:
    policy = {"retry": Retry(initial_ms=1, total_seconds=1)}
    bench = _bench(_route("m", "a", policy=policy), a=[_status(429, b"{}", (b"Retry-After", b"30"))])

    reply = await _ask(bench)

    assert (reply.status, reply.headers[b"retry-after"]) == (429, b"30")
    assert len(bench.transport.requests) == 1


async def test_retries_are_a_bounded_share_of_what_is_asked() -> None:
    policy = {"retry": Retry(attempts=1, initial_ms=1, budget_percent=20)}
    bench = _bench(_route("m", "a", policy=policy), a=[_status(429)])

    for _ in range(200):
        await _ask(bench)

    assert len(bench.transport.requests) == 200 + BUDGET_FLOOR


async def test_an_upstream_that_fails_is_left_alone() -> None:
    bench = _bench(_route("m", "a"), a=[_status(500)])
    for _ in range(10):
        assert (await _ask(bench)).status == 500

    reply = await _ask(bench)

    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"30")
    assert len(bench.transport.requests) == 10
    bench.now += 30
    bench.transport.answers["a.test"] = [_ok()]
    assert (await _ask(bench)).status == 200


async def test_a_projects_bad_key_blames_nobody() -> None:
    bench = _bench(_route("m", "a"), a=[_status(401)])
    for _ in range(20):
        assert (await _ask(bench)).status == 502

    assert len(bench.transport.requests) == 20


async def test_a_model_without_deployments_says_so() -> None:
    reply = await _ask(_bench(_route("m")))

    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"30")
    assert "no active deployment" in reply.body.decode()


async def test_a_fallback_serves_when_nothing_of_the_model_does() -> None:
    bench = _bench(
        _route("m", "a", fallbacks=("gone", "n")), _route("n", "b"), a=[ConnectError("refused")], b=[_ok()]
    )

    reply = await _ask(bench)

    assert (reply.status, reply.headers[b"x-tollkeeper-model"]) == (200, b"n")
    assert json.loads(bench.transport.bodies[-1])["model"] == "n-at-b"
    (event,) = bench.journal.settled
    assert (event.model_asked, event.model_served, event.upstream) == ("m", "n", "b")


async def test_a_fallback_serves_what_is_too_long_for_the_model() -> None:
    causes = frozenset({FallbackCause.CONTEXT_LENGTH})
    bench = _bench(
        _route("m", "a", fallbacks=("n",), fallback_on=causes),
        _route("n", "b"),
        a=[_status(400, TOO_LONG)],
        b=[_ok()],
    )

    assert (await _ask(bench)).status == 200


@pytest.mark.parametrize("causes", [frozenset(), frozenset({FallbackCause.CONTENT})])
async def test_other_refusals_are_passed_on_whole(causes: frozenset[FallbackCause]) -> None:
    bench = _bench(
        _route("m", "a", fallbacks=("n",), fallback_on=causes),
        _route("n", "b"),
        a=[_status(400, TOO_LONG)],
        b=[_ok()],
    )

    reply = await _ask(bench)

    assert (reply.status, reply.body, reply.ended) == (400, TOO_LONG, True)
    assert reply.headers[b"x-tollkeeper-model"] == b"m"


async def test_no_fallback_gets_round_what_a_token_is_allowed() -> None:
    bench = _bench(
        _route("m", "a", fallbacks=("n",)),
        _route("n", "b"),
        known=token(allowed_models=("m",)),
        a=[_status(500)],
        b=[_ok()],
    )

    assert (await _ask(bench)).status == 500
    assert bench.transport.hosts == ["a.test"]


async def test_the_intent_is_noted_once_before_anything_is_sent() -> None:
    bench = _bench(_route("m", "a", "b"), a=[_status(500)], b=[_ok()])

    await _ask(bench)

    assert bench.journal.order == ["begin", "open", "open", "settle"]


async def test_answers_that_are_not_passed_on_are_let_go_of() -> None:
    failed, served = _status(500), _ok()
    bench = _bench(_route("m", "a", "b"), a=[failed], b=[served])

    await _ask(bench)

    assert failed.closed
    assert served.closed
    assert [bench.health.of(_target(name)).in_flight for name in ("a", "b")] == [0, 0]


async def test_a_session_stays_with_its_member() -> None:
    policy = {"session_header": "X-Session"}
    bench = _bench(_route("m", "a", "b", "c", policy=policy), a=[_ok()], b=[_ok()], c=[_ok()])

    async def host(session: bytes) -> str:
        body = b'{"model":"m"}'
        await Caller(body=body, headers=[(b"x-session", session)]).call(bench.plane)
        return bench.transport.hosts[-1]

    first = {session: await host(session) for session in (b"%d" % n for n in range(20))}
    assert {session: await host(session) for session in first} == first
    assert len(set(first.values())) == 3


REFUSED = b'{"error":{"message":"Unknown parameter: \'stream_options\'."}}'
EVENTS = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def _stream() -> Answer:
    return Answer((EVENTS,), headers=[(b"content-type", b"text/event-stream")])


def _asked(bench: Bench) -> list[bool]:
    return ["stream_options" in json.loads(body) for body in bench.transport.bodies]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("size", [1, 300_000])
async def test_an_upstream_that_refuses_to_say_usage_is_called_without(status: int, size: int) -> None:
    bench = _bench(_route("m", "a"), a=[_status(status, REFUSED), _stream(), _stream()])

    reply = await _ask(bench, stream=True, prompt="x" * size)

    assert (reply.status, reply.body) == (200, EVENTS)
    assert _asked(bench) == [True, False]
    # It is remembered.
    assert (await _ask(bench, stream=True)).body == EVENTS
    assert _asked(bench) == [True, False, False]
    assert [event.tokens.confidence for event in bench.journal.settled] == [Confidence.ESTIMATED] * 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, '{"error": {"message": "Stream options are not supported by this model"}}'),
        (400, '{"error": {"message": "Unknown name \\"streamOptions\\": Cannot find field."}}'),
        (400, '{"error": "unknown field `include_usage`"}'),
        (422, '{"detail": [{"msg": "Extra inputs are not permitted"}]}'),
        (400, '{"message": "Unrecognized request argument supplied", "param": null}'),
        (400, "additionalProperties: additional properties are not allowed"),
        (404, '{"error": "stream_options: no such member"}'),
        (500, "TypeError: create() got an unexpected keyword argument 'stream_options'"),
        (501, '{"error": "stream_options is not implemented"}'),
    ],
)
async def test_a_refusal_is_known_in_other_words(status: int, error: str) -> None:
    bench = _bench(_route("m", "a"), a=[_status(status, error.encode()), _stream(), _stream()])

    assert (await _ask(bench, stream=True)).body == EVENTS
    assert (await _ask(bench, stream=True)).body == EVENTS
    assert _asked(bench) == [True, False, False]


async def test_a_refusal_is_known_in_a_content_coding() -> None:
    refusal = _status(400, gzip.compress(REFUSED), (b"content-encoding", b"gzip"))
    bench = _bench(_route("m", "a"), a=[refusal, _stream()])

    assert (await _ask(bench, stream=True)).body == EVENTS


async def test_an_error_that_repeats_the_request_is_no_refusal_of_all_usage() -> None:
    # As FastAPI does, whatever is wrong with it.
    error = b'{"detail":[{"msg":"Field required","input":{"stream_options":{"include_usage":true}}}]}'
    bench = _bench(_route("m", "a"), a=[_status(422, error), _status(422, error), _stream()])

    assert (await _ask(bench, stream=True)).status == 422
    assert (await _ask(bench, stream=True)).body == EVENTS
    assert _asked(bench) == [True, False, True]


async def test_what_the_caller_asked_for_itself_is_the_callers_to_be_told() -> None:
    bench = _bench(_route("m", "a"), a=[_status(400, REFUSED)])

    reply = await _ask(bench, stream=True, stream_options={"include_usage": True})

    assert (reply.status, reply.body) == (400, REFUSED)
    assert _asked(bench) == [True]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, b'{"error":"too long"}'),
        (400, b'{"error":{"message":"Unsupported parameter: \'top_k\'","param":"top_k"}}'),
        (404, b'{"error":"unknown parameter"}'),
    ],
)
async def test_an_error_about_something_else_is_passed_on(status: int, error: bytes) -> None:
    bench = _bench(_route("m", "a"), a=[_status(status, error)])

    reply = await _ask(bench, stream=True)

    assert (reply.status, reply.body) == (status, error)
    assert _asked(bench) == [True]


async def test_it_is_called_without_once_only() -> None:
    bench = _bench(_route("m", "a"), a=[_status(400, REFUSED), _status(400, REFUSED)])

    reply = await _ask(bench, stream=True)

    assert (reply.status, reply.body) == (400, REFUSED)
    assert _asked(bench) == [True, False]
