"""A gateway of several processes: one that dies is replaced, and the others notice nothing."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import httpx2
import pytest
from tollkeeper import (
    Breaker,
    Deployment,
    IpLimit,
    Limit,
    LimitMeasure,
    LimitPeriod,
    MintedToken,
    Provider,
)
from tollkeeper.values.status import BreakerState, UpstreamStatus

from tests.faults.crew import CONTROL, all_gone, crew, kill, replaced
from tests.faults.test_gateway_ends import begun, unstored
from tests.faults.traffic import DONE, ask, callers, code_in, headers_of, send
from tests.integration.process import (
    MANAGEMENT_TOKEN,
    CommandProcess,
    Gateway,
    Simulator,
    clean_environment,
    until,
)
from tests.servers.ports import free_port

COUNT = 4
CALLERS = 64
AMOUNT = 50
REQUESTS = Limit(measure=LimitMeasure.REQUESTS, amount=AMOUNT, period=LimitPeriod.TOTAL)
SLOW = "events=30,interval=100"
STREAMS = 12
OK = 200
REFUSED = 429
SLOTS = Limit(measure=LimitMeasure.CONCURRENT_REQUESTS, amount=4)
CONFIGURATION = """
upstreams:
  - name: sim
    provider: openai
    base_url: http://{address}/v1
    api_key: sk-simulated
    is_default: true
models:
  - name: {name}
    deployments: [{{upstream: sim}}]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway with workers, which goes on whatever a test does to it."""
    directory = tmp_path_factory.mktemp("workers")
    with Gateway(directory, "--workers", str(COUNT), poll_seconds="30") as running:
        running.serve_models(simulator)
        yield running
        assert running.command.stop() == 0
        assert unstored(running) == []


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway with workers that the test may end."""
    with Gateway(tmp_path, workers="2", drain_seconds="20") as running:
        running.serve_models(simulator)
        yield running


def standing(gateway: Gateway, minted: MintedToken) -> tuple[int, int]:
    """Return what is used and held of the only limit of a token."""
    answer = httpx2.get(f"{gateway.base_url}/tollkeeper/limits", headers=headers_of(minted.token))
    (told,) = answer.json()["data"]
    return told.get("used", 0), told.get("held", 0)


def requests_counted(gateway: Gateway) -> float:
    """Return how many requests of the data plane's own port `/metrics` tells of."""
    lines = httpx2.get(f"{gateway.console}/metrics").text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("tollkeeper_http_requests_total{") and 'listener="main"' in line
    )


async def crowd(gateway: Gateway, minted: MintedToken, count: int) -> list[int]:
    """Have so many callers ask at the same time, each on a connection of its own; returns the statuses."""
    async with callers() as session:
        answers = await asyncio.gather(*(send(session, gateway, minted.token) for _ in range(count)))
    for answer in answers:
        assert answer.status == OK or code_in(answer.body) == "insufficient_quota"
    return [answer.status for answer in answers]


def answers_ok(gateway: Gateway, secret: str) -> bool:
    """Return whether a request is served."""
    try:
        return ask(gateway, secret).status_code == OK
    except httpx2.HTTPError:
        return False


def test_a_budget_for_fifty_admits_fifty(gateway: Gateway) -> None:
    minted = gateway.mint(limits=[REQUESTS])
    assert asyncio.run(crowd(gateway, minted, COUNT * CALLERS)).count(OK) == AMOUNT
    assert until(lambda: standing(gateway, minted) == (AMOUNT, 0))


def test_metrics_are_one(gateway: Gateway) -> None:
    before, minted = requests_counted(gateway), gateway.mint()
    assert asyncio.run(crowd(gateway, minted, CALLERS)) == [OK] * CALLERS
    assert requests_counted(gateway) == before + CALLERS


def test_a_token_that_is_revoked_is_refused_at_once_by_all(gateway: Gateway) -> None:
    minted = gateway.mint()
    assert asyncio.run(crowd(gateway, minted, CALLERS)) == [OK] * CALLERS
    with gateway.management() as client:
        client.tokens.revoke(minted.id)

    async def refused() -> list[int]:
        async with callers() as session:
            answers = await asyncio.gather(*(send(session, gateway, minted.token) for _ in range(CALLERS)))
        return [answer.status for answer in answers]

    assert asyncio.run(refused()) == [401] * CALLERS


def test_listeners_open_move_and_close_in_all(gateway: Gateway) -> None:
    minted = gateway.mint()
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))

    async def served(address: str) -> list[int]:
        async with callers() as session:
            answers = await asyncio.gather(
                *(send(session, gateway, minted.token, listener=f"http://{address}") for _ in range(CALLERS))
            )
        return [answer.status for answer in answers]

    def is_closed(address: str) -> bool:
        host, _, port = address.partition(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) != 0

    with gateway.management() as client:
        listener = client.listeners.create(name="moving", address=first)
        assert asyncio.run(served(first)) == [OK] * CALLERS
        client.listeners.update(listener.name, address=second)
        until(partial(is_closed, first))
        assert asyncio.run(served(second)) == [OK] * CALLERS
        client.listeners.update(listener.name, address=first)
        until(partial(is_closed, second))
        until(lambda: not is_closed(first))
        assert asyncio.run(served(first)) == [OK] * CALLERS
        client.listeners.delete(listener.name)
    until(partial(is_closed, first))
    assert answers_ok(gateway, minted.token)


