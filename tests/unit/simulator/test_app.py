"""From the head of a request to the end of its answer: keys, limits, paths, errors."""

import hashlib
import os

import httpx2
import openai as openai_sdk
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from tollkeeper_server.simulator import SimulatorConfig, make_app

from tests.unit.simulator.conftest import Start
from tests.unit.simulator.running import Running

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer right"}, {"api-key": "right"}, {"x-api-key": "right"}]
)
async def test_the_key_may_come_in_any_providers_way(start: Start, headers: dict[str, str]) -> None:
    running = await start(api_key="right")
    async with httpx2.AsyncClient(base_url=running.url) as http:
        assert (await http.get("/v1/models", headers=headers)).status_code == 200
        assert (await http.get("/_simulator/health")).status_code == 200
        refused = await http.get("/v1/models", headers=dict.fromkeys(headers, "Bearer wrong"))
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "invalid_api_key"


async def test_a_wrong_key_is_repeated_at_its_ends_only(start: Start) -> None:
    running = await start(api_key="right")
    async with AsyncOpenAI(base_url=running.url, api_key="sk-proj-middle-part-wxyz", max_retries=0) as client:
        with pytest.raises(openai_sdk.AuthenticationError) as caught:
            await client.models.list()
    assert "sk-proj-************wxyz" in str(caught.value)
    assert "middle" not in str(caught.value)


async def test_azure_words_its_errors_differently(start: Start, simulator: Running) -> None:
    running = await start(api_key="right")
    async with AsyncAzureOpenAI(
        azure_endpoint=running.url, api_version="2024-10-21", api_key="wrong", max_retries=0
    ) as azure:
        with pytest.raises(openai_sdk.AuthenticationError) as caught:
            await azure.embeddings.create(model="d", input="x")
    assert caught.value.code == "401"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/deployments/d/chat/completions?api-version=2024-10-21", 200),
        ("/openai/deployments/d/chat/completions", 404),
        ("/openai/deployments/d/chat/nothing?api-version=2024-10-21", 404),
        ("/openai/v1/chat/completions", 200),
        ("/openai/chat/completions?api-version=2024-10-21", 200),
        ("/v1/chat/completions", 200),
        ("/chat/completions", 200),
        ("/v2/chat/completions", 404),
    ],
)
async def test_paths(http: httpx2.AsyncClient, path: str, status: int) -> None:
    reply = await http.post(path, json=CHAT)
    assert reply.status_code == status
    if status == 404 and path.startswith("/openai"):
        assert reply.json() == {"error": {"code": "404", "message": "Resource not found"}}
    elif status == 404:
        assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_a_wrong_method_is_refused(http: httpx2.AsyncClient) -> None:
    reply = await http.get("/v1/chat/completions")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"messages": [}'])
