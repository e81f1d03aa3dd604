"""A stream is the same at every door: messages as they come, an error at its end, its end with its caller."""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable

import grpc
import httpx2
import pytest
from google.protobuf import json_format
from tollkeeper.v1 import status_service_pb2, status_service_pb2_grpc, usage_service_pb2_grpc
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.management.status_feed import StatusFeed

from tests.unit.doors.rest.test_door import refusal
from tests.unit.doors.test_grpc import ADMIN, reason_of
from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane
from tests.unit.management.test_usage import event

SECONDS = 30.0
REST = "/manage/usage/watch"
CONNECT = "/tollkeeper.v1.UsageService/WatchUsageEvents"
JSON = {"content-type": "application/connect+json", "connect-protocol-version": "1"}
ENVELOPE = struct.Struct(">BI")
KEPT = 50


@pytest.fixture
async def plane(plane: Plane) -> Plane:
    """A management plane of which those who watch share few events."""
    plane.usage_feed = plane.feed(heartbeat=0.2, kept=KEPT)
    plane.status_feed = StatusFeed(plane.observed, interval=0.01, heartbeat=0.2)
    return plane


async def events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    """Yield server-sent events with data as the fields that they have, and the first one."""
    found: dict[str, str] = {}
    is_first = True
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            found[name] = value
        else:
            if is_first or "data" in found:
                yield found
            is_first, found = False, {}


