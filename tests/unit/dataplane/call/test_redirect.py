"""Redirects of upstreams: what is asked where, and what callers get to see of it."""

import asyncio
import json
import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tollkeeper_server.dataplane.call.redirect import MAX_REDIRECTS, RedirectError, follow
from tollkeeper_server.dataplane.transport import ConnectError, Outgoing, TimeoutExpiredError
from tollkeeper_server.domain.traffic import Retry, Strategy, TrafficPolicy
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.domain.usage import Confidence
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Header, Target

from tests.contract.peers import OK, Peer, Reader, Writer, listening, read_all, request_to
from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer, Recorder, ScriptedTransport

CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "m", "messages": []}).encode()
BASE = "http://up.test:8000/v1"
FORM = (b"content-type", b"multipart/form-data; boundary=b")
ANSWERED = json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}).encode()


def _target(name: str = "up", base_url: str = BASE) -> Target:
    return target(name, base_url=base_url, credential=((b"authorization", b"Bearer key"),))


def _redirect(location: str | bytes, status: int = 307, body: bytes = b"", *headers: Header) -> Answer:
    place = location.encode() if isinstance(location, str) else location
    return Answer((body,) if body else (), status, [(b"Location", place), *headers])


def _ok() -> Answer:
    return Answer((ANSWERED,))


def _bench(*script: Answer | BaseException, base_url: str = BASE, **policy: Any) -> Bench:
    one = _target(base_url=base_url)
    other = _target("other", "http://other.test/v1")
    members = [member_on(one), member_on(other)] if policy.pop("both", False) else [member_on(one)]
    model = route("m", *members, policy=TrafficPolicy(strategy=Strategy.FAILOVER, **policy))
    bench = Bench(snapshot(model, default=one, targets={"up": one, "other": other}))
    bench.placements.keep("file-123", "up")
    bench.transport.answers = {"up.test": list(script), "other.test": [_ok()]}
    return bench


async def _ask(bench: Bench, method: str = "POST", path: str = CHAT, body: bytes = BODY) -> Reply:
    headers = [(b"content-type", b"application/json"), (b"content-language", b"en"), (b"x-mine", b"1")]
    return await Caller(method=method, path=path, body=body, headers=headers).call(bench.plane)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v1/chat/completions/", f"{BASE}/chat/completions/"),
        ("/elsewhere?a=b%2F&c", "http://up.test:8000/elsewhere?a=b%2F&c"),
        ("completions/x", f"{BASE}/chat/completions/x"),
        ("../x", f"{BASE}/x"),
        ("?a=b", f"{BASE}/chat/completions?a=b"),
        ("http://up.test:8000/x#y", "http://up.test:8000/x"),
        ("HTTP://UP.test.:8000", "http://up.test:8000/"),
        ("//up.test:8000/x", "http://up.test:8000/x"),
        ("http://name:secret@up.test:8000/x", "http://up.test:8000/x"),
    ],
)
@pytest.mark.parametrize("status", [307, 308])
async def test_on_the_upstreams_own_origin_the_same_is_asked_again(
    status: int, location: str, url: str
) -> None:
    bench = _bench(_redirect(location, status, b"moved"), _ok())

    reply = await _ask(bench)

    first, second = bench.transport.requests
    assert (reply.status, reply.body) == (200, ANSWERED)
    assert (second.method, second.url, second.body) == ("POST", url, first.body)
    assert second.headers == first.headers
    assert b"location" not in reply.headers
    tokens = bench.journal.only.tokens
    assert (tokens.prompt, tokens.completion, tokens.confidence) == (3, 2, Confidence.EXACT)