def test_a_worker_that_is_killed_is_replaced_and_others_streams_go_on(gateway: Gateway) -> None:
    minted = gateway.mint(limits=[REQUESTS])
    before = crew(gateway)
    counted = requests_counted(gateway)

    async def stream_on() -> tuple[int, int]:
        """Return how many streams came whole, and how many broke off."""
        whole = 0
        async with callers() as session, AsyncExitStack() as streams:
            begun_streams = [
                await streams.enter_async_context(
                    begun(session, gateway.data, minted.token, SLOW, f"worker-killed-{number}")
                )
                for number in range(STREAMS)
            ]
            kill(before["tk-worker-1"])
            for response in begun_streams:
                try:
                    whole += (await response.content.read()).endswith(DONE)
                except aiohttp.ClientError:
                    continue
        return whole, STREAMS - whole

    whole, _broken = asyncio.run(stream_on())
    assert whole > 0
    replaced(gateway, "tk-worker-1", before)
    others = {name: pid for name, pid in before.items() if name != "tk-worker-1"}
    assert others.items() <= crew(gateway).items()
    # What the dead one had under way is charged what it held, and no more can be used than the rest.
    assert asyncio.run(crowd(gateway, minted, 2 * AMOUNT)).count(OK) == AMOUNT - STREAMS
    assert requests_counted(gateway) >= counted + whole + AMOUNT - STREAMS


def test_slots_of_a_dead_worker_are_free(gateway: Gateway) -> None:
    minted = gateway.mint(limits=[SLOTS])
    before = crew(gateway)

    async def hold_and_kill() -> None:
        async with callers() as session, AsyncExitStack() as streams:
            for number in range(SLOTS.amount):
                await streams.enter_async_context(
                    begun(session, gateway.data, minted.token, "hang=2", f"slot-{number}")
                )
            assert (await send(session, gateway, minted.token)).status == REFUSED
            for name in before.keys() - {CONTROL}:
                kill(before[name])

    asyncio.run(hold_and_kill())
    assert until(lambda: answers_ok(gateway, minted.token), 30)
    assert until(lambda: standing(gateway, minted) == (0, 0), 30)
    for name in before.keys() - {CONTROL}:
        replaced(gateway, name, before)


def test_an_address_has_its_limit_in_all_workers_together(gateway: Gateway) -> None:
    minted, address = gateway.mint(), f"127.0.0.1:{free_port()}"

    async def ask_for(seconds: float) -> tuple[int, float]:
        """Return how many of those who ask one thing after the other were served, and the time."""
        loop = asyncio.get_running_loop()
        began, served = loop.time(), 0

        async def ask_on(session: aiohttp.ClientSession) -> None:
            nonlocal served
            while loop.time() < began + seconds:
                answer = await send(session, gateway, minted.token, listener=f"http://{address}")
                served += answer.status == OK
                if answer.status != OK:
                    await asyncio.sleep(0.01)

        async with callers() as session:
            await asyncio.gather(*(ask_on(session) for _ in range(2 * COUNT)))
        return served, loop.time() - began

    with gateway.management() as client:
        client.listeners.create(name="slow", address=address, ip_limit=IpLimit(per_second=20, burst=20))
        served, seconds = asyncio.run(ask_for(4.0))
        client.listeners.delete("slow")
    # At first each worker may admit a burst before it hears of the others; later that is made up for.
    assert 20 <= served <= 20 * COUNT + 20 * seconds


def test_what_one_worker_finds_of_an_upstream_all_know(gateway: Gateway) -> None:
    minted = gateway.mint()
    with gateway.management() as client:
        least = 5
        breaker = Breaker(min_calls=least, cooldown=timedelta(hours=1))
        client.upstreams.create(
            name="dead",
            provider=Provider.OPENAI,
            base_url=f"http://127.0.0.1:{free_port()}/v1",
            api_key="sk-dead",
            breaker=breaker,
        )
        client.models.create(name="dead", deployments=[Deployment("dead")])

        async def ask_on_one_connection() -> None:
            async with callers() as session:
                for _ in range(30):
                    await send(session, gateway, minted.token, model="dead")

        asyncio.run(ask_on_one_connection())

        def status() -> UpstreamStatus:
            return next(it for it in client.status.upstreams() if it.name == "dead")

        assert until(lambda: status().breaker is BreakerState.OPEN)
        until(lambda: status().recent_calls >= least)
        assert status().connect_failure is not None

        async def codes() -> set[object]:
            async with callers() as session:
                answers = await asyncio.gather(
                    *(send(session, gateway, minted.token, model="dead") for _ in range(CALLERS))
                )
            return {answer.status for answer in answers}

        assert asyncio.run(codes()) == {503}


