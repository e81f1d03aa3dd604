"""How answers go out and go wrong, byte by byte."""

import asyncio
import gzip
import json
import zlib

import httpx2
import pytest
from openai import APIError, AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.unit.simulator.conftest import Start
from tests.unit.simulator.running import Running, chat_head

PLAIN = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = PLAIN | {"stream": True}
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


async def _ask(simulator: Running, directives: str, body: object = STREAM) -> tuple[bytes, bytes]:
    encoded = json.dumps(body).encode()
    answer = await simulator.raw(chat_head(directives, encoded, close=True), encoded)
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


def _chunks(body: bytes) -> list[bytes]:
    """Take chunked framing apart; a missing last chunk shows as a list that does not end with b""."""
    found = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        found.append(body[:length])
        body = body[length + 2 :]
    return found


async def test_every_event_is_a_chunk_of_its_own(simulator: Running) -> None:
    head, body = await _ask(simulator, "events=3")
    assert b"text/event-stream" in head
    chunks = _chunks(body)
    assert len(chunks) == 1 + 3 + 1 + 1 + 1
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in chunks[:-1])
    assert chunks[-2:] == [b"data: [DONE]\n\n", b""]


@pytest.mark.parametrize(("cut", "sent"), [(0, 0), (1, 1), (3, 3), (99, 7)])
async def test_a_cut_stream_has_no_end(simulator: Running, cut: int, sent: int) -> None:
    head, body = await _ask(simulator, f"events=5,cut={cut}")
    assert head.startswith(b"HTTP/1.1 200")
    chunks = _chunks(body)
    assert len(chunks) == sent
    assert b"[DONE]" not in body
    assert b"" not in chunks


async def test_a_cut_answer_is_shorter_than_it_said(simulator: Running) -> None:
    head, body = await _ask(simulator, "cut=10", PLAIN)
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert (len(body), length > 10) == (10, True)