async def envelopes(answer: httpx2.Response) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the flags and the content of enveloped messages."""
    held = b""
    async for piece in answer.aiter_raw():
        held += piece
        while len(held) >= ENVELOPE.size:
            flags, size = ENVELOPE.unpack_from(held)
            end = ENVELOPE.size + size
            if len(held) < end:
                break
            yield flags, held[ENVELOPE.size : end]
            held = held[end:]


def enveloped(content: bytes, flags: int = 0) -> bytes:
    """Return an enveloped message."""
    return ENVELOPE.pack(flags, len(content)) + content


async def until_open(plane: Plane, number: int) -> None:
    """Return once so many streams are under way."""
    async with asyncio.timeout(SECONDS):
        while plane.streams.count != number:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


async def test_grpc(grpc_door: GrpcListener, plane: Plane) -> None:
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        stub = usage_service_pb2_grpc.UsageServiceStub(channel)
        call = stub.WatchUsageEvents(pb.WatchUsageEventsRequest(upstream="openai"), metadata=ADMIN)
        assert await call.read() == pb.WatchUsageEventsResponse(last_id="0")
        await plane.store.usage.add([event(1), event(2, upstream="other"), event(3)])
        news = await call.read()
        while isinstance(news, pb.WatchUsageEventsResponse) and not news.events:
            news = await call.read()
        assert isinstance(news, pb.WatchUsageEventsResponse)
        assert ([it.request_id for it in news.events], news.last_id) == (["r1", "r3"], event(3).id)
        call.cancel()
        await until_open(plane, 0)


async def test_grpc_tells_why_a_stream_ended(grpc_door: GrpcListener, plane: Plane) -> None:
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        stub = usage_service_pb2_grpc.UsageServiceStub(channel)
        for after_id in ("", "req_x"):
            call = stub.WatchUsageEvents(pb.WatchUsageEventsRequest(after_id=after_id), metadata=ADMIN)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _read_to_the_end(call, plane)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of(caught.value) == "draining"


async def _read_to_the_end(call: AsyncIterable[object], plane: Plane) -> None:
    """Read the messages of a stream, while the process begins to end."""
    async for _ in call:
        plane.streams.end()


@pytest.mark.parametrize("is_http2", [False, True])
async def test_rest(http: httpx2.AsyncClient, console: str, plane: Plane, is_http2: bool) -> None:
    async with (
        httpx2.AsyncClient(
            base_url=f"http://{console}", headers=http.headers, http1=not is_http2, http2=is_http2,
            trust_env=False,
        ) as client,
        client.stream("GET", REST, params={"upstream": "openai"}) as answer,
    ):  # fmt: skip
        assert answer.http_version == ("HTTP/2" if is_http2 else "HTTP/1.1")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["x-request-id"]
        told = events(answer.aiter_lines())
        assert await anext(told) == {"id": "0"}
        await until_open(plane, 1)
        await plane.store.usage.add([event(1), event(2, upstream="other"), event(3)])
        news = await anext(told)
        assert news["id"] == event(3).id
        assert [it["request_id"] for it in json.loads(news["data"])["events"]] == ["r1", "r3"]
        plane.streams.end()
        last = await anext(told)
        assert (last["event"], json.loads(last["data"])["message"]) == (
            "error",
            "the server is ending; call again",
        )
        with pytest.raises(StopAsyncIteration):
            await anext(told)


async def test_a_caller_of_rest_who_leaves_ends_the_stream(http: httpx2.AsyncClient, plane: Plane) -> None:
    async with http.stream("GET", REST) as answer:
        await anext(answer.aiter_raw())
        await until_open(plane, 1)
    await until_open(plane, 0)


async def test_a_browser_goes_on_where_it_was(http: httpx2.AsyncClient, plane: Plane) -> None:
    await plane.store.usage.add([event(number) for number in range(5)])
    headers = {"last-event-id": event(2).id}
    async with http.stream("GET", REST, params={"after_id": event(0).id}, headers=headers) as answer:
        told = events(answer.aiter_lines())
        assert await anext(told) == {"id": event(2).id}
        assert [it["request_id"] for it in json.loads((await anext(told))["data"])["events"]] == ["r3", "r4"]


async def test_a_stream_that_fails_before_it_begins_is_answered_like_other_calls(
    http: httpx2.AsyncClient, plane: Plane
) -> None:
    refusal(await http.get(REST, params={"after_id": "req_x"}), 404, "not_found")
    refusal(await http.get(REST, params={"colour": "x"}), 400, "invalid_argument", "colour")
    head = await http.head(REST)
    assert (head.status_code, head.headers["allow"]) == (405, "GET")
    plane.streams.end()
    refusal(await http.get(REST), 503, "draining")


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize("is_packed", [False, True])
async def test_connect(http: httpx2.AsyncClient, plane: Plane, is_json: bool, is_packed: bool) -> None:
    def read(content: bytes) -> pb.WatchUsageEventsResponse:
        if is_json:
            return json_format.Parse(content, pb.WatchUsageEventsResponse())
        return pb.WatchUsageEventsResponse.FromString(content)

    request = pb.WatchUsageEventsRequest(upstream="openai")
    content = b'{"upstream":"openai"}' if is_json else request.SerializeToString()
    headers = JSON if is_json else JSON | {"content-type": "application/connect+proto"}
    if is_packed:
        headers = headers | {"connect-content-encoding": "gzip"}
        content = gzip.compress(content)
    body = enveloped(content, int(is_packed))
    async with http.stream("POST", CONNECT, content=body, headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, headers["content-type"])
        messages = envelopes(answer)
        flags, first = await anext(messages)
        assert (flags, read(first)) == (0, pb.WatchUsageEventsResponse(last_id="0"))
        await plane.store.usage.add([event(1), event(2, upstream="other")])
        while not (news := read((await anext(messages))[1])).events:
            assert not news.dropped
        assert [it.request_id for it in news.events] == ["r1"]
        plane.streams.end()
        while not (await anext(messages))[0]:
            pass
    await until_open(plane, 0)


@pytest.mark.parametrize(
    ("body", "headers", "code", "field"),
    [
        (enveloped(b'{"afterId":"req_x"}'), JSON, "not_found", None),
        (enveloped(b'{"colour":"x"}'), JSON, "invalid_argument", "colour"),
        (enveloped(b"{"), JSON, "invalid_argument", None),
        (b"", JSON, "invalid_argument", None),
        (b"{}", JSON, "invalid_argument", None),
        (enveloped(b"{}")[:-1], JSON, "invalid_argument", None),
        (enveloped(b"{}") * 2, JSON, "invalid_argument", None),
        (enveloped(b"{}", 2), JSON, "invalid_argument", None),
        (enveloped(gzip.compress(b"{}"), 1), JSON, "invalid_argument", None),
        (enveloped(b"{}"), JSON | {"connect-content-encoding": "br"}, "unimplemented", None),
        (enveloped(b"{}"), JSON | {"connect-timeout-ms": "0"}, "deadline_exceeded", None),
        (
            enveloped(gzip.compress(b" " * 50_000_000), 1),
            JSON | {"connect-content-encoding": "gzip"},
            "resource_exhausted",
            None,
        ),
    ],
    ids=lambda it: None if isinstance(it, bytes) else str(it)[:40],
)
async def test_connect_tells_an_error_at_the_end_of_the_stream(
    http: httpx2.AsyncClient, body: bytes, headers: dict[str, str], code: str, field: str | None
) -> None:
    async with http.stream("POST", CONNECT, content=body, headers=headers) as answer:
        assert answer.status_code == 200
        ((flags, end),) = [it async for it in envelopes(answer)]
    ended = json.loads(end)
    assert (flags, ended["error"]["code"]) == (2, code)
    assert ended["metadata"]["x-request-id"] == [answer.headers["x-request-id"]]
    if field is not None:
        assert f"{field}: is not known here" in ended["error"]["message"]


async def test_connect_tells_the_media_of_streams_by_status(http: httpx2.AsyncClient) -> None:
    answer = await http.post(CONNECT, content=b"{}", headers={"content-type": "application/json"})
    assert answer.status_code == 415
    assert answer.headers["accept-post"] == "application/connect+json, application/connect+proto"


@pytest.mark.parametrize("is_http2", [False, True])
async def test_a_stream_lives_on_heartbeats(http: httpx2.AsyncClient, console: str, is_http2: bool) -> None:
    async with (
        httpx2.AsyncClient(
            base_url=f"http://{console}", headers=http.headers, http1=not is_http2, http2=is_http2,
            trust_env=False,
        ) as client,
        client.stream("GET", REST) as answer,
    ):  # fmt: skip
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(6)] == ["id: 0", ""] * 3


async def test_who_reads_nothing_holds_little_and_is_told_what_was_left_out(
    console: str, plane: Plane
) -> None:
    host, port = console.rsplit(":", 1)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (host, int(port)))
        head = f"GET {REST} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {MANAGEMENT_TOKEN}\r\n\r\n"
        await loop.sock_sendall(slow, head.encode())
        await until_open(plane, 1)
        total, usage = 0, plane.usage_feed
        assert usage is not None
        async with asyncio.timeout(SECONDS):
            while not usage.dropped or total < 2000:
                batch = [event(number) for number in range(total, total + 200)]
                await plane.store.usage.add(batch)
                total += len(batch)
                usage.look()
                await asyncio.sleep(0.01)
        assert len(usage._kept) <= KEPT
        reading = asyncio.create_task(_read_all(slow, total))
        async with asyncio.timeout(SECONDS):
            told, dropped = await reading
        assert told + dropped == total
        assert dropped


async def _read_all(slow: socket.socket, total: int) -> tuple[int, int]:
    """Return how many events were told, and how many left out, once these are all."""
    loop = asyncio.get_running_loop()
    held = b""
    told = dropped = 0
    while told + dropped < total:
        piece = await loop.sock_recv(slow, 65536)
        assert piece
        held += piece
        *lines, held = held.split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                with contextlib.suppress(json.JSONDecodeError):
                    data = json.loads(line.removeprefix(b"data: "))
                    told += len(data["events"])
                    dropped += data["dropped"]
    return told, dropped


async def test_the_status_over_grpc(grpc_door: GrpcListener, plane: Plane) -> None:
    plane.observed.names = ["openai"]
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        stub = status_service_pb2_grpc.StatusServiceStub(channel)
        call = stub.WatchStatus(status_service_pb2.WatchStatusRequest(), metadata=ADMIN)
        first = await call.read()
        assert isinstance(first, status_service_pb2.WatchStatusResponse)
        assert (first.is_start, first.status.process) == (True, "host-1")
        assert [it.name for it in first.upstreams] == ["openai"]
        plane.observed.names = ["openai", "other"]
        news = await call.read()
        while isinstance(news, status_service_pb2.WatchStatusResponse) and not news.ListFields():
            news = await call.read()
        assert isinstance(news, status_service_pb2.WatchStatusResponse)
        assert ([it.name for it in news.upstreams], news.is_start) == (["other"], False)
        plane.streams.end()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _read_until_it_fails(call.read)
        assert reason_of(caught.value) == "draining"
    await until_open(plane, 0)


async def _read_until_it_fails(read: Callable[[], Awaitable[object]]) -> None:
    """Read the messages of a stream; it raises at its end."""
    while await read():
        pass


async def test_the_status_over_rest(http: httpx2.AsyncClient, plane: Plane) -> None:
    plane.observed.names = ["openai"]
    async with http.stream("GET", "/manage/status/watch", headers={"last-event-id": "7"}) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        told = events(answer.aiter_lines())
        first = json.loads((await anext(told))["data"])
        assert (first["is_start"], first["status"]["process"]) == (True, "host-1")
        assert [it["name"] for it in first["upstreams"]] == ["openai"]
        heartbeat = json.loads((await anext(told))["data"])
        assert not any(heartbeat.values())
        plane.observed.names = []
        while not (news := json.loads((await anext(told))["data"]))["removed_upstreams"]:
            pass
        assert (news["removed_upstreams"], news["status"]) == (["openai"], None)
        plane.streams.end()
        while (last := await anext(told)).get("event") is None:
            pass
        assert json.loads(last["data"])["message"] == "the server is ending; call again"
    await until_open(plane, 0)
    refusal(await http.get("/manage/status/watch"), 503, "draining")


@pytest.mark.parametrize("is_json", [False, True])
async def test_the_status_over_connect(http: httpx2.AsyncClient, plane: Plane, is_json: bool) -> None:
    plane.observed.names = ["openai"]
    kind = "application/connect+json" if is_json else "application/connect+proto"
    path = "/tollkeeper.v1.StatusService/WatchStatus"
    headers = JSON | {"content-type": kind}
    async with http.stream(
        "POST", path, content=enveloped(b"{}" if is_json else b""), headers=headers
    ) as answer:
        messages = envelopes(answer)
        flags, content = await anext(messages)
        first = status_service_pb2.WatchStatusResponse()
        if is_json:
            json_format.Parse(content, first)
        else:
            first.ParseFromString(content)
        assert (flags, first.is_start, [it.name for it in first.upstreams]) == (0, True, ["openai"])
        plane.streams.end()
        while not (end := await anext(messages))[0]:
            pass
        assert json.loads(end[1])["error"]["code"] == "unavailable"
    await until_open(plane, 0)


async def test_nobody_watches_the_status_without_the_management_token(
    http: httpx2.AsyncClient, plane: Plane
) -> None:
    refusal(
        await http.get("/manage/status/watch", headers={"authorization": "Bearer no"}), 401, "invalid_api_key"
    )
    assert not plane.observed.looks
