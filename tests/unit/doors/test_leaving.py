"""A summary ends in the store when its caller leaves, at every door."""

import asyncio
import contextlib
from pathlib import Path

import grpc
import httpx2
from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, HTTPScope
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper.v1 import usage_service_pb2_grpc
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.grpc import GrpcListener

from tests.unit.doors.doors import Readiness, exposition
from tests.unit.doors.test_grpc import ADMIN
from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane
from tests.unit.store.sqlite.endless import until_busy, without_end

PATIENCE_SECONDS = 20.0
_SUMMARY: HTTPScope = {
    "type": "http",
    "asgi": {"spec_version": "2.1", "version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/manage/usage/summary",
    "raw_path": b"/manage/usage/summary",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"gateway"), (b"authorization", f"Bearer {MANAGEMENT_TOKEN}".encode())],
    "client": None,
    "server": None,
    "state": {},  # type: ignore[typeddict-item]
    "extensions": {},
}


async def test_a_grpc_call_is_cancelled(grpc_door: GrpcListener, plane: Plane, tmp_path: Path) -> None:
    without_end(tmp_path / "store.db")
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        stub = usage_service_pb2_grpc.UsageServiceStub(channel)
        call = stub.SummarizeUsage(pb.SummarizeUsageRequest(), metadata=ADMIN)
        await until_busy(plane.store, 1)
        call.cancel()
        await until_busy(plane.store, 0)


async def test_a_deadline_passes(grpc_door: GrpcListener, plane: Plane, tmp_path: Path) -> None:
    without_end(tmp_path / "store.db")
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        stub = usage_service_pb2_grpc.UsageServiceStub(channel)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await stub.SummarizeUsage(pb.SummarizeUsageRequest(), metadata=ADMIN, timeout=0.2)
        await until_busy(plane.store, 0)


async def test_a_caller_of_rest_leaves(http: httpx2.AsyncClient, plane: Plane, tmp_path: Path) -> None:
    without_end(tmp_path / "store.db")
    await _leave(http, plane, "GET", "/manage/usage/summary")


async def test_a_caller_of_connect_leaves(http: httpx2.AsyncClient, plane: Plane, tmp_path: Path) -> None:
    without_end(tmp_path / "store.db")
    await _leave(http, plane, "POST", "/tollkeeper.v1.UsageService/SummarizeUsage")


async def test_a_caller_leaves_with_the_last_byte_of_the_request(
    plane: Plane, readiness: Readiness, tmp_path: Path
) -> None:
    """Such as one who gave up while the process was starting."""
    without_end(tmp_path / "store.db")
    application = make_console(plane.chain(), plane.sessions, readiness, exposition(), "1.2.3")
    messages: list[ASGIReceiveEvent] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
    told: list[ASGISendEvent] = []

    async def receive() -> ASGIReceiveEvent:
        return messages.pop(0)

    async def send(event: ASGISendEvent) -> None:
        told.append(event)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await application(_SUMMARY, receive, send)
    assert told == []
    await until_busy(plane.store, 0)


async def _leave(http: httpx2.AsyncClient, plane: Plane, method: str, path: str) -> None:
    json: dict[str, str] | None = {} if method == "POST" else None
    asking = asyncio.ensure_future(http.request(method, path, json=json, timeout=60))
    await until_busy(plane.store, 1)
    asking.cancel()
    await asyncio.wait([asking])
    await until_busy(plane.store, 0)
