"""The data plane as a whole, driven as servers drive it: what is answered, sent on, and put on record."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest
from tollkeeper_server.dataplane.transport import ConnectError, CutError, GarbageError, TimeoutExpiredError
from tollkeeper_server.domain.usage import Admission, Confidence, TokenCounts
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.snapshot.model import Header, ProjectView

from tests.unit.dataplane.caller import DEADLINE, Caller, Reply
from tests.unit.dataplane.configured import (
    NOW,
    PROVIDER_KEY,
    SECRET,
    member_on,
    route,
    snapshot,
    target,
    token,
)
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.recordings import BODIES, MESSAGES_EVENTS, STREAMS, chat_events, unasked
from tests.unit.dataplane.upstream import Answer

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"12345678"}]}'
STREAMED = CHAT[:-1] + b',"stream":true}'
FORM_TYPE = (b"content-type", b"multipart/form-data; boundary=b")


def _form(model: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + model + b"\r\n--b--\r\n"


def _error(reply: Reply) -> dict[str, Any]:
    assert reply.headers[b"content-type"] == b"application/json"
    assert int(reply.headers[b"content-length"]) == len(reply.body)
    assert reply.headers[b"x-request-id"]
    assert reply.ended
    error: dict[str, Any] = json.loads(reply.body)["error"]
    return error


def _silent(bench: Bench) -> None:
    assert bench.journal.order == []
    assert bench.transport.requests == []


def _refused_on_record(bench: Bench, code: str) -> None:
    assert bench.journal.order == ["settle"]
    event = bench.journal.only
    assert (event.error_code, event.tokens, event.token_id) == (code, TokenCounts(), "tok_1")


async def test_a_request_is_forwarded_answered_and_put_on_record() -> None:
    bench = Bench()
    recording = BODIES["chat"]
    answer = bench.answers(recording.body)
    answer.headers += [(b"Content-Length", str(len(recording.body)).encode()), (b"X-Request-Id", b"theirs")]

    reply = await Caller(body=CHAT, headers=[(b"x-request-id", b"mine-1")]).call(bench.plane)

    sent = bench.transport.only
    assert (sent.method, sent.url) == ("POST", "http://upstream.test/v1/chat/completions")
    assert bench.transport.bodies == [CHAT]
    assert (b"authorization", b"Bearer " + PROVIDER_KEY) in sent.headers
    assert SECRET not in b"".join(value for _, value in sent.headers)
    assert (reply.status, reply.body, reply.ended) == (200, recording.body, True)
    assert reply.headers[b"x-request-id"] == b"mine-1"
    assert reply.headers[b"x-upstream-request-id"] == b"theirs"
    assert bench.journal.order == ["begin", "open", "settle"]
    begun, settled = bench.journal.begun[0], bench.journal.only
    assert begun.id == settled.id
    assert (begun.upstream, begun.request_bytes) == ("openai", len(CHAT))
    assert (settled.request_id, settled.project_id, settled.token_id) == ("mine-1", "prj_1", "tok_1")
    assert (settled.model_asked, settled.model_served) == ("gpt-4o", "gpt-4o")
    assert (settled.endpoint, settled.status, settled.error_code) == ("chat_completions", 200, "")
    assert settled.tokens == recording.tokens
    assert (settled.request_bytes, settled.response_bytes) == (len(CHAT), len(recording.body))
    assert 0 < settled.first_byte_us <= settled.duration_us
    assert not settled.streamed
    assert answer.closed == 1


@pytest.mark.parametrize("asked", [True, False])
async def test_a_stream_is_asked_for_its_usage_and_relayed_without_it(asked: bool) -> None:
    bench = Bench()
    events = chat_events()
    bench.streams(*events)
    body = STREAMED[:-1] + b',"stream_options":{"include_usage":true}}' if asked else STREAMED

    reply = await Caller(body=body).call(bench.plane)

    assert json.loads(bench.transport.bodies[0])["stream_options"] == {"include_usage": True}
    assert reply.chunks == (events if asked else unasked(events))
    assert b"content-length" not in reply.headers
    assert bench.journal.only.streamed
    assert bench.journal.only.tokens == STREAMS["chat"][2]


async def test_anthropics_messages_are_metered_and_their_errors_shaped() -> None:
    bench = Bench()
    bench.streams(*MESSAGES_EVENTS)
    body = b'{"model":"claude","max_tokens":5,"stream":true,"messages":[]}'

    reply = await Caller(path="/v1/messages", body=body, secret=None, headers=[(b"x-api-key", SECRET)]).call(
        bench.plane
    )
    refused = await Caller(path="/v1/messages", body=b"{}", secret=b"unknown").call(bench.plane)

    assert reply.body == b"".join(MESSAGES_EVENTS)
    assert json.loads(bench.transport.bodies[0])["model"] == "claude-sonnet"
    assert (b"anthropic-version", b"2023-06-01") in bench.transport.only.headers
    assert bench.journal.only.tokens == STREAMS["messages"][2]
    error = json.loads(refused.body)
    assert (refused.status, error["type"], error["error"]["type"]) == (401, "error", "authentication_error")
    assert error["request_id"] == refused.headers[b"x-request-id"].decode()


async def test_a_form_is_forwarded_with_the_upstreams_model() -> None:
    bench = Bench(snapshot(route("whisper", member_on(target(), "whisper-1"))))
    bench.answers(BODIES["transcription by tokens"].body)

    await Caller(path="/v1/audio/transcriptions", body=_form(b"whisper"), headers=[FORM_TYPE]).call(
        bench.plane
    )

    assert bench.transport.bodies == [_form(b"whisper-1")]
    assert FORM_TYPE in bench.transport.only.headers
    assert bench.journal.only.tokens == BODIES["transcription by tokens"].tokens


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "PUT", "PATCH"])
async def test_any_method_reaches_the_default_upstream(method: str) -> None:
    bench = Bench(owns=["b1"])
    bench.answers(b'{"usage":{"prompt_tokens":9}}')

    reply = await Caller(method, "/v1/batches/b1", query=b"limit=2").call(bench.plane)

    assert (bench.transport.only.method, bench.transport.only.url) == (
        method,
        "http://default.test/v1/batches/b1?limit=2",
    )
    assert reply.status == 200
    assert bench.journal.only.tokens == TokenCounts()


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_a_method_that_could_show_the_provider_key_reaches_nobody(method: str) -> None:
    bench = Bench()

    reply = await Caller(method=method, path="/v1/files").call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (405, "method_not_allowed")
    assert reply.headers[b"allow"] == b"GET, HEAD, OPTIONS, POST"
    _silent(bench)


async def test_reading_stored_completions_uses_nothing() -> None:
    bench = Bench()
    bench.answers(b'{"object":"list","data":[{"choices":[{"message":{"content":"Hello"}}]}]}')

    reply = await Caller("GET", "/v1/chat/completions", json=False).call(bench.plane)

    assert reply.status == 200
    assert bench.journal.only.tokens == TokenCounts()


@pytest.mark.parametrize("status", [400, 403, 404, 408, 409, 422, 429, 500, 503])
async def test_an_upstreams_error_passes_as_it_is_and_uses_nothing(status: int) -> None:
    bench = Bench()
    body = b'{"error":{"message":"x"},"usage":{"prompt_tokens":9}}'
    answer = bench.answers(body, status=status)
    answer.headers.append((b"Retry-After", b"7"))

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, reply.body, reply.headers[b"retry-after"]) == (status, body, b"7")
    assert (bench.journal.only.status, bench.journal.only.tokens) == (status, TokenCounts())


async def test_a_redirect_is_the_callers_to_follow() -> None:
    bench = Bench()
    bench.answers(status=307).headers.append((b"Location", b"http://elsewhere.test/"))

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, reply.headers[b"location"]) == (307, b"http://elsewhere.test/")


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry"),
    [
        (ConnectError("refused"), 502, "upstream_unreachable", None),
        (CutError("closed"), 502, "upstream_unreachable", None),
        (GarbageError("garbage"), 502, "upstream_invalid_response", None),
        (TimeoutExpiredError("too slow"), 504, "upstream_timeout", b"false"),
    ],
)
async def test_an_upstream_that_does_not_answer_is_told_of(
    failure: Exception, status: int, code: str, retry: bytes | None
) -> None:
    bench = Bench()
    bench.transport.answer = failure

    reply = await Caller(body=CHAT).call(bench.plane)

    error = _error(reply)
    assert (reply.status, error["code"], error["type"]) == (status, code, "upstream_error")
    assert str(failure) in error["message"]
    assert reply.headers.get(b"x-should-retry") == retry
    assert bench.journal.order == ["begin", "open", "settle"]
    assert (bench.journal.only.status, bench.journal.only.error_code) == (status, code)
    assert bench.journal.only.tokens == TokenCounts()


async def test_a_rejected_credential_is_no_401_for_the_caller() -> None:
    bench = Bench()
    answer = bench.answers(b'{"error":"Incorrect API key provided: sk-provider"}', status=401)

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (502, "upstream_credentials_rejected")
    assert reply.headers[b"x-should-retry"] == b"false"
    assert b"sk-" not in reply.body
    assert answer.closed == 1


async def test_a_failure_of_our_own_is_told_without_its_insides(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.transport.answer = RuntimeError("canary")

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (500, "internal")
    assert b"canary" not in reply.body
    assert bench.journal.only.id in _error(reply)["message"]
    assert bench.journal.only.id in caplog.text
    assert bench.journal.order == ["begin", "open", "settle"]


async def test_an_answer_that_breaks_off_is_not_ended() -> None:
    bench = Bench()
    answer = bench.answers(b'{"half":', CutError("closed"))

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, reply.body, reply.ended) == (200, b'{"half":', False)
    event = bench.journal.only
    assert (event.status, event.error_code) == (200, "upstream_stream_cut")
    assert event.tokens.confidence is Confidence.ESTIMATED
    assert answer.closed == 1


async def test_a_stream_that_breaks_off_ends_in_an_error_event_and_is_estimated() -> None:
    bench = Bench()
    bench.streams(*chat_events()[:4], b"data: {", CutError("closed"))

    reply = await Caller(body=STREAMED).call(bench.plane)

    assert reply.ended
    assert b"\ndata: [DONE]" not in reply.body
    assert reply.chunks[-1].startswith(b'data: {"error"')
    assert bench.journal.only.tokens.prompt == 2
    assert bench.journal.only.tokens.confidence is Confidence.ESTIMATED
    assert bench.journal.only.error_code == "upstream_stream_cut"


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"secret": None}, 401, "invalid_api_key"),
    ({"secret": b"sk-tk-unknown"}, 401, "invalid_api_key"),
    ({"secret": b"a" * (1 << 15)}, 401, "invalid_api_key"),
    ({"secret": b"a" * (1 << 20)}, 431, "headers_too_large"),
    ({"secret": b"canary\x00"}, 400, "invalid_argument"),
    ({"secret": b"canary\xff"}, 401, "invalid_api_key"),
    ({"headers": [(b"x", b"a\r\nx-evil: 1")]}, 400, "invalid_argument"),
    ({"headers": [(b"x", b"a" * (1 << 16))]}, 431, "headers_too_large"),
    ({"query": b"a b"}, 400, "invalid_argument"),
    ({"path": "/v1/../manage"}, 400, "invalid_argument"),
    ({"path": "%2fv1%2f@evil.test/files"}, 400, "invalid_argument"),
    ({"path": "*", "method": "GET"}, 400, "invalid_argument"),
    ({"path": "/nothing"}, 404, "not_found"),
]


@pytest.mark.parametrize(("request_", "status", "code"), REFUSALS)
@pytest.mark.parametrize("http_version", ["1.1", "2"])
async def test_who_is_not_known_leaves_no_trace(
    request_: dict[str, Any], status: int, code: str, http_version: str
) -> None:
    bench = Bench()
    caller = Caller(body=[CHAT[:5], CHAT[5:]], http_version=http_version, **request_)

    reply = await caller.call(bench.plane)

    error = _error(reply)
    assert (reply.status, error["code"]) == (status, code)
    assert reply.headers[b"x-should-retry"] == b"false"
    assert (b"www-authenticate" in reply.headers) is (status == 401)
    assert b"canary" not in reply.body
    assert caller.unread_at_end == 0
    _silent(bench)


async def test_a_store_that_is_away_is_503_and_to_be_tried_again() -> None:
    bench = Bench()
    bench.tokens.local.clear()
    bench.tokens.failure = StoreUnavailableError("the store")

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (503, "store_unavailable")
    assert (reply.headers[b"x-should-retry"], reply.headers[b"retry-after"]) == (b"true", b"1")
    _silent(bench)


BAD_BODIES: list[tuple[dict[str, Any], int, str]] = [
    ({"body": b"{"}, 400, "invalid_json"),
    ({"body": b""}, 400, "invalid_json"),
    ({"body": b'{"x":' + b"[" * 100_000}, 400, "invalid_json"),
    ({"body": b'{"model":7}'}, 400, "invalid_argument"),
    ({"body": b'{"messages":[]}'}, 400, "model_required"),
    ({"body": b'{"model":"nope"}'}, 404, "model_not_found"),
    ({"body": CHAT, "headers": [(b"content-type", b"text/plain")]}, 415, "unsupported_media_type"),
    ({"body": _form(b"gpt-4o"), "headers": [FORM_TYPE]}, 415, "unsupported_media_type"),
    ({"body": b"", "path": "/v1/audio/transcriptions", "headers": [FORM_TYPE]}, 400, "invalid_argument"),
    (
        {"body": b"a=b", "path": "/v1/images/edits", "headers": [(b"content-type", b"text/csv")]},
        415,
        "unsupported_media_type",
    ),
]


@pytest.mark.parametrize(("request_", "status", "code"), BAD_BODIES)
async def test_a_bad_request_is_told_so_and_is_on_record(
    request_: dict[str, Any], status: int, code: str
) -> None:
    bench = Bench()

    reply = await Caller(**request_).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (status, code)
    assert bench.journal.only.status == status
    _refused_on_record(bench, code)


async def test_names_that_are_not_utf8_are_told_so_where_the_body_must_change() -> None:
    bench = Bench(snapshot(route("gpt-4o", member_on(target(), "other"))))

    reply = await Caller(body=b'{"\xff":1,"model":"gpt-4o"}').call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (400, "invalid_json")


async def test_an_inactive_project_is_403_and_on_record() -> None:
    bench = Bench(snapshot(project=ProjectView(id="prj_1", is_active=False, api_key=None)))

    reply = await Caller(body=CHAT).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (403, "project_inactive")
    _refused_on_record(bench, "project_inactive")


@pytest.mark.parametrize("http_version", ["1.1", "2"])
@pytest.mark.parametrize("declare", [True, False])
@pytest.mark.parametrize(
    ("path", "pieces"), [("/v1/chat/completions", 3), ("/v1/batches", 3), ("/v1/files", 5)]
)
async def test_a_body_above_the_limit_is_413(
    http_version: str, declare: bool, path: str, pieces: int
) -> None:
    bench = Bench(max_body=1000, max_upload=2000)
    caller = Caller(path=path, body=[b"a" * 600] * pieces, declare=declare, http_version=http_version)

    reply = await caller.call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (413, "request_too_large")
    assert caller.unread_at_end == 0
    assert bench.journal.only.status == 413


async def test_a_declared_body_above_the_limit_is_refused_before_it_comes() -> None:
    bench = Bench(max_body=1000, max_upload=2000)
    caller = Caller(body=[], headers=[(b"content-length", b"99999999999")], http_version="2")
    answered = asyncio.Event()

    async def on_send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            answered.set()

    caller.on_send = on_send
    calling = asyncio.create_task(caller.call(bench.plane))
    async with asyncio.timeout(DEADLINE):
        await answered.wait()
    assert caller.sent[0]["status"] == 413
    caller.left.set()
    assert (await calling).ended


@pytest.mark.parametrize(
    ("headers", "closes"),
    [
        ([(b"content-length", b"5")], False),
        ([(b"content-length", b"99999999999")], True),
        ([(b"content-length", b"1" * 5000)], True),
        ([(b"content-length", b"5"), (b"expect", b"100-continue")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
async def test_a_connection_is_kept_if_the_rest_of_the_body_is_soon_read(
    headers: Sequence[Header], closes: bool
) -> None:
    caller = Caller(body=[], headers=headers, secret=None)
    caller.left.set()

    reply = await caller.call(Bench().plane)

    assert (reply.status, reply.headers.get(b"connection")) == (401, b"close" if closes else None)


async def test_a_body_framed_in_two_ways_is_refused_and_ends_the_connection() -> None:
    caller = Caller(body=[], headers=[(b"content-length", b"0"), (b"transfer-encoding", b"chunked")])

    reply = await caller.call(Bench().plane)

    assert (reply.status, reply.headers[b"connection"]) == (400, b"close")
    assert _error(reply)["param"] == "content-length"


async def test_a_body_that_stalls_is_408() -> None:
    bench = Bench(stall_seconds=0.01, discard_seconds=0.01)

    reply = await Caller(body=[], headers=[(b"content-length", b"5")]).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (408, "request_timeout")
    _refused_on_record(bench, "request_timeout")


async def test_a_caller_that_leaves_while_it_sends_is_on_record() -> None:
    bench = Bench()
    caller = Caller(body=[], headers=[(b"content-length", b"5")])
    caller.left.set()

    await caller.call(bench.plane)

    assert caller.sent == []
    assert bench.journal.only.status == 499
    _refused_on_record(bench, "client_closed_request")


async def test_a_caller_that_leaves_before_the_first_byte_cancels_the_call() -> None:
    bench = Bench()
    bench.transport.answer = asyncio.Event()
    caller = Caller(body=CHAT)
    calling = asyncio.create_task(caller.call(bench.plane))
    await bench.transport.waiting.wait()

    caller.left.set()
    await calling

    assert bench.transport.cancelled
    assert caller.sent == []
    event = bench.journal.only
    assert (event.status, event.error_code) == (499, "client_closed_request")
    assert event.tokens == TokenCounts(prompt=2, confidence=Confidence.ESTIMATED)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_caller_that_leaves_mid_answer_cancels_the_call_and_pays_for_what_passed(
    streamed: bool,
) -> None:
    bench = Bench()
    waiting = asyncio.Event()
    pieces = chat_events()[:3] if streamed else [b'{"choices":[{"message":{"content":"Hello"', b","]
    answer = bench.streams(*pieces, waiting) if streamed else bench.answers(*pieces, waiting)
    caller = Caller(body=STREAMED if streamed else CHAT)
    calling = asyncio.create_task(caller.call(bench.plane))
    await answer.reached.wait()

    caller.left.set()
    reply = await calling

    assert answer.closed == 1
    assert reply.body == b"".join(unasked(pieces))
    assert not reply.ended
    event = bench.journal.only
    assert (event.status, event.error_code) == (499, "client_closed_request")
    assert event.tokens == TokenCounts(prompt=2, completion=2, confidence=Confidence.ESTIMATED)
    assert event.response_bytes == len(reply.body)


async def test_a_caller_that_leaves_after_the_end_has_had_its_answer() -> None:
    bench = Bench()
    bench.streams(*chat_events())
    caller = Caller(body=STREAMED)

    async def on_send(message: dict[str, Any]) -> None:
        if not message.get("more_body", True):
            caller.left.set()
            await asyncio.sleep(0)

    caller.on_send = on_send
    await caller.call(bench.plane)

    assert (bench.journal.only.status, bench.journal.only.error_code) == (200, "")
    assert bench.journal.only.tokens.confidence is Confidence.EXACT


async def test_a_process_that_goes_down_puts_what_was_begun_on_record() -> None:
    bench = Bench()
    bench.transport.answer = asyncio.Event()
    calling = asyncio.create_task(Caller(body=CHAT).call(bench.plane))
    await bench.transport.waiting.wait()

    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling

    assert (bench.journal.only.status, bench.journal.only.error_code) == (500, "gateway_interrupted")
    assert bench.journal.only.tokens.confidence is Confidence.ESTIMATED


@pytest.mark.parametrize("declare", [True, False])
async def test_an_upload_is_streamed(declare: bool) -> None:
    bench = Bench()
    pieces = [b"a" * 300, b"", b"b" * 300]

    reply = await Caller(path="/v1/files", body=pieces, headers=[FORM_TYPE], declare=declare).call(
        bench.plane
    )

    sent = bench.transport.only
    assert not isinstance(sent.body, bytes)
    assert sent.length == (600 if declare else None)
    assert bench.transport.bodies == [b"".join(pieces)]
    assert (reply.status, bench.journal.only.request_bytes) == (200, 600)
    assert bench.journal.order == ["begin", "open", "settle"]
    assert b"content-length" not in dict(sent.headers)


async def test_an_upload_may_be_larger_than_what_is_read() -> None:
    bench = Bench(max_body=1000, max_upload=2000)

    reply = await Caller(path="/v1/files", body=[b"a" * 600] * 3, headers=[FORM_TYPE]).call(bench.plane)

    assert (reply.status, len(bench.transport.bodies[0])) == (200, 1800)


async def test_an_upload_without_a_body_has_none() -> None:
    bench = Bench(owns=["f"])

    await Caller("GET", "/v1/files/f/content", json=False).call(bench.plane)

    assert bench.transport.only.body == b""


async def test_a_caller_that_leaves_mid_upload_is_on_record() -> None:
    bench = Bench()
    caller = Caller(path="/v1/files", body=[], headers=[(b"content-length", b"5")])
    caller.left.set()

    await caller.call(bench.plane)

    assert (bench.journal.only.status, bench.journal.only.error_code) == (499, "client_closed_request")


async def test_a_caller_that_leaves_after_its_upload_cancels_the_wait_for_the_answer() -> None:
    bench = Bench()
    answer = bench.answers(b"half", asyncio.Event())
    caller = Caller(path="/v1/files", body=[b"a" * 300], headers=[FORM_TYPE])
    calling = asyncio.create_task(caller.call(bench.plane))
    await answer.reached.wait()

    caller.left.set()
    await calling

    assert answer.closed == 1
    assert (bench.journal.only.status, bench.journal.only.request_bytes) == (499, 300)


async def test_a_caller_that_leaves_mid_download_cancels_it() -> None:
    bench = Bench(owns=["f"])
    answer = bench.answers(b"half", asyncio.Event())
    caller = Caller("GET", "/v1/files/f/content", json=False)
    calling = asyncio.create_task(caller.call(bench.plane))
    await answer.reached.wait()

    caller.left.set()
    await calling

    assert answer.closed == 1
    assert bench.journal.only.status == 499


@pytest.mark.parametrize("limit", [0, 5])
async def test_requests_of_a_limited_token_are_counted_before_they_are_sent(limit: int) -> None:
    bench = Bench(known=token(max_requests=limit))
    bench.answers(b"{}")

    reply = await Caller(body=CHAT).call(bench.plane)

    assert reply.status == 200
    assert bench.admissions == (["tok_1"] if limit else [])


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", CHAT), ("/v1/files", b"data")])
async def test_a_used_up_token_is_told_not_to_try_again(path: str, body: bytes) -> None:
    bench = Bench(known=token(max_requests=5))
    bench.admitted = False

    reply = await Caller(path=path, body=body).call(bench.plane)

    error = _error(reply)
    assert (reply.status, error["type"], error["code"]) == (
        429,
        "insufficient_quota",
        "request_limit_exceeded",
    )
    assert reply.headers[b"x-should-retry"] == b"false"
    _refused_on_record(bench, "request_limit_exceeded")


@pytest.mark.parametrize(
    ("limit", "path", "body", "admission"),
    [
        (0, "/v1/chat/completions", CHAT, Admission.UNLIMITED),
        (5, "/v1/chat/completions", CHAT, Admission.LIMITED),
        (0, "/v1/files", b"data", Admission.UNLIMITED),
        (0, "/v1/chat/completions", b'{"model":"nope"}', Admission.NONE),
        (5, "/v1/chat/completions", b"{", Admission.NONE),
    ],
)
async def test_the_record_says_how_a_request_was_admitted(
    limit: int, path: str, body: bytes, admission: Admission
) -> None:
    """So that it is counted once, by whatever stores it later."""
    bench = Bench(known=token(max_requests=limit))
    bench.answers(b"{}")

    await Caller(path=path, body=body).call(bench.plane)

    assert bench.journal.only.admission is admission
    assert {begun.admission for begun in bench.journal.begun} == {admission} - {Admission.NONE}


@pytest.mark.parametrize("limit", [0, 5])
async def test_what_the_gateway_answers_itself_is_not_admitted(limit: int) -> None:
    bench = Bench(known=token(max_requests=limit))

    await Caller("GET", "/v1/models", json=False).call(bench.plane)

    assert bench.journal.only.admission is Admission.NONE
    assert bench.admissions == []


async def test_a_refused_request_does_not_count() -> None:
    bench = Bench(known=token(max_requests=5))

    await Caller(body=b'{"model":"nope"}').call(bench.plane)

    assert bench.admissions == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models", "list"),
        ("/models", "list"),
        ("/v1/models/gpt-4o", "model"),
        ("/v1/models/gpt%2D4o", "model"),
    ],
)
async def test_models_are_listed_without_asking_anybody(path: str, expected: str) -> None:
    bench = Bench()

    reply = await Caller("GET", path, json=False).call(bench.plane)

    assert (reply.status, json.loads(reply.body)["object"]) == (200, expected)
    assert bench.transport.requests == []
    assert (bench.journal.order, bench.journal.only.endpoint) == (["settle"], "models")


async def test_models_are_listed_in_anthropics_shape_for_its_clients() -> None:
    reply = await Caller("GET", "/v1/models", headers=[(b"anthropic-version", b"2023-06-01")]).call(
        Bench().plane
    )

    assert json.loads(reply.body)["has_more"] is False


async def test_head_is_answered_without_a_body() -> None:
    listed = await Caller("HEAD", "/v1/models", json=False).call(Bench().plane)
    refused = await Caller("HEAD", "/v1/models", json=False, secret=None).call(Bench().plane)

    assert (listed.status, listed.body, refused.status, refused.body) == (200, b"", 401, b"")
    assert int(listed.headers[b"content-length"]) > 0


async def test_head_is_forwarded() -> None:
    bench = Bench(owns=["f"])
    bench.answers().headers.append((b"Content-Length", b"500"))

    reply = await Caller("HEAD", "/v1/files/f", json=False).call(bench.plane)

    assert (reply.status, reply.body, reply.headers[b"content-length"]) == (200, b"", b"500")
    assert reply.ended


async def test_a_request_keeps_the_configuration_it_started_with() -> None:
    bench = Bench()
    old = bench.snapshot
    bench.transport.answer = asyncio.Event()
    caller = Caller(body=CHAT)
    calling = asyncio.create_task(caller.call(bench.plane))
    await bench.transport.waiting.wait()

    bench.snapshot = snapshot()
    second = await Caller(body=CHAT).call(bench.plane)
    caller.left.set()
    await calling

    assert old is not bench.snapshot
    assert second.status == 404
    assert bench.transport.only.url.startswith("http://upstream.test/")


@pytest.mark.parametrize("coding", [b"compress", b"dcb"])
async def test_a_stream_whose_coding_is_not_known_passes_untouched(coding: bytes) -> None:
    bench = Bench()
    bench.streams(b"\x1f\x8b\x00", b"\x01").headers.append((b"Content-Encoding", coding))

    reply = await Caller(body=STREAMED).call(bench.plane)

    assert (reply.body, reply.headers[b"content-encoding"]) == (b"\x1f\x8b\x00\x01", coding)
    assert bench.journal.only.tokens.confidence is Confidence.ESTIMATED


async def test_what_is_no_stream_of_its_coding_ends_in_an_error_event() -> None:
    bench = Bench()
    bench.streams(b"\x1f\x8b\x00", b"\x01").headers.append((b"Content-Encoding", b"gzip"))

    reply = await Caller(body=STREAMED).call(bench.plane)

    assert b"content-encoding" not in reply.headers
    assert b'"upstream_stream_cut"' in reply.body


async def test_speech_is_not_kept_to_be_looked_into() -> None:
    bench = Bench(snapshot(route("tts-1", member_on(target(), ""))))
    bench.answers(b"\xff\xfb", b"\x90", kind=b"audio/mpeg")

    reply = await Caller(path="/v1/audio/speech", body=b'{"model":"tts-1","input":"hi"}').call(bench.plane)

    assert reply.body == b"\xff\xfb\x90"
    assert bench.journal.only.tokens == TokenCounts(characters=2)


async def test_a_websocket_is_refused_and_reaches_nobody() -> None:
    bench = Bench()
    handshake = [(b"upgrade", b"WebSocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13")]

    reply = await Caller("GET", "/v1/responses", headers=handshake).call(bench.plane)

    assert (reply.status, _error(reply)["code"]) == (426, "websocket_not_served")
    assert (reply.headers[b"upgrade"], reply.headers[b"connection"]) == (b"HTTP/1.1", b"upgrade")
    _silent(bench)


@pytest.mark.parametrize(
    ("method", "upgrade"), [("GET", b"h2c"), ("POST", b"websocket")], ids=["h2c", "no handshake"]
)
async def test_another_offer_to_upgrade_is_ignored(method: str, upgrade: bytes) -> None:
    bench = Bench(owns=["b1"])
    bench.answers(b"{}")

    reply = await Caller(method, "/v1/batches/b1", headers=[(b"upgrade", upgrade)]).call(bench.plane)

    assert reply.status == 200


async def test_every_request_of_many_leaves_one_event() -> None:
    bench = Bench()
    bench.streams(*chat_events())

    await asyncio.gather(*(Caller(body=STREAMED).call(bench.plane) for _ in range(50)))

    assert len({event.id for event in bench.journal.settled}) == 50
    assert {event.id for event in bench.journal.begun} == {event.id for event in bench.journal.settled}
    assert all(event.started_at.tzinfo is NOW.tzinfo for event in bench.journal.settled)


async def test_an_answer_that_can_not_be_passed_on_is_let_go_of() -> None:
    bench = Bench()
    answer = bench.answers(b"{}")
    caller = Caller(body=CHAT)

    async def on_send(_message: dict[str, Any]) -> None:
        raise ConnectionError("the server let go")

    caller.on_send = on_send
    await caller.call(bench.plane)

    assert answer.closed == 1
    assert bench.journal.order == ["begin", "open", "settle"]
    assert bench.journal.only.error_code == "internal"


@pytest.mark.parametrize("count", [3, 1000])
async def test_models_of_a_pattern_are_those_that_its_upstream_lists(count: int) -> None:
    listing = target("open", models_url="http://open.test/v1/models")
    bench = Bench(snapshot(route("gpt-4o", member_on(target())), route("m-*", member_on(listing))))
    names = [f"m-{number:04}" for number in range(count)]
    data = json.dumps({"data": [{"id": name} for name in [*names, "other"]]}).encode()
    bench.transport.answers["open.test"] = [Answer((data,))]

    listed = await Caller("GET", "/v1/models", json=False).call(bench.plane)
    single = await Caller("GET", "/v1/models/m-0002", json=False).call(bench.plane)
    absent = await Caller("GET", "/v1/models/other", json=False).call(bench.plane)

    assert [entry["id"] for entry in json.loads(listed.body)["data"]] == ["gpt-4o", *names]
    assert json.loads(single.body)["owned_by"] == "open"
    assert absent.status == 404
    assert bench.transport.hosts == ["open.test"]
    assert not bench.journal.begun, "it is no call of the caller's"


@pytest.mark.parametrize(
    ("path", "has_prompt"),
    [("/v1/chat/completions", True), ("/v1/responses", True), ("/v1/batches", False), ("/v1/files", False)],
)
async def test_the_record_of_what_begins_says_whether_its_body_costs_tokens(
    path: str, has_prompt: bool
) -> None:
    bench = Bench()
    bench.answers(b"{}")

    await Caller(path=path, body=CHAT).call(bench.plane)

    assert [intent.has_prompt for intent in bench.journal.begun] == [has_prompt]


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("coded", [True, False])
async def test_a_body_takes_room_until_its_request_has_ended(fails: bool, coded: bool) -> None:
    body = CHAT[:-2] + b',{"role":"user","content":"' + b"x" * 90_000 + b'"}]}'
    headers: list[Header] = [(b"content-encoding", b"gzip")] if coded else []
    bench = Bench(room=200_000, max_body=100_000)
    for _ in range(5):
        if fails:
            bench.transport.answer = ConnectError("nobody is there")
        else:
            bench.answers(BODIES["chat"].body)
        reply = await Caller(body=gzip.compress(body) if coded else body, headers=headers).call(bench.plane)
        assert reply.status == (502 if fails else 200)
    bench.room.take("tok_1", 100_000)
    bench.room.take("tok_2", 100_000)
