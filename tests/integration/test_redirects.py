"""Redirects of an upstream over real connections: followed there, or told without its address."""

import json
from collections.abc import Iterator

import pytest
from tollkeeper import Confidence, Deployment, Provider

from tests.integration.process import PATIENT, Gateway
from tests.integration.scripted import OK, ScriptedUpstream
from tests.integration.wire import Answer, ask, bearer

CHAT = "/v1/chat/completions"
BODY = b'{"model": "scripted", "messages": []}'
JSON = ("content-type", "application/json")
EVENTS = (
    b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + EVENTS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, listening: ScriptedUpstream) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("redirects")) as running:
        with running.management() as client:
            client.upstreams.create(
                name="scripted",
                provider=Provider.OPENAI,
                base_url=f"http://{listening.address}/v1",
                api_key="sk-scripted-canary-77d1",
                is_default=True,
                breaker=PATIENT,
            )
            client.models.create(name="scripted", deployments=[Deployment("scripted")])
        yield running


@pytest.fixture(scope="module")
def secret(site: Gateway) -> str:
    return site.new_token()


def redirect(location: str, status: int = 307) -> bytes:
    body = f'<a href="{location}">moved</a>'.encode()
    lines = [
        f"HTTP/1.1 {status} ",
        f"location: {location}",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def post(site: Gateway, secret: str, path: str = CHAT, body: bytes = BODY) -> Answer:
    return ask(site.data, "POST", path, [bearer(secret), JSON], body)


def test_a_slash_that_a_server_wants_costs_a_round_and_nothing_else(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    upstream.will_answer(redirect(f"http://{upstream.address}{CHAT}/"))
    upstream.will_answer(STREAM)

    found = post(
        site, secret, body=BODY[:-1] + b', "stream": true, "stream_options": {"include_usage": true}}'
    )

    first, second = upstream.next_head(), upstream.next_head()
    assert (found.status, found.body, found.header("location")) == (200, EVENTS, None)
    assert (first.line, second.line) == (f"POST {CHAT} HTTP/1.1", f"POST {CHAT}/ HTTP/1.1")
    assert first.headers == second.headers
    assert upstream.next_body() == upstream.next_body()
    event = site.event_of(found.header("x-request-id") or "")
    assert (event.prompt_tokens, event.completion_tokens, event.error_code) == (1, 2, "")


def test_a_result_that_is_elsewhere_on_the_server_is_fetched(
    site: Gateway, upstream: ScriptedUpstream, secret: str
) -> None:
    upstream.will_answer(redirect("/v1/results/1?call=2", 303))
    upstream.will_answer(OK)

    assert post(site, secret).status == 200
    upstream.next_head()
    second = upstream.next_head()
    assert second.line == "GET /v1/results/1?call=2 HTTP/1.1"
    assert second.header("authorization") == "Bearer sk-scripted-canary-77d1"
    assert not second.names & {"content-type", "content-length", "transfer-encoding"}


@pytest.mark.parametrize("path", [CHAT, "/v1/files"])
def test_nothing_shows_where_the_upstream_is(
    site: Gateway, upstream: ScriptedUpstream, secret: str, path: str
) -> None:
    host = upstream.address.partition(":")[0]
    upstream.will_answer(redirect(f"https://{upstream.address}/v1/x"))

    found = post(site, secret, path)

    assert (found.status, json.loads(found.body)["error"]["code"]) == (502, "upstream_invalid_response")
    assert host not in repr(found)
    event = site.event_of(found.header("x-request-id") or "")
    assert (event.confidence, event.prompt_tokens) == (Confidence.NONE, 0)


def test_an_upload_goes_once(site: Gateway, upstream: ScriptedUpstream, secret: str) -> None:
    upstream.will_answer(redirect("/v1/files/"))

    found = post(site, secret, "/v1/files", b"x" * 100_000)

    assert found.status == 502
    assert "upload" in json.loads(found.body)["error"]["message"]
    upstream.next_head()
    assert upstream.next_body() == b"x" * 100_000
    upstream.will_answer(OK)
    assert post(site, secret).status == 200
    assert upstream.next_head().target == CHAT


def test_elsewhere_is_passed_on(site: Gateway, upstream: ScriptedUpstream, secret: str) -> None:
    upstream.will_answer(redirect("http://elsewhere.test/x", 302))

    found = post(site, secret)

    assert (found.status, found.header("location")) == (302, "http://elsewhere.test/x")
    assert site.event_of(found.header("x-request-id") or "").confidence is Confidence.NONE
