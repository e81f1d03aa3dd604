"""Processes that take over from each other: nobody who calls notices, and every request is accounted for."""

import asyncio
import itertools
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.faults.test_gateway_ends import begun, refuses, unstored
from tests.faults.traffic import DONE, Answer, callers, send
from tests.integration.process import CommandProcess, Gateway, Simulator, until

RESTARTS = 20
KEPT = 6
NEW = 3
STREAMING = 6
ON_CONSOLE = 2
LONG_STREAM = "events=40,interval=100"


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway that the test may replace."""
    with Gateway(tmp_path, "--takeover", drain_seconds="60") as running:
        running.serve_models(simulator)
        yield running


@dataclass
class Load:
    """What callers have asked until they were told that it is enough, and what became of it, by request id."""

    gateway: Gateway
    secret: str
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Answer] = field(default_factory=dict)

    async def ask(self, caller: str, *, listener: str = "", stream: bool = False, keep: bool = True) -> None:
        """Asks one thing after the other; unless `keep`, each on a new connection."""
        simulate = LONG_STREAM if stream else "latency=30"
        async with AsyncExitStack() as sessions:
            session = await sessions.enter_async_context(callers())
            for number in itertools.count():
                if self.enough.is_set():
                    return
                if not keep:
                    await sessions.aclose()
                    session = await sessions.enter_async_context(callers())
                name = f"{caller}-{number}"
                self.answers[name] = await send(
                    session,
                    self.gateway,
                    self.secret,
                    simulate,
                    stream=stream,
                    request_id=name,
                    listener=listener,
                )

    def ask_all(self, tasks: asyncio.TaskGroup) -> None:
        """Has callers of every kind ask."""
        for number in range(KEPT):
            tasks.create_task(self.ask(f"kept-{number}"))
        for number in range(NEW):
            tasks.create_task(self.ask(f"new-{number}", keep=False))
        for number in range(STREAMING):
            tasks.create_task(self.ask(f"stream-{number}", stream=True))
        for number in range(ON_CONSOLE):
            tasks.create_task(self.ask(f"console-{number}", listener=self.gateway.console))


def outcomes(load: Load) -> Counter[tuple[int, bool]]:
    """Counts the answers by status, and by whether they came whole."""
    return Counter((answer.status, answer.whole) for answer in load.answers.values())


async def replace_under_load(load: Load) -> list[CommandProcess]:
    """Has processes take over from each other while callers ask; returns those that were replaced."""
    replaced: list[CommandProcess] = []
    async with asyncio.TaskGroup() as tasks:
        load.ask_all(tasks)
        try:
            for _ in range(RESTARTS):
                replaced.append(load.gateway.command)
                await asyncio.to_thread(load.gateway.start)
        finally:
            load.enough.set()
    return replaced


@pytest.mark.timeout(300)
def test_twenty_processes_replace_each_other_and_no_request_is_lost(own_gateway: Gateway) -> None:
    minted = own_gateway.mint()
    load = Load(own_gateway, minted.token)
    replaced = asyncio.run(replace_under_load(load))
    assert len(replaced) == RESTARTS
    for command in replaced:
        assert command.wait() == 0
        assert "Traceback" not in command.said()
    assert outcomes(load) == {(200, True): len(load.answers)}
    streamed = [answer for name, answer in load.answers.items() if name.startswith("stream")]
    assert len(streamed) >= 2 * STREAMING
    assert all(answer.body.endswith(DONE) for answer in streamed)

    until(lambda: len(own_gateway.usage()) >= len(load.answers), seconds=30)
    events = own_gateway.usage()
    assert Counter(event.request_id for event in events) == Counter(list(load.answers))
    assert {(event.status, event.error_code) for event in events} == {(200, "")}
    with own_gateway.management() as client:
        assert client.tokens.get(minted.id).request_count == len(load.answers)
    assert own_gateway.command.stop() == 0
    assert unstored(own_gateway) == []
