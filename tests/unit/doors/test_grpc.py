"""The gRPC door, reached through a real channel."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from tollkeeper.services import SERVICES
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper.v1 import project_service_pb2_grpc, token_service_pb2
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.doors.tls import HTTP2, ServedCertificate
from tollkeeper_server.management.chain.registry import methods
from tollkeeper_server.process.certificate import load_certificate
from tollkeeper_server.settings import Settings, Tls

from tests.unit.doors.doors import Readiness
from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane

ADMIN = (("authorization", f"Bearer {MANAGEMENT_TOKEN}"),)
ID = "prj_" + "0" * 26

Check = grpc.aio.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse]
Watch = grpc.aio.UnaryStreamMultiCallable[HealthCheckRequest, HealthCheckResponse]
Stream = grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
Reflect = grpc.aio.StreamStreamMultiCallable[ServerReflectionRequest, ServerReflectionResponse]


@pytest.fixture
async def channel(grpc_door: GrpcListener) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the door."""
    async with grpc.aio.insecure_channel(grpc_door.address) as channel:
        yield channel


def raw(channel: grpc.aio.Channel, path: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    """Return a method that takes and returns bytes."""
    return channel.unary_unary(path)


def status_of(error: grpc.aio.AioRpcError) -> dict[str, object]:
    """Return the details of a failed call by type, and checks that they say what the call says."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status()
    written = trailers["grpc-status-details-bin"]
    assert isinstance(written, bytes)
    status.ParseFromString(written)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found: dict[str, object] = {}
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
    ):
        for detail in status.details:
            message = kind()
            if detail.Unpack(message):
                found[kind.DESCRIPTOR.name] = message
    request = found["RequestInfo"]
    assert isinstance(request, error_details_pb2.RequestInfo)
    assert request.request_id == trailers["x-request-id"]
    return found


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return why a call failed, in our own word."""
    info = status_of(error)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert info.domain == "tollkeeper"
    return info.reason


async def test_a_call_goes_through_and_keeps_its_request_id(channel: grpc.aio.Channel) -> None:
    stub = project_service_pb2_grpc.ProjectServiceStub(channel)
    call = stub.CreateProject(
        pb.CreateProjectRequest(name="x"), metadata=(*ADMIN, ("x-request-id", "mine-1"))
    )
    made = await call
    assert ("x-request-id", "mine-1") in list(await call.trailing_metadata())
    read = await stub.GetProject(pb.GetProjectRequest(id=made.project.id), metadata=ADMIN)
    assert read.project == made.project


@pytest.mark.parametrize("method", list(methods()), ids=lambda it: it.full_name)
async def test_every_method_is_there_and_refuses_strangers(
    channel: grpc.aio.Channel, method: MethodDescriptor
) -> None:
    call = raw(channel, f"/{method.containing_service.full_name}/{method.name}")
    for metadata in ((), (("authorization", "Bearer nope"),)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff not a message", metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason_of(caught.value) == "invalid_api_key"


async def test_broken_rules_are_told_by_field(channel: grpc.aio.Channel) -> None:
    call = raw(channel, "/tollkeeper.v1.TokenService/CreateToken")
    request = token_service_pb2.CreateTokenRequest(max_requests=-1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request.SerializeToString(), metadata=ADMIN)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = status_of(caught.value)["BadRequest"]
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert {it.field for it in bad.field_violations} == {"project_id", "max_requests"}


async def test_as_many_broken_rules_as_there_can_be_still_reach_the_caller(channel: grpc.aio.Channel) -> None:
    call = raw(channel, "/tollkeeper.v1.TokenService/CreateToken")
    models = [f"not {number} allowed" for number in range(256)]
    request = token_service_pb2.CreateTokenRequest(project_id=ID, allowed_models=models)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request.SerializeToString(), metadata=ADMIN)
    assert reason_of(caught.value) == "invalid_argument"


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff"])
async def test_garbage_is_an_invalid_argument(channel: grpc.aio.Channel, data: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "/tollkeeper.v1.ProjectService/CreateProject")(data, metadata=ADMIN)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == "invalid_argument"


@pytest.mark.parametrize("method", list(methods()), ids=lambda it: it.full_name)
async def test_a_message_is_as_large_as_its_method_may_need(
    channel: grpc.aio.Channel, method: MethodDescriptor
) -> None:
    most = (8 if method.name == "ApplyConfiguration" else 1) * 1024 * 1024
    path = f"/{method.containing_service.full_name}/{method.name}"
    for size, fits in ((most, True), (most + 1, False)):
        if method.server_streaming:
            stream: Stream = channel.unary_stream(path)
            messages = stream(unknown_field(size), metadata=ADMIN)
            with contextlib.nullcontext() if fits else pytest.raises(grpc.aio.AioRpcError, match="larger"):
                await messages.read()
            messages.cancel()
            continue
        answer = raw(channel, path)(unknown_field(size), metadata=ADMIN)
        assert (await answer.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED) == fits


def unknown_field(size: int) -> bytes:
    """Return a message of so many bytes, with one field that no request has."""
    length = size - 6
    varint = bytes((length & 127 | 128, length >> 7 & 127 | 128, length >> 14 & 127 | 128, length >> 21))
    return b"\xba\x3e" + varint + bytes(length)


@pytest.mark.parametrize("path", ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"])
async def test_who_stays_keeps_nobody_from_asking_for_the_health(
    channel: grpc.aio.Channel, path: str
) -> None:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
    quiet = [method() for _ in range(30)]
    await quiet[-1].wait_for_connection()
    answer = await raw(channel, "/grpc.health.v1.Health/Check")(b"")
    assert HealthCheckResponse.FromString(answer).status == HealthCheckResponse.SERVING
    # Of those who send nothing, the oldest have given way.
    assert await quiet[0].code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in quiet:
        call.cancel()


async def test_many_who_ask_for_the_health_at_once_are_all_told(channel: grpc.aio.Channel) -> None:
    check = raw(channel, "/grpc.health.v1.Health/Check")
    answers = await asyncio.gather(*(check(b"") for _ in range(300)))
    assert {HealthCheckResponse.FromString(it).status for it in answers} == {HealthCheckResponse.SERVING}


async def test_a_long_message_is_none_for_the_health(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "/grpc.health.v1.Health/Check")(unknown_field(100_000))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "request_too_large"


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "/tollkeeper.v1.ProjectService/Nothing")(b"", metadata=ADMIN)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_store_that_is_away_is_unavailable_and_worth_another_try(
    channel: grpc.aio.Channel, plane: Plane
) -> None:
    await plane.store.close()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "/tollkeeper.v1.ProjectService/ListProjects")(b"", metadata=ADMIN)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    retry = status_of(caught.value)["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == 1


async def next_of(watch: "grpc.aio.UnaryStreamCall[HealthCheckRequest, HealthCheckResponse]") -> int:
    """Return the next status that a watcher is told."""
    answer = await watch.read()
    assert isinstance(answer, HealthCheckResponse)
    return answer.status


async def test_health_follows_readiness_and_tells_those_who_watch(
    channel: grpc.aio.Channel, readiness: Readiness, grpc_door: GrpcListener
) -> None:
    check: Check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    watching: Watch = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    for service in ("", SERVICES[0].full_name):
        answer = await check(HealthCheckRequest(service=service))
        assert answer.status == HealthCheckResponse.SERVING
    watch = watching(HealthCheckRequest())
    assert await next_of(watch) == HealthCheckResponse.SERVING
    readiness.problems["draining"] = "the server is going down"
    assert await next_of(watch) == HealthCheckResponse.NOT_SERVING
    answer = await check(HealthCheckRequest())
    assert answer.status == HealthCheckResponse.NOT_SERVING
    readiness.problems["draining"] = None
    assert await next_of(watch) == HealthCheckResponse.SERVING
    stopping = asyncio.create_task(grpc_door.stop(5))
    assert await next_of(watch) == HealthCheckResponse.NOT_SERVING
    watch.cancel()
    await stopping


async def test_reflection_lists_the_services(channel: grpc.aio.Channel) -> None:
    reflect: Reflect = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    call = reflect(iter([ServerReflectionRequest(list_services="")]))
    answer = await call.read()
    assert isinstance(answer, ServerReflectionResponse)
    listed = {it.name for it in answer.list_services_response.service}
    assert {service.full_name for service in SERVICES} <= listed
    assert "grpc.health.v1.Health" in listed
    call.cancel()


async def test_with_a_certificate_it_speaks_tls(plane: Plane, tmp_path: Path) -> None:
    _, certificate = load_certificate(Settings(data_dir=tmp_path, tls=Tls.SELF_SIGNED))
    tls = ServedCertificate(certificate).context(HTTP2)
    callers = GrpcCallers(bind("127.0.0.1:0", "gRPC listener", "TEST"), tls=tls)
    listener = GrpcListener(plane.chain(), callers, data_dir=tmp_path)
    await listener.start()
    credentials = grpc.ssl_channel_credentials(root_certificates=certificate.chain)
    async with grpc.aio.secure_channel(listener.address, credentials) as channel:
        stub = project_service_pb2_grpc.ProjectServiceStub(channel)
        answer = await stub.ListProjects(pb.ListProjectsRequest(), metadata=ADMIN)
        assert list(answer.projects) == []
    await listener.close()
