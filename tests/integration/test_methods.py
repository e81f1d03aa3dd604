"""HEAD, OPTIONS, Expect and what a browser asks, on the wire: both ports, and both versions of HTTP."""

from collections.abc import Callable

import pytest

from tests.integration.h2wire import H2Wire
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator
from tests.integration.wire import Answer, Headers, Wire, ask, bearer, form

JSON = ("content-type", "application/json")
CHAT = "/v1/chat/completions"
BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"one two three"}]}'
PREFLIGHT = [("origin", "https://elsewhere.test"), ("access-control-request-method", "POST")]
DATA_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
OF_LISTS = "GET, HEAD, OPTIONS, POST"

Ask = Callable[[str, str, Headers], Answer]


@pytest.fixture(params=["data", "console", "console over HTTP/2"])
def put(request: pytest.FixtureRequest, gateway: Gateway) -> Ask:
    """What sends a request without a body to the data plane."""

    def over_http1(method: str, path: str, headers: Headers = ()) -> Answer:
        with Wire(getattr(gateway, request.param)) as wire:
            answer = wire.ask(method, path, headers)
            # The connection is in step: the next request is answered, too.
            assert wire.ask("GET", "/health").status == 200
            return answer

    def over_http2(method: str, path: str, headers: Headers = ()) -> Answer:
        with H2Wire(gateway.console) as wire:
            stream = wire.answer(wire.open(method, path, headers, ends=True))
            assert stream.ended
            return Answer(stream.status, list(stream.headers.items()), stream.body)

    return over_http2 if request.param == "console over HTTP/2" else over_http1


def test_head_is_get_without_the_body(put: Ask, token: str) -> None:
    for path in ("/v1/models", "/v1/models/gpt-4o", "/health"):
        got, head = put("GET", path, [bearer(token)]), put("HEAD", path, [bearer(token)])
        assert (head.status, head.body) == (got.status, b"") == (200, b"")
        assert head.header("content-length") == got.header("content-length")
    assert put("HEAD", "/v1/models", []).status == 401


def test_head_reaches_the_upstream(put: Ask, gateway: Gateway, token: str, simulator: Simulator) -> None:
    media, body = form({"purpose": "batch"}, {"file": b"content"})
    made = ask(gateway.data, "POST", "/v1/files", [bearer(token), ("content-type", media)], body)
    path = f"/v1/files/{made.json()['id']}"
    before = len(simulator.requests())
    answer = put("HEAD", path, [bearer(token)])
    assert answer.body == b""
    assert [it.method for it in simulator.requests()[before:]] == ["HEAD"]


@pytest.mark.parametrize(("path", "allow"), [(CHAT, OF_LISTS), ("*", DATA_METHODS)])
def test_options_tells_the_methods_without_a_token(put: Ask, path: str, allow: str) -> None:
    answer = put("OPTIONS", path, [])
    assert (answer.status, answer.body, answer.header("allow")) == (204, b"", allow)


def test_a_preflight_is_refused_with_a_reason(put: Ask) -> None:
    answer = put("OPTIONS", CHAT, PREFLIGHT)
    assert (answer.status, answer.error["code"]) == (403, "cross_origin_refused")
    assert answer.header("access-control-allow-origin") is None


def test_a_method_that_is_not_there_is_told_those_that_are(put: Ask, token: str) -> None:
    for method, path, allow in (("TRACE", CHAT, OF_LISTS), ("TRACE", "/v1/embeddings", DATA_METHODS)):
        answer = put(method, path, [bearer(token)])
        assert (answer.status, answer.header("allow")) == (405, allow)
    answer = put("DELETE", "/health", [])
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


def test_a_bare_token_is_taken(put: Ask, gateway: Gateway, token: str) -> None:
    assert put("GET", "/v1/models", [("authorization", token)]).status == 200
    managed = ask(gateway.console, "GET", "/manage/projects", [("authorization", MANAGEMENT_TOKEN)])
    assert managed.status == 200


@pytest.mark.parametrize("port", ["data", "console"])
def test_the_first_page_leads_somewhere(gateway: Gateway, port: str) -> None:
    page = ask(getattr(gateway, port), "GET", "/").json()
    assert (page["name"], page["base_url"]) == ("Tollkeeper", "/v1")
    assert ask(getattr(gateway, port), "GET", str(page["health"])).json()["status"] == "ok"


@pytest.mark.parametrize("port", ["data", "console"])
def test_an_expectation_that_can_not_be_met_ends_the_connection(
    gateway: Gateway, token: str, port: str
) -> None:
    with Wire(getattr(gateway, port)) as wire:
        expects = [("expect", "a-miracle"), ("content-length", str(len(BODY)))]
        lines = "".join(f"{name}: {value}\r\n" for name, value in [bearer(token), JSON, *expects])
        wire.send(f"POST {CHAT} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode())
        answer = wire.answer()
        assert (answer.status, answer.error["code"]) == (417, "expectation_failed")
        assert answer.header("connection") == "close"
        assert wire.ended()
    assert ask(getattr(gateway, port), "POST", CHAT, [bearer(token), JSON], BODY).status == 200


def test_over_http2_a_caller_is_told_to_continue_unless_it_is_refused(gateway: Gateway, token: str) -> None:
    waits = [JSON, ("content-length", str(len(BODY))), ("expect", "100-Continue")]
    with H2Wire(gateway.console) as wire:
        refused = wire.open("POST", CHAT, [bearer("sk-tk-unknown"), *waits])
        assert not wire.go_ahead(refused)
        assert wire.status(refused) == 401
        served = wire.open("POST", CHAT, [bearer(token), *waits])
        assert wire.go_ahead(served)
        wire.send(served, BODY, ends=True)
        assert wire.answer(served).status == 200
        managed = wire.open("POST", "/manage/projects", [bearer(MANAGEMENT_TOKEN), *waits])
        assert wire.go_ahead(managed)
        wire.send(managed, BODY, ends=True)
        assert wire.answer(managed).status == 400


def test_an_expectation_that_can_not_be_met_over_http2(gateway: Gateway, token: str) -> None:
    with H2Wire(gateway.console) as wire:
        refused = wire.open("POST", CHAT, [bearer(token), JSON, ("expect", "a-miracle")])
        assert wire.status(refused) == 417
        wire.send(refused, BODY, ends=True)
        served = wire.open("POST", CHAT, [bearer(token), JSON])
        wire.send(served, BODY, ends=True)
        assert wire.answer(served).status == 200