async def test_a_client_sees_a_cut_as_a_broken_connection(http: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await http.post("/v1/chat/completions", json=STREAM, headers={"x-simulate": "cut=2"})


async def test_streams_are_cut_at_their_rate(start: Start) -> None:
    running = await start(cut_rate=0.5, seed=3, reply_words=5)
    whole = [b"[DONE]" in (await _ask(running, ""))[1] for _ in range(20)]
    assert set(whole) == {False, True}
    always = await start(cut_rate=1.0, reply_words=5)
    for _ in range(5):
        _, body = await _ask(always, "")
        assert 1 <= len(_chunks(body)) <= 5


async def test_no_answer_at_all(simulator: Running) -> None:
    assert await _ask(simulator, "drop") == (b"", b"")
    with pytest.raises(ConnectionResetError):
        await _ask(simulator, "reset")


async def test_garbage(simulator: Running, openai: AsyncOpenAI) -> None:
    head, _ = await _ask(simulator, "garbage")
    assert not head.startswith(b"HTTP")
    head, body = await _ask(simulator, "garbage=body", PLAIN)
    assert b"application/json" in head
    assert body.startswith(b"<html>")
    _, body = await _ask(simulator, "garbage=event")
    chunks = _chunks(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(chunks[1].removeprefix(b"data: "))
    assert json.loads(chunks[2].removeprefix(b"data: "))


async def test_an_error_event_ends_the_stream_for_good(simulator: Running, openai: AsyncOpenAI) -> None:
    _, body = await _ask(simulator, "error-event=2")
    chunks = _chunks(body)
    assert len(chunks) == 4
    assert json.loads(chunks[2].removeprefix(b"data: "))["error"]["type"] == "server_error"
    assert chunks[3] == b""
    stream = await openai.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, extra_headers={"x-simulate": "error-event=2"}
    )
    with pytest.raises(APIError):
        _ = [chunk async for chunk in stream]


async def test_a_stream_without_its_last_event_ends_properly(simulator: Running) -> None:
    _, body = await _ask(simulator, "no-done,events=2")
    chunks = _chunks(body)
    assert (len(chunks), chunks[-1]) == (5, b"")
    assert b"[DONE]" not in body


@pytest.mark.parametrize("body", [PLAIN, STREAM])
async def test_usage_can_be_left_out(simulator: Running, body: dict[str, object]) -> None:
    told = body | {"stream_options": {"include_usage": True}}
    assert b"prompt_tokens" in (await _ask(simulator, "events=1", told))[1]
    assert b"usage" not in (await _ask(simulator, "events=1,no-usage", told))[1]


async def test_a_compressed_stream_can_be_read_as_it_comes(simulator: Running) -> None:
    _, plain = await _ask(simulator, "events=4")
    head, packed = await _ask(simulator, "events=4,gzip")
    assert b"content-encoding: gzip" in head
    inflate = zlib.decompressobj(wbits=31)
    events = [inflate.decompress(chunk) for chunk in _chunks(packed)]
    assert [len(event) > 0 for event in events[:7]] == [True] * 7
    assert events[6] == b"data: [DONE]\n\n"
    assert inflate.eof
    assert len(_chunks(plain)) == 8


async def test_a_compressed_answer(simulator: Running) -> None:
    head, body = await _ask(simulator, "gzip", PLAIN)
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(gzip.decompress(body))["object"] == "chat.completion"


async def test_a_split_body_is_the_same_body(simulator: Running) -> None:
    _, body = await _ask(simulator, "events=2,split=5")
    chunks = _chunks(body)
    assert {len(chunk) for chunk in chunks} <= set(range(6))
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")
    _, body = await _ask(simulator, "split=7", PLAIN)
    assert json.loads(body)["object"] == "chat.completion"


async def test_events_may_have_crlf_and_comments_between_them(
    openai: AsyncOpenAI, simulator: Running
) -> None:
    _, body = await _ask(simulator, "events=2,crlf,comments")
    text = b"".join(_chunks(body))
    assert text.count(b": keep-alive\r\n\r\n") == 5
    assert text.count(b"\n") == text.count(b"\r\n")
    stream = await openai.chat.completions.create(
        model="m",
        messages=MESSAGES,
        stream=True,
        extra_headers={"x-simulate": "events=2,crlf,comments,split=3"},
    )
    told = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(told) == "This answer"


@pytest.mark.parametrize("body", [PLAIN, STREAM])
async def test_the_end_of_the_connection_may_end_the_body(simulator: Running, body: object) -> None:
    head, answer = await _ask(simulator, "close-framed,events=2", body)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in head
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head
    assert answer.endswith(b"data: [DONE]\n\n") or json.loads(answer)


async def test_a_status_of_anthropics_own_may_be_framed_so_too(simulator: Running) -> None:
    head, answer = await _ask(simulator, "close-framed,status=529", PLAIN)
    assert head.startswith(b"HTTP/1.1 529 \r\n")
    assert json.loads(answer)["error"]["type"] == "server_error"


@pytest.mark.parametrize("body", [PLAIN, STREAM])
async def test_the_text_of_the_status_may_be_left_out(simulator: Running, body: dict[str, object]) -> None:
    head, _ = await _ask(simulator, "no-phrase", body)
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 200 "


async def test_empty_lines_may_follow_the_end_of_a_stream(simulator: Running) -> None:
    _, body = await _ask(simulator, "blank-lines=2")
    assert b"data: [DONE]\n\n\n\n" in body


async def test_early_hints_come_first(simulator: Running) -> None:
    head, rest = await _ask(simulator, "1xx", PLAIN)
    assert head.startswith(b"HTTP/1.1 103 Early Hints")
    assert rest.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(("directive", "events"), [("hang=headers", None), ("hang=body", 0), ("hang=2", 2)])
async def test_a_silence_lasts_until_the_client_leaves(
    simulator: Running, http: httpx2.AsyncClient, directive: str, events: int | None
) -> None:
    body = json.dumps(STREAM).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    head = chat_head(directive, body).replace("\n", "\r\n").encode()
    writer.write(head + b"\r\n\r\n" + body)
    if events is None:
        await http.get("/_simulator/requests/next")
    else:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(events):
            await reader.readuntil(b"data: ")
    assert (await http.get("/_simulator/health")).json()["in_flight"] == 1
    writer.close()
    record = (await http.get("/_simulator/requests/next-cancel")).json()
    assert record["events"] == (events or 0)


async def test_a_pause_between_events_does_not_change_them(start: Start) -> None:
    running = await start(latency_ms=5, token_interval_ms=1)
    _, slow = await _ask(running, "events=20")
    _, quick = await _ask(running, "events=20,interval=0,latency=0")
    assert len(_chunks(slow)) == len(_chunks(quick)) == 24
