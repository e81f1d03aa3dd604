"""The playground: calls of the console's own pages, each as the token that it names."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest
from tollkeeper import Confidence

from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, until

CHAT = "/admin/playground/v1/chat/completions"
MODELS = "/admin/playground/v1/models"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two three"}]}


@pytest.fixture
def page(gateway: Gateway) -> Iterator[httpx2.Client]:
    """A page of the console in a browser whose user is signed in."""
    origin = gateway.console
    headers = {"sec-fetch-site": "same-origin", "origin": origin}
    with httpx2.Client(base_url=origin, headers=headers, trust_env=False) as client:
        client.post("/admin/session", json={"token": MANAGEMENT_TOKEN}).raise_for_status()
        yield client


def ask(page: httpx2.Client, token_id: str, **headers: str) -> httpx2.Response:
    return page.post(CHAT, json=BODY, headers={"x-tollkeeper-token": token_id, **headers})


def test_a_chat_is_one_of_the_token(page: httpx2.Client, gateway: Gateway, simulator: Simulator) -> None:
    minted = gateway.mint(max_requests=1)
    answer = ask(page, minted.id)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
    event = gateway.event_of(answer.headers["x-request-id"])
    assert (event.token_id, event.project_id) == (minted.id, minted.project_id)
    assert (event.prompt_tokens, event.confidence) == (6, Confidence.EXACT)
    received = simulator.last_request()
    assert [name for name in ("cookie", "origin", "x-tollkeeper-token") if received.header(name)] == []
    assert ask(page, minted.id).json()["error"]["code"] == "request_limit_exceeded"


def test_a_chat_is_streamed_as_it_comes(page: httpx2.Client, gateway: Gateway) -> None:
    headers = {"x-tollkeeper-token": gateway.mint().id}
    with page.stream("POST", CHAT, json=BODY | {"stream": True}, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert len(lines) > 2
    assert lines[-1] == "data: [DONE]"


def test_a_call_is_cut_off_when_its_session_ends(
    page: httpx2.Client, gateway: Gateway, simulator: Simulator
) -> None:
    """As if its caller had left: what it used until then is recorded."""
    this_id = f"test-{uuid4().hex}"
    headers = {
        "x-tollkeeper-token": gateway.mint().id,
        "x-simulate": "events=50,hang=4",
        "x-request-id": this_id,
    }
    with page.stream("POST", CHAT, json=BODY | {"stream": True}, headers=headers) as answer:
        seen, pieces = b"", answer.iter_raw()
        while seen.count(b"\n\n") < 4:
            seen += next(pieces)
        assert page.delete("/admin/session").status_code == 204
        with pytest.raises(httpx2.RemoteProtocolError):
            next(pieces)
    assert simulator.cancelled(this_id).events == 4
    event = gateway.event_of(this_id)
    assert (event.status, event.error_code) == (499, "client_closed_request")


def test_a_call_without_an_answer_is_refused_when_its_session_ends(
    page: httpx2.Client, gateway: Gateway, simulator: Simulator
) -> None:
    this_id = f"test-{uuid4().hex}"
    more = {"x-simulate": "hang=headers", "x-request-id": this_id}
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask, page, gateway.mint().id, **more)
        until(lambda: this_id in [it.header("x-request-id") for it in simulator.requests()])
        assert page.delete("/admin/session").status_code == 204
        answer = asked.result()
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (401, "session_ended")
    assert answer.headers["x-request-id"] == this_id


def test_the_models_are_those_of_the_token(page: httpx2.Client, gateway: Gateway) -> None:
    minted = gateway.mint(allowed_models=["gpt-4o"])
    answer = page.get(MODELS, headers={"x-tollkeeper-token": minted.id})
    assert [it["id"] for it in answer.json()["data"]] == ["gpt-4", "gpt-4o"]


def test_what_the_page_asks_for_itself_is_no_call_of_the_token(page: httpx2.Client, gateway: Gateway) -> None:
    minted = gateway.mint(max_requests=1)
    assert page.get(MODELS, headers={"x-tollkeeper-token": minted.id}).status_code == 200
    answer = ask(page, minted.id)
    assert answer.status_code == 200
    event = gateway.event_of(answer.headers["x-request-id"])
    assert [it.id for it in gateway.usage(token_id=minted.id)] == [event.id]


def test_an_answer_is_nothing_that_a_browser_runs(page: httpx2.Client, gateway: Gateway) -> None:
    answer = ask(page, gateway.mint().id)
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "changed",
    [
        {"cookie": ""},
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": ""},
        {"authorization": "Bearer sk-tk-x"},
    ],
    ids=["no session", "another origin", "another site", "no browser", "a token beside it"],
)
def test_only_pages_of_who_is_signed_in_may(
    page: httpx2.Client, gateway: Gateway, changed: Mapping[str, str]
) -> None:
    answer = ask(page, gateway.mint().id, **changed)
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (401, "session_ended")


@pytest.mark.parametrize("token_id", ["", "tok_", "sk-tk-0123456789", "tok_" + "0" * 27, "tok_../../x"])
def test_a_token_is_named_by_its_id(page: httpx2.Client, token_id: str) -> None:
    answer = ask(page, token_id)
    assert answer.status_code == 400
    assert "x-tollkeeper-token" in answer.text


def test_a_token_that_is_not_valid_is_refused_as_its_caller_is(page: httpx2.Client, gateway: Gateway) -> None:
    minted = gateway.mint()
    with gateway.management() as client:
        client.tokens.revoke(minted.id)
    for token_id in (minted.id, "tok_" + "0" * 26):
        answer = ask(page, token_id)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_token_can_t_be_vouched_for_by_its_id_elsewhere(gateway: Gateway) -> None:
    minted = gateway.mint()
    for url in (gateway.base_url, gateway.console + "/v1"):
        answer = httpx2.post(
            f"{url}/chat/completions",
            content=json.dumps(BODY),
            headers={"x-tollkeeper-token": minted.id, "content-type": "application/json"},
            trust_env=False,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
