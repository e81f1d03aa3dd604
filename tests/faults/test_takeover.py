"""Processes that take over from each other: nobody who calls notices, and every request is accounted for."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from tollkeeper import Limit, LimitMeasure, LimitPeriod

from tests.faults.load import Load
from tests.faults.test_gateway_ends import begun, unstored
from tests.faults.traffic import DONE, ask, callers, send
from tests.integration.process import CommandProcess, Gateway, Simulator, clean_environment, until

RESTARTS = 8
KEPT = 6
NEW = 3
STREAMING = 6
BUDGET = 20
ON_CONSOLE = 2
# Takes the ports as a new process does, and goes no further.
STUCK = """
import sys, pathlib, time
from tollkeeper_server.process.takeover import take_over
taken = take_over(pathlib.Path(sys.argv[1]))
print("has the ports" if taken else "", flush=True)
time.sleep(600)
"""


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that the test may replace."""
    with Gateway(tmp_path, "--takeover", drain_seconds="60") as running:
        running.serve_models(simulator)
        yield running


async def ask_for_health(load: Load, *, keep: bool) -> int:
    """Ask over gRPC, one time after the other; unless `keep`, each time on a new connection.

    A call that begins while gRPC ends is cancelled. It is made again, and no connection fails.
    """
    asked = 0
    while not load.enough.is_set():
        async with grpc.aio.insecure_channel(
            load.gateway.grpc, [("grpc.use_local_subchannel_pool", 1)]
        ) as to:
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = to.unary_unary(
                "/grpc.health.v1.Health/Check"
            )
            while not load.enough.is_set():
                try:
                    await check(b"", timeout=60)
                    asked += 1
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.CANCELLED, error  # noqa: PT017 - others go on
                await asyncio.sleep(0.01)
                if not keep:
                    break
    return asked


async def replace_under_load(load: Load) -> list[CommandProcess]:
    """Have processes take over from each other while callers ask; returns those that were replaced."""
    replaced: list[CommandProcess] = []
    async with asyncio.TaskGroup() as tasks:
        for number in range(KEPT):
            tasks.create_task(load.ask(f"kept-{number}"))
        for number in range(NEW):
            tasks.create_task(load.ask(f"new-{number}", keep=False))
        for number in range(STREAMING):
            tasks.create_task(load.ask(f"stream-{number}", stream=True))
        for number in range(ON_CONSOLE):
            tasks.create_task(load.ask(f"console-{number}", listener=load.gateway.console))
        asking = [tasks.create_task(ask_for_health(load, keep=keep)) for keep in (True, False)]
        try:
            for _ in range(RESTARTS):
                replaced.append(load.gateway.command)
                await asyncio.to_thread(load.gateway.start)
        finally:
            load.enough.set()
    assert all(one.result() > RESTARTS for one in asking)
    return replaced


@pytest.mark.timeout(400)
def test_eight_processes_replace_each_other_and_no_request_is_lost(own_gateway: Gateway) -> None:
    minted = own_gateway.mint()
    load = Load(own_gateway, minted.token)
    replaced = asyncio.run(replace_under_load(load))
    assert len(replaced) == RESTARTS
    for command in replaced:
        assert command.wait() == 0
        assert "Traceback" not in command.said()
    assert load.outcomes() == {(200, True): len(load.answers)}
    assert len(load.of("stream")) >= 2 * STREAMING
    assert all(answer.body.endswith(DONE) for answer in load.of("stream"))

    until(lambda: len(own_gateway.usage()) >= len(load.answers), seconds=60)
    events = own_gateway.usage()
    assert Counter(event.request_id for event in events) == Counter(list(load.answers))
    assert {(event.status, event.error_code) for event in events} == {(200, "")}
    with own_gateway.management() as client:
        assert client.tokens.get(minted.id).request_count == len(load.answers)
    assert own_gateway.command.stop() == 0
    assert unstored(own_gateway) == []


def test_a_budget_counts_what_both_processes_use(own_gateway: Gateway) -> None:
    """Streams that the old process has under way hold some of it, until they have ended."""
    budget = Limit(LimitMeasure.REQUESTS, BUDGET, period=LimitPeriod.TOTAL)
    minted, old = own_gateway.mint(limits=[budget]), own_gateway.command

    async def take_over() -> tuple[list[int], list[bytes]]:
        async with callers() as session, AsyncExitStack() as streams:
            begun_streams = [
                await streams.enter_async_context(
                    begun(session, own_gateway.data, minted.token, "events=40,interval=500", f"old-{number}")
                )
                for number in range(STREAMING)
            ]
            for _ in range(NEW):
                assert (await send(session, own_gateway, minted.token)).status == 200
            await asyncio.to_thread(own_gateway.start)
            # Until it has left the ports, the old one answers, and does not know what the new one admits.
            await asyncio.to_thread(until, lambda: "another process has taken over" in old.said())
            async with callers() as others:
                answers = [await send(others, own_gateway, minted.token) for _ in range(BUDGET)]
            return [it.status for it in answers], [await it.content.read() for it in begun_streams]

    statuses, bodies = asyncio.run(take_over())
    assert statuses.count(200) == BUDGET - STREAMING - NEW
    assert all(body.endswith(DONE) for body in bodies)
    assert old.wait() == 0
    assert ask(own_gateway, minted.token).status_code == 429
    assert own_gateway.command.stop() == 0
    own_gateway.start()
    assert ask(own_gateway, minted.token).status_code == 429


def test_a_process_that_dies_before_it_is_ready_takes_nothing_over(own_gateway: Gateway) -> None:
    secret = own_gateway.new_token()
    first = own_gateway.command
    stuck = subprocess.Popen(
        [sys.executable, "-c", STUCK, own_gateway.directory / "data"],
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
    )
    assert stuck.stdout is not None
    with stuck.stdout as said:
        assert said.readline() == "has the ports\n"
        assert all(ask(own_gateway, secret).status_code == 200 for _ in range(10))
        stuck.kill()
        stuck.wait()
    assert all(ask(own_gateway, secret).status_code == 200 for _ in range(10))
    assert first.process.poll() is None

    own_gateway.start()
    assert first.wait() == 0
    assert "ended before it was ready" in first.said()
    assert ask(own_gateway, secret).status_code == 200


def test_a_process_that_is_killed_is_replaced_without_being_asked(own_gateway: Gateway) -> None:
    secret = own_gateway.new_token()
    own_gateway.command.kill()
    assert (own_gateway.directory / "data" / "takeover.sock").is_socket()
    own_gateway.start()
    assert ask(own_gateway, secret).status_code == 200
    assert own_gateway.command.stop() == 0
    assert not (own_gateway.directory / "data" / "takeover.sock").exists()


def test_sigusr2_has_a_process_replace_itself(own_gateway: Gateway) -> None:
    secret = own_gateway.new_token()
    first = own_gateway.command.process
    first.send_signal(signal.SIGUSR2)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
    (second,) = until(lambda: [int(pid) for pid in children.read_text().split()])
    try:
        assert first.wait(timeout=60) == 0
        assert ask(own_gateway, secret).status_code == 200
    finally:
        os.kill(second, signal.SIGKILL)  # it has the pipe that the first is read by
        own_gateway.command.wait()