@pytest.mark.parametrize(
    ("base_url", "location"),
    [
        ("http://up.test/v1", "http://up.test:80/x"),
        ("https://up.test/v1", "https://up.test:443/x"),
        ("https://up.test:443/v1", "https://up.test/x"),
        ("https://m\u00fcnchen.test/v1", "https://xn--mnchen-3ya.test/x"),
        ("http://[::1]:80/v1", "http://[::1]/x"),
    ],
)
async def test_an_origin_is_the_same_however_it_is_written(base_url: str, location: str) -> None:
    bench = _bench(_redirect(location), _ok(), base_url=base_url)
    bench.transport.answers |= dict.fromkeys(["m\u00fcnchen.test", "::1"], bench.transport.answers["up.test"])

    assert (await _ask(bench)).status == 200
    assert bench.transport.requests[1].url == f"{base_url.removesuffix('/v1')}/x"


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_post_is_fetched_where_the_upstream_says(status: int) -> None:
    bench = _bench(_redirect("/v1/results/1", status), _ok())

    reply = await _ask(bench)

    first, second = bench.transport.requests
    assert (reply.status, reply.body) == (200, ANSWERED)
    assert (second.method, second.url, second.body, second.length) == ("GET", f"{BASE}/results/1", b"", None)
    assert {name for name, _ in first.headers} - {name for name, _ in second.headers} == {
        b"content-type",
        b"content-language",
    }
    assert (b"authorization", b"Bearer key") in second.headers


@pytest.mark.parametrize(
    ("method", "status", "following"),
    [
        ("GET", 301, "GET"), ("GET", 303, "GET"), ("HEAD", 303, "HEAD"), ("HEAD", 302, "HEAD"),
        ("DELETE", 302, "DELETE"), ("DELETE", 303, "GET"), ("DELETE", 308, "DELETE"),
    ],
)  # fmt: skip
async def test_other_methods_stay_unless_it_says_where_to_look(
    method: str, status: int, following: str
) -> None:
    bench = _bench(_redirect("/v1/files/x", status), Answer())

    assert (await _ask(bench, method, "/v1/files/file-123", b"")).status == 200
    assert [request.method for request in bench.transport.requests] == [method, following]


ELSEWHERE = [
    "http://cdn.test/x",
    "https://sub.up.test:8000/x",
    "//other.test/x",
    "ftp://h/x",
    "http://up.test.at/",
]


@pytest.mark.parametrize("location", ELSEWHERE)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_elsewhere_is_for_the_caller_to_go_and_costs_no_tokens(status: int, location: str) -> None:
    bench = _bench(_redirect(location, status, b"moved"))

    reply = await _ask(bench)

    assert (reply.status, reply.headers[b"location"], reply.body) == (status, location.encode(), b"moved")
    assert len(bench.transport.requests) == 1
    event = bench.journal.only
    assert (event.status, event.error_code, event.tokens.confidence) == (status, "", Confidence.NONE)


SHOWING = [
    "http://up.test/x", "http://up.test:8001/x", "https://up.test:8000/x", "https://UP.test/x",
    "ftp://up.test/x", "https://login.test/?to=http%3A%2F%2Fup.test%3A8000%2F", "https://a@up.test./x",
]  # fmt: skip
NO_URL = ["http://[::1/x", "http://up.test:port/", "/a b", "/a\\b", "http://up.test:8000/\x01"]


@pytest.mark.parametrize("location", SHOWING + NO_URL)
async def test_what_would_show_where_the_upstream_is_is_an_error_with_the_reason(location: str) -> None:
    bench = _bench(_redirect(location, 307, f"moved to {location}".encode()))

    reply = await _ask(bench)

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (502, "upstream_invalid_response")
    assert "redirects" in json.loads(reply.body)["error"]["message"]
    assert b"up.test" not in repr(reply.messages).encode().lower()
    assert len(bench.transport.requests) == 1
    assert bench.journal.only.tokens.confidence is Confidence.NONE


async def test_from_https_nothing_goes_to_http() -> None:
    bench = _bench(_redirect("http://up.test/v1/x"), base_url="https://up.test/v1")

    assert (await _ask(bench)).status == 502
    assert len(bench.transport.requests) == 1


