"""What was received, as tests are told."""

import asyncio
import hashlib
import json

import httpx2
from tollkeeper_server.simulator.recorder import KEPT_BODY

from tests.unit.simulator.conftest import Start
from tests.unit.simulator.running import Running, chat_head

CHAT = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()


async def test_a_request_is_recorded_as_it_came(http: httpx2.AsyncClient) -> None:
    body = b'{"model": "m",\n "input": "caf\xc3\xa9"}'
    headers = {"content-type": "application/json", "authorization": "Bearer sk-x"}
    await http.post("/v1/embeddings?a=%20b&a=c", content=body, headers=headers)
    (record,) = (await http.get("/_simulator/requests")).json()["requests"]
    assert record["method"] == "POST"
    assert record["path"] == "/v1/embeddings?a=%20b&a=c"
    assert ["authorization", "Bearer sk-x"] in record["headers"]
    assert record["body"] == body.decode()
    assert record["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert (record["status"], record["finished"], record["cancelled"]) == (200, True, False)


async def test_a_large_or_binary_body_is_recorded_by_its_digest(http: httpx2.AsyncClient) -> None:
    large = b"x" * (KEPT_BODY + 1)
    for body in (large, b"\xff\xfe"):
        await http.post("/v1/files", content=body)
        record = (await http.get("/_simulator/requests/next")).json()
        assert record["body"] is None
        assert record["body_bytes"] == len(body)
        assert record["body_sha256"] == hashlib.sha256(body).hexdigest()


async def test_only_the_last_requests_are_kept(start: Start) -> None:
    running = await start(recorded_requests=2)
    async with httpx2.AsyncClient(base_url=running.url) as http:
        for number in range(3):
            await http.get(f"/v1/models/{number}")
        records = (await http.get("/_simulator/requests")).json()["requests"]
        assert [record["path"] for record in records] == ["/v1/models/1", "/v1/models/2"]
        health = (await http.get("/_simulator/health")).json()
    assert health == {"status": "ok", "requests": 3, "in_flight": 0}


async def test_requests_can_be_forgotten(http: httpx2.AsyncClient) -> None:
    await http.get("/v1/models")
    assert (await http.delete("/_simulator/requests")).status_code == 204
    assert (await http.get("/_simulator/requests")).json() == {"requests": []}
    assert (await http.get("/_simulator/requests/next?timeout=0")).status_code == 204


async def test_a_client_that_leaves_a_stream_is_reported(
    simulator: Running, http: httpx2.AsyncClient
) -> None:
    waiting = asyncio.create_task(http.get("/_simulator/requests/next-cancel"))
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    head = chat_head("hang=2", CHAT).replace("\n", "\r\n").encode()
    writer.write(head + b"\r\n\r\n" + CHAT)
    await reader.readuntil(b"This")
    assert (await http.get("/_simulator/health")).json()["in_flight"] == 1
    writer.close()
    record = (await waiting).json()
    assert (record["cancelled"], record["finished"], record["events"]) == (True, False, 2)
    assert (await http.get("/_simulator/health")).json()["in_flight"] == 0


async def test_a_client_that_leaves_before_the_head_or_the_body_is_reported(
    simulator: Running, http: httpx2.AsyncClient
) -> None:
    for body, directive in ((CHAT, "hang=headers"), (CHAT, "latency=60000"), (CHAT[:-1], "events=1")):
        _, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        head = chat_head(directive, CHAT).replace("\n", "\r\n").encode()
        writer.write(head + b"\r\n\r\n" + body)
        if body is CHAT:
            assert (await http.get("/_simulator/requests/next")).status_code == 200
        writer.close()
        record = (await http.get("/_simulator/requests/next-cancel")).json()
        assert (record["cancelled"], record["status"]) == (True, 0)


async def test_what_the_simulator_ends_itself_is_no_cancellation(
    simulator: Running, http: httpx2.AsyncClient
) -> None:
    for directive in ("cut=1", "drop", "close-framed", "events=3"):
        await simulator.raw(chat_head(directive, CHAT, close=True), CHAT)
        record = (await http.get("/_simulator/requests")).json()["requests"][-1]
        assert (record["cancelled"], record["finished"]) == (False, True), directive
    assert (await http.get("/_simulator/requests/next-cancel?timeout=0")).status_code == 204


async def test_bad_questions_are_refused(http: httpx2.AsyncClient) -> None:
    for timeout in ("x", "-1", "61", "nan"):
        reply = await http.get("/_simulator/requests/next", params={"timeout": timeout})
        assert reply.status_code == 400
    assert (await http.get("/_simulator/nothing")).status_code == 404
