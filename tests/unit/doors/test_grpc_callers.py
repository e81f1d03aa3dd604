"""Who calls over gRPC: within the limits of addresses, and at a pace until a token is shown."""

import asyncio
import tempfile
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper.v1 import project_service_pb2_grpc
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.grpc_ends import Frames
from tollkeeper_server.doors.http2.frames import PREFACE
from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit

from tests.faults.raw_h2 import HEADERS, RawH2, call_headers, frame
from tests.unit.doors.test_grpc import ADMIN
from tests.unit.management.plane import Plane

CHECK = "/grpc.health.v1.Health/Check"


def door(plane: Plane, tmp_path: Path, limit: ConnectionLimit | None = None) -> GrpcListener:
    """Return a gRPC door, which is not open yet."""
    callers = GrpcCallers(bind("127.0.0.1:0", "gRPC listener", "TEST"), limit=limit)
    return GrpcListener(plane.chain(), callers, data_dir=tmp_path)


def left_in(directory: Path) -> list[Path]:
    """Return what gRPC's sockets have left."""
    return list(directory.glob("tollkeeper-*"))


@given(
    frames=st.lists(st.tuples(st.integers(0, 10), st.binary(max_size=300))),
    cuts=st.lists(st.integers(1, 50), min_size=1),
)
def test_frames_are_counted_in_whatever_pieces_they_come(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    sent = PREFACE + b"".join(frame(kind, 0, 1, payload) for kind, payload in frames)
    counter, at, found = Frames(), 0, [0, 0]
    while at < len(sent):
        size = cuts[at % len(cuts)]
        counted = counter.count(sent[at : at + size])
        found = [one + more for one, more in zip(found, counted, strict=True)]
        at += size
    assert found == [len(frames), sum(kind == HEADERS for kind, _ in frames)]


async def test_who_has_shown_a_token_calls_as_often_as_they_like(grpc_door: GrpcListener) -> None:
    pace = grpc_door.callers.pace
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        stub = project_service_pb2_grpc.ProjectServiceStub(channel)
        await stub.ListProjects(pb.ListProjectsRequest(), metadata=ADMIN)
        for _ in range(5):
            await asyncio.gather(
                *(stub.ListProjects(pb.ListProjectsRequest(), metadata=ADMIN) for _ in range(100))
            )
        assert pace.wait("127.0.0.1") == 0


async def test_who_has_shown_none_has_to_wait_after_many_calls(grpc_door: GrpcListener) -> None:
    pace = grpc_door.callers.pace
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
        asking = [asyncio.ensure_future(check(b"")) for _ in range(500)]
        async with asyncio.timeout(60):
            while not pace.wait("127.0.0.1"):  # noqa: ASYNC110 - the pace tells nobody
                await asyncio.sleep(0)
        await asyncio.gather(*asking)  # they wait, and are answered


async def test_who_leaves_while_made_to_wait_is_not_kept(grpc_door: GrpcListener) -> None:
    callers = grpc_door.callers
    leaving = [await RawH2.connect(grpc_door.address) for _ in range(10)]
    for caller in leaving:
        for _ in range(1000):
            caller.open(call_headers(CHECK), ends=True)
        await caller.drain()
    async with asyncio.timeout(60):
        while not callers.pace.wait("127.0.0.1"):  # noqa: ASYNC110 - the pace tells nobody
            await asyncio.sleep(0)
        for caller in leaving:
            await caller.close()
        while callers.limit.count:  # noqa: ASYNC110 - who leaves is told to nobody
            await asyncio.sleep(0.01)


async def test_an_address_has_no_more_connections_than_it_may(
    plane: Plane, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = door(plane, tmp_path, ConnectionLimit("gRPC", in_all=10, per_address=2))
    await listener.start()
    host, _, port = listener.address.rpartition(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    for _ in range(3):
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await reader.read() == b""
        writer.close()
    assert listener.callers.refused() == {"address": 3, "all": 0, "handshake": 0}
    assert sum("connections to gRPC are refused" in line for line in caplog.messages) == 1
    connections.pop()[1].close()
    async with asyncio.timeout(60):
        while listener.callers.limit.count > 1:  # noqa: ASYNC110 - who leaves is told to nobody
            await asyncio.sleep(0.001)
    async with grpc.aio.insecure_channel(listener.address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
        await check(b"")
    await listener.close()
    connections.pop()[1].close()


async def test_it_serves_where_there_is_no_directory_for_temporary_files(
    plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "missing"))
    listener = door(plane, tmp_path)
    await listener.start()
    async with grpc.aio.insecure_channel(listener.address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(CHECK)
        await check(b"")
    await listener.close()
    assert left_in(tmp_path) == []