@pytest.mark.parametrize(
    "answer", [Answer((), 302, []), _redirect("", 302), _redirect("/x", 300), _redirect("/x", 304)]
)
async def test_what_leads_nowhere_is_an_answer(answer: Answer) -> None:
    bench = _bench(answer)

    assert (await _ask(bench)).status == answer.status
    assert len(bench.transport.requests) == 1


async def test_redirects_end() -> None:
    enough = _bench(*[_redirect(f"/{number}") for number in range(MAX_REDIRECTS)], _ok())
    assert (await _ask(enough)).status == 200

    endless = _bench(_redirect("/v1/chat/completions"))
    reply = await _ask(endless)

    assert (reply.status, b"more than 5 times" in reply.body) == (502, True)
    assert len(endless.transport.requests) == MAX_REDIRECTS + 1


async def test_two_places_at_once_are_none() -> None:
    bench = _bench(_redirect("/a", 307, b"", (b"location", b"/b")))

    assert (await _ask(bench)).status == 502
    assert len(bench.transport.requests) == 1


async def test_a_redirect_that_is_followed_is_one_call_that_succeeded() -> None:
    bench = _bench(_redirect("/a"), _redirect("/b"), _ok())

    await _ask(bench)

    assert [len(bench.metrics.upstream_durations), _errors(bench)] == [1, {}]
    assert bench.journal.order == ["begin", "open", "open", "open", "settle"]


def _errors(bench: Bench) -> dict[object, int]:
    return {labels: counter.value for labels, counter in bench.metrics.upstream_errors.items()}


async def test_one_that_can_not_be_followed_is_a_failed_call_and_tried_elsewhere() -> None:
    bench = _bench(_redirect("https://up.test/"), both=True)

    reply = await _ask(bench)

    assert (reply.status, reply.headers[b"x-tollkeeper-upstream"]) == (200, b"other")
    assert _errors(bench) == {("m", "up", "redirect"): 1}


async def test_what_went_out_before_a_redirect_was_sent() -> None:
    """If only safe requests are repeated, one whose redirect can't be reached is not."""
    bench = _bench(_redirect("/a"), ConnectError("refused"), both=True, retry=Retry(only_safe=True))

    assert (await _ask(bench)).status == 502
    assert bench.transport.hosts == ["up.test", "up.test"]


async def test_answers_on_the_way_are_let_go_of() -> None:
    first, second, last = _redirect("/a"), _redirect("/b", 307, b"moved"), _redirect("https://up.test/")
    bench = _bench(first, second, last)

    await _ask(bench)

    assert (first.closed, second.closed, last.closed) == (1, 1, 1)
    assert bench.health.of(_target()).in_flight == 0


@pytest.mark.parametrize(("status", "outcome"), [(303, 200), (302, 200), (307, 502), (308, 502)])
async def test_an_upload_goes_once(status: int, outcome: int) -> None:
    bench = _bench(_redirect("/v1/files/", status), Answer())
    upload = Caller(path="/v1/files", body=[b"part", b"part"], headers=[FORM])

    reply = await upload.call(bench.plane)

    assert reply.status == outcome
    assert bench.transport.bodies == ([b"partpart", b""] if outcome == 200 else [b"partpart"])
    assert outcome == 200 or b"upload" in reply.body


def _outgoing(timeouts: Timeouts) -> Outgoing:
    return Outgoing("POST", f"{BASE}/x", [], b"{}", timeouts)


async def test_time_limits_hold_for_the_whole_way() -> None:
    transport = ScriptedTransport(Recorder())
    transport.answers = {"up.test": [_redirect("/b"), _ok()]}
    began = time.monotonic() - 10

    await follow(transport, _outgoing(Timeouts(first_byte=20, total=30)), _redirect("/a"), began)

    for request in transport.requests:
        assert 9 <= request.timeouts.first_byte <= 10
        assert 19 <= request.timeouts.total <= 20