def test_a_signal_applies_the_configuration_file_once(tmp_path: Path, simulator: Simulator) -> None:
    file = tmp_path / "tollkeeper.yaml"
    file.write_text(CONFIGURATION.format(address=simulator.address, name="before"))
    with Gateway(tmp_path / "gateway", workers="2", config=str(file)) as running:
        file.write_text(CONFIGURATION.format(address=simulator.address, name="after"))
        running.command.process.send_signal(signal.SIGHUP)
        secret = running.new_token()
        until(lambda: ask(running, secret, model="after").status_code == OK)
        assert running.command.said().count("ApplyConfiguration") == 2
        assert running.command.stop() == 0


def test_what_keeps_a_gateway_from_starting_is_said(tmp_path: Path) -> None:
    addresses = {f"TOLLKEEPER_{it}_ADDRESS": f"127.0.0.1:{free_port()}" for it in ("DATA", "CONSOLE", "GRPC")}
    environment = clean_environment(MANAGEMENT_TOKEN=MANAGEMENT_TOKEN, **addresses)
    command = CommandProcess(["serve", "--workers", "2", "--config", "missing.yaml"], environment, tmp_path)
    assert command.wait() == 1
    assert command.said().count("tollkeeper: ") == 1
    assert "missing.yaml" in command.said()


def test_workers_go_on_while_the_process_that_controls_is_replaced(gateway: Gateway) -> None:
    minted = gateway.mint()
    assert asyncio.run(crowd(gateway, minted, CALLERS)) == [OK] * CALLERS
    before, counted = crew(gateway), requests_counted(gateway)
    kill(before[CONTROL])
    for _ in range(10):
        assert ask(gateway, minted.token).status_code == OK
    replaced(gateway, CONTROL, before)
    assert asyncio.run(crowd(gateway, minted, CALLERS)) == [OK] * CALLERS
    assert requests_counted(gateway) >= counted + CALLERS
    assert {**crew(gateway), CONTROL: 0} == {**before, CONTROL: 0}
    test_a_token_that_is_revoked_is_refused_at_once_by_all(gateway)
    test_a_budget_for_fifty_admits_fifty(gateway)


def test_a_worker_that_is_told_to_end_is_replaced(gateway: Gateway) -> None:
    minted, before = gateway.mint(), crew(gateway)

    async def stream_on() -> bytes:
        async with callers() as session, begun(session, gateway.data, minted.token, SLOW, "told") as stream:
            for name, pid in before.items():
                if name != CONTROL:
                    os.kill(pid, signal.SIGTERM)
            return await stream.content.read()

    assert asyncio.run(stream_on()).endswith(DONE)
    for name in before.keys() - {CONTROL}:
        replaced(gateway, name, before)
    assert answers_ok(gateway, minted.token)


def test_a_gateway_that_ends_drains_what_is_under_way(own_gateway: Gateway) -> None:
    minted, processes = own_gateway.mint(), crew(own_gateway)

    async def stream_on() -> list[bytes]:
        async with callers() as session, AsyncExitStack() as streams:
            begun_streams = [
                await streams.enter_async_context(
                    begun(session, own_gateway.data, minted.token, SLOW, f"drained-{number}")
                )
                for number in range(STREAMS)
            ]
            own_gateway.command.process.send_signal(signal.SIGTERM)
            return [await response.content.read() for response in begun_streams]

    assert all(body.endswith(DONE) for body in asyncio.run(stream_on()))
    assert own_gateway.command.wait() == 0
    assert all_gone(processes)
    assert unstored(own_gateway) == []


def test_without_the_supervisor_all_end_and_leave_the_ports(own_gateway: Gateway) -> None:
    secret, processes = own_gateway.new_token(), crew(own_gateway)
    own_gateway.command.kill()
    until(lambda: all_gone(processes), 30)
    own_gateway.start()
    assert answers_ok(own_gateway, secret)


def test_another_gateway_takes_over(own_gateway: Gateway) -> None:
    """Callers notice nothing, and a budget counts what both admit."""
    minted, processes = own_gateway.mint(limits=[REQUESTS]), crew(own_gateway)
    old = own_gateway.command

    async def ask_on() -> tuple[list[int], bytes]:
        statuses: list[int] = []
        async with (
            callers() as session,
            begun(session, own_gateway.data, minted.token, "events=20,interval=500", "before") as stream,
        ):
            starting = asyncio.create_task(asyncio.to_thread(own_gateway.take_over))
            while not starting.done():
                if len(statuses) < AMOUNT // 2:  # however long it takes, some of the budget is left
                    statuses.append((await send(session, own_gateway, minted.token)).status)
                await asyncio.wait([starting], timeout=0.2)
            await starting
            used = len(statuses) + 1
            # The new one looks four times a second at what the one before has used and holds.
            assert await asyncio.to_thread(until, lambda: sum(standing(own_gateway, minted)) == used)
            rest = await crowd(own_gateway, minted, AMOUNT)
            assert rest.count(OK) == AMOUNT - used
            return statuses, await stream.content.read()

    statuses, body = asyncio.run(ask_on())
    assert body.endswith(DONE)
    assert set(statuses) == {OK}
    assert old.wait() == 0
    assert all_gone(processes)
    assert asyncio.run(crowd(own_gateway, minted, 1)) == [429]
