"""Streams pass the same chain as other calls, are bounded in number, and end with the process."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from typing import NoReturn

import pytest
from google.protobuf.message import Message
from tollkeeper.v1 import usage_service_pb2 as pb
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain import interceptors
from tollkeeper_server.management.chain.chain import Answer, Chain, Invocation, Next, in_hand
from tollkeeper_server.management.chain.interceptors import Handle, Log, authorise, deadline, map_errors
from tollkeeper_server.management.chain.registry import methods, new_request
from tollkeeper_server.management.chain.streams import Streams

from tests.unit.management.plane import Plane, make_call

STREAMING = [method for method in methods() if method.server_streaming]
REQUEST = pb.WatchUsageEventsRequest()
SECONDS = 20.0


async def keep(_: Message) -> None:
    """Take a message."""


async def read(invocation: Invocation, proceed: Next) -> Answer:
    """Read the request, as `validate` does."""
    invocation.request = await invocation.read()
    return await proceed(invocation)


def chain_of(handler: object, *more: object) -> Chain:
    """Return a chain to one handler of the stream."""
    name = make_call(REQUEST).method.full_name
    return Chain((map_errors, Log(), deadline, read, *more), Handle({name: handler}, {}))  # type: ignore[arg-type, dict-item]


async def endless(_: Message) -> AsyncGenerator[Message]:
    """Yield one message, and then nothing."""
    yield pb.WatchUsageEventsResponse(last_id="1")
    await asyncio.Event().wait()


async def refused(chain: Chain, *, limit: float | None = None) -> TollkeeperError:
    """Make a stream that fails, and return why."""
    with pytest.raises(TollkeeperError) as caught:
        async with asyncio.timeout(SECONDS):
            await chain.stream(make_call(REQUEST, deadline=limit), in_hand(REQUEST), keep)
    return caught.value


@pytest.mark.parametrize("method", STREAMING, ids=lambda method: method.full_name)
async def test_a_stranger_is_refused_before_the_request_is_read(plane: Plane, method: object) -> None:
    async def read() -> NoReturn:
        raise AssertionError("the request was read")

    request = new_request(method)  # type: ignore[arg-type]  # parametrised
    with pytest.raises(TollkeeperError) as caught:
        await plane.chain().stream(make_call(request, metadata={}), read, keep)
    assert caught.value.reason == Reason.INVALID_API_KEY


@pytest.mark.parametrize("method", STREAMING, ids=lambda method: method.full_name)
async def test_nobody_may_call_without_the_role(method: object) -> None:
    request = new_request(method)  # type: ignore[arg-type]  # parametrised

    async def handler(invocation: Invocation) -> NoReturn:
        raise AssertionError("the handler was reached")

    with pytest.raises(TollkeeperError) as caught:
        await authorise(Invocation(make_call(request), in_hand(request), send=keep), handler)
    assert caught.value.reason == Reason.PERMISSION_DENIED


async def test_a_request_is_held_to_the_rules(plane: Plane) -> None:
    request = pb.WatchUsageEventsRequest(model="x" * 257)
    with pytest.raises(TollkeeperError) as caught:
        await plane.chain().stream(make_call(request), in_hand(request), keep)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "model")


async def test_a_stream_leaves_one_line_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    async def three(_: Message) -> AsyncGenerator[Message]:
        for number in range(3):
            yield pb.WatchUsageEventsResponse(last_id=f"canary-{number}")

    caplog.set_level(logging.INFO, "tollkeeper.management")
    await chain_of(three).stream(make_call(REQUEST, request_id="abc-1"), in_hand(REQUEST), keep)
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("tollkeeper.v1.UsageService.WatchUsageEvents abc-1 ok ")
    assert line.endswith(" ms, 3 messages")


async def test_a_fault_within_a_stream_is_told_as_an_id() -> None:
    async def fail(_: Message) -> AsyncGenerator[Message]:
        yield pb.WatchUsageEventsResponse()
        raise RuntimeError("canary-of-the-fault")

    error = await refused(chain_of(fail))
    assert error.reason == Reason.INTERNAL
    assert "canary" not in error.message


async def test_only_the_callers_deadline_ends_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptors, "_LONGEST_SECONDS", 0.01)

    async def slow(_: Message) -> AsyncGenerator[Message]:
        await asyncio.sleep(0.1)
        yield pb.WatchUsageEventsResponse()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await chain_of(slow).stream(make_call(REQUEST), in_hand(REQUEST), send)
    assert len(sent) == 1
    error = await refused(chain_of(endless), limit=time.monotonic() + 0.05)
    assert error.reason == Reason.DEADLINE_EXCEEDED


async def test_a_handler_ends_when_its_caller_leaves() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(_: Message) -> AsyncGenerator[Message]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield pb.WatchUsageEventsResponse()
        finally:
            ended.set()

    streams = Streams()
    chain = chain_of(handler, streams)
    running = asyncio.create_task(chain.stream(make_call(REQUEST), in_hand(REQUEST), keep))
    await begun.wait()
    assert streams.count == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (ended.is_set(), streams.count) == (True, 0)


async def test_a_caller_who_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptors, "_UNTAKEN_SECONDS", 0.01)

    async def stuck(_: Message) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TollkeeperError, match="no message was taken"):
        await chain_of(endless).stream(make_call(REQUEST), in_hand(REQUEST), stuck)


async def test_there_are_so_many_streams_and_they_end_with_the_process() -> None:
    streams = Streams(most=2)
    chain = chain_of(endless, streams)
    running = [asyncio.create_task(refused(chain)) for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert streams.count == 2
    assert (await refused(chain)).reason == Reason.RATE_LIMIT_EXCEEDED
    streams.end()
    assert [error.reason for error in await asyncio.gather(*running)] == [Reason.DRAINING] * 2
    assert (await refused(chain)).message == "the server is ending; call again"
    assert streams.count == 0