@pytest.mark.parametrize("timeouts", [Timeouts(first_byte=9), Timeouts(total=9)])
async def test_nothing_is_followed_when_the_time_is_over(timeouts: Timeouts) -> None:
    transport = ScriptedTransport(Recorder())

    with pytest.raises(TimeoutExpiredError):
        await follow(transport, _outgoing(timeouts), _redirect("/a"), time.monotonic() - 10)
    assert not transport.requests


PARTS = st.lists(
    st.sampled_from(
        [
            "http:", "https:", "//", "/", "\\", "up.test", "UP.TEST", ":8000", ":80", "@", "?", "#", ".",
            "..", "x", "evil.test", "%2F", "%2f%2F", "up%2etest", " ", "\t", "\x00", "é", "javascript:",
            "[::1]", ":", ";",
        ]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(PARTS, st.sampled_from([301, 302, 303, 307, 308]), st.sampled_from([BASE, "https://up.test/v1"]))
@example("//evil.test\\@up.test:8000/", 307, BASE)
@example("http:\\\\evil.test", 307, BASE)
@example("http:evil.test", 307, BASE)
def test_wherever_it_leads_nothing_goes_elsewhere_and_no_address_is_shown(
    location: str, status: int, base_url: str
) -> None:
    async def run() -> None:
        transport = ScriptedTransport(Recorder())
        transport.answers = {"up.test": [_ok()]}
        request = Outgoing("POST", f"{base_url}/x", [], b"{}", Timeouts())
        redirect = _redirect(location.encode("utf-8"), status)
        try:
            incoming = await follow(transport, request, redirect, time.monotonic())
        except RedirectError:
            return
        origin = base_url.removesuffix("/v1")
        assert all(one.url.startswith(f"{origin}/") for one in transport.requests)
        assert all(not re.search(r"[\s\\]", one.url) for one in transport.requests)
        if incoming is redirect:
            assert not re.search(r"(?<![\w.-])up\.test(?![\w.-])", location.lower())

    asyncio.run(run())


OWN = [
    (b"Location", b"http://up.test:8000/v1/files/1"), (b"Content-Location", b"https://UP.test/x"),
    (b"Link", b'<http://up.test:8000/x>; rel="next"'), (b"Refresh", b"5; url=http://up.test:8000/"),
    (b"Operation-Location", b"http://up.test:8000/openai/operations/1"),
    (b"Azure-AsyncOperation", b"http://up.test:8000/openai/operations/1"),
]  # fmt: skip
OTHERS = [
    (b"Location", b"/v1/files/1"), (b"Content-Location", b"files/1"),
    (b"Link", b'<https://docs.test/up>; rel="deprecation"'), (b"Operation-Location", b"https://sub.up.test/1"),
]  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 202, 300, 404])
async def test_no_answer_shows_where_the_upstream_is(status: int) -> None:
    for headers, stays in ((OWN, False), (OTHERS, True)):
        for name, value in headers:
            reply = await _ask(_bench(Answer((b"{}",), status, [(name, value)])))

            assert reply.headers.get(name.lower()) == (value if stays else None)


async def test_the_connection_of_a_redirect_serves_on() -> None:
    async def handler(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.read(reader)
        writer.write(b"HTTP/1.1 307 \r\nLocation: /v1/y\r\nContent-Length: 5\r\n\r\nmoved")
        await peer.read(reader)
        writer.write(OK)
        await peer.wait_for_eof(reader)

    transport = Http1Transport()
    async with listening(handler) as peer:
        request = request_to(peer)
        answer = await follow(transport, request, await transport.open(request), time.monotonic())
        assert await read_all(answer) == b"ok"
        await transport.close()

    assert peer.connections == 1
    assert [one.split(b" ")[1] for one in peer.requests] == [b"/v1/x", b"/v1/y"]
    assert all(one.endswith(b"\r\n\r\n{}") for one in peer.requests)