async def test_invalid_json_is_refused(http: httpx2.AsyncClient, body: bytes) -> None:
    reply = await http.post(
        "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )
    assert reply.status_code == 400
    assert "JSON" in reply.json()["error"]["message"]


async def test_a_wrong_content_type_is_refused(http: httpx2.AsyncClient) -> None:
    reply = await http.post("/v1/embeddings", content=b"{}", headers={"content-type": "text/plain"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_content_type")


async def test_answers_carry_openais_headers(http: httpx2.AsyncClient) -> None:
    first, second = await http.get("/v1/models"), await http.get("/v1/models")
    for name in ("date", "openai-processing-ms", "openai-version", "x-ratelimit-remaining-requests"):
        assert name in first.headers
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_the_rate_limit_says_when_to_come_back(start: Start) -> None:
    running = await start(rate_limit_per_minute=2)
    async with httpx2.AsyncClient(base_url=running.url) as http:
        replies = [await http.get("/v1/models") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["1", "0", "0"]
    assert replies[2].headers["x-ratelimit-limit-requests"] == "2"
    assert 1 <= int(replies[2].headers["retry-after"]) <= 60
    assert replies[2].json()["error"]["code"] == "rate_limit_exceeded"


async def test_errors_come_at_their_rate_and_repeat_with_the_seed(start: Start) -> None:
    async def statuses(**settings: object) -> list[int]:
        running = await start(**settings)
        async with httpx2.AsyncClient(base_url=running.url) as http:
            return [(await http.post("/v1/chat/completions", json=CHAT)).status_code for _ in range(40)]

    first = await statuses(error_rate=0.5, error_status=503, seed=1)
    assert set(first) == {200, 503}
    assert first == await statuses(error_rate=0.5, error_status=503, seed=1)
    assert first != await statuses(error_rate=0.5, error_status=503, seed=2)
    assert set(await statuses(error_rate=1.0)) == {500}


async def test_a_status_can_be_asked_for(http: httpx2.AsyncClient) -> None:
    async def ask(directives: str) -> httpx2.Response:
        return await http.post("/v1/chat/completions", json=CHAT, headers={"x-simulate": directives})

    limited = await ask("status=429,code=insufficient_quota,retry-after=7,header=x-more:yes")
    assert limited.status_code == 429
    assert limited.json()["error"]["type"] == limited.json()["error"]["code"] == "insufficient_quota"
    assert (limited.headers["retry-after"], limited.headers["x-more"]) == ("7", "yes")
    assert (await ask("status=500")).json()["error"]["type"] == "server_error"
    moved = await ask("status=307,header=location:/elsewhere")
    assert (moved.status_code, moved.headers["location"]) == (307, "/elsewhere")
    assert (await ask("status=204")).content == b""
    assert (await ask("status=202")).json()["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 200),
        ("0dc3ff99-ecf4-4150-88eb-ec1fa66e8cbc", 200),
        ("0dc3ff99ecf4415088ebec1fa66e8cbc", 200),
        ("order-17", 400),
    ],
)
async def test_an_id_that_is_no_uuid_may_be_refused(
    http: httpx2.AsyncClient, given: str | None, status: int
) -> None:
    headers = {"x-simulate": "uuid-ids"} | ({} if given is None else {"x-request-id": given})
    answer = await http.post("/v1/embeddings", json={"model": "m", "input": "hi"}, headers=headers)
    assert answer.status_code == status
    if status == 400:
        assert (answer.content, "content-type" in answer.headers) == (b"", False)


async def test_a_typing_error_is_refused(http: httpx2.AsyncClient) -> None:
    reply = await http.get("/v1/models", headers={"x-simulate": "latncy=5"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "x-simulate")


async def test_what_was_received_can_be_echoed(http: httpx2.AsyncClient) -> None:
    body = os.urandom(1000)
    headers = {"x-simulate": "echo-headers", "x-mine": "1", "content-type": "image/x-any"}
    told = (await http.patch("/v1/any/path?q=1", content=body, headers=headers)).json()
    assert (told["method"], told["path"]) == ("PATCH", "/v1/any/path?q=1")
    assert ["x-mine", "1"] in told["headers"]
    assert told["body_sha256"] == hashlib.sha256(body).hexdigest()
    reply = await http.put("/v1/any", content=body, headers=headers | {"x-simulate": "echo-body"})
    assert (reply.content, reply.headers["content-type"]) == (body, "image/x-any")


async def test_a_request_of_many_megabytes_is_answered(http: httpx2.AsyncClient) -> None:
    messages = [{"role": "user", "content": "word " * 2_000_000}]
    reply = await http.post("/v1/chat/completions", json={"model": "m", "messages": messages})
    assert reply.json()["usage"]["prompt_tokens"] == 2_000_003


async def test_an_early_answer_does_not_wait_for_the_body(simulator: Running) -> None:
    head = "POST /v1/files HTTP/1.1\nhost: x\ncontent-length: 1000000\nconnection: close\n"
    answer = await simulator.raw(head + "x-simulate: early,status=413")
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_head_request_has_no_body(http: httpx2.AsyncClient) -> None:
    reply = await http.head("/v1/models")
    assert (reply.status_code, reply.content) == (405, b"")


async def test_it_lives_under_any_asgi_server() -> None:
    transport = httpx2.ASGITransport(make_app(SimulatorConfig()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://simulator") as http:
        assert (await http.get("/v1/models")).status_code == 200
