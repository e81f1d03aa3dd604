"""Listeners that come, change and go while callers ask: no request that was accepted is lost."""

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Client, InvalidArgument

from tests.faults.load import Load
from tests.faults.test_gateway_ends import begun, refuses
from tests.faults.traffic import DONE, ask, callers, headers_of, question
from tests.integration.process import Gateway, Simulator, until
from tests.servers.ports import free_port

SLOW_STREAM = "events=20,interval=75"


@pytest.fixture
def own_gateway(tmp_path: Path, simulator: Simulator) -> Iterator[Gateway]:
    """A gateway whose listeners the test may change."""
    with Gateway(tmp_path, drain_seconds="60") as running:
        running.serve_models(simulator)
        yield running


class KeptCaller:
    """A caller who keeps one connection."""

    def __init__(self, address: str, secret: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._secret = secret

    def asked(self) -> tuple[int, str | None]:
        """Ask; returns the status, and what is said of the connection."""
        headers = headers_of(self._secret) | {"content-type": "application/json"}
        self._connection.request("POST", "/v1/chat/completions", json.dumps(question()), headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("connection")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


async def change_under_load(load: Load, client: Client) -> None:
    """Add, changes, moves and removes a listener while others are asked, and it is."""
    first, second = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as open_streams:
        session = await open_streams.enter_async_context(callers())
        for number in range(6):
            tasks.create_task(load.ask(f"main-{number}", keep=number % 2 == 0))
        tasks.create_task(load.ask("main-stream", stream=True))
        try:
            client.listeners.create(name="tenant", address=first)
            kept = KeptCaller(first, load.secret)
            assert await asyncio.to_thread(kept.asked) == (200, None)
            client.listeners.update("tenant", head_timeout=timedelta(seconds=3))
            assert await asyncio.to_thread(kept.asked) == (200, None)
            streams = [
                await open_streams.enter_async_context(
                    begun(session, f"http://{first}", load.secret, SLOW_STREAM, f"stream-{number}")
                )
                for number in range(5)
            ]
            client.listeners.update("tenant", address=second)
            moved = KeptCaller(second, load.secret)
            assert await asyncio.to_thread(moved.asked) == (200, None)
            await asyncio.to_thread(until, lambda: refuses(first))
            assert await asyncio.to_thread(kept.asked) == (200, "close")
            client.listeners.delete("tenant")
            await asyncio.to_thread(until, lambda: refuses(second))
            assert await asyncio.to_thread(moved.asked) == (200, "close")
            for response in streams:
                assert (await response.read()).endswith(DONE)
            for caller in (kept, moved):
                caller.close()
        finally:
            load.enough.set()


def test_a_listener_comes_moves_and_goes_and_no_request_is_lost(own_gateway: Gateway) -> None:
    load = Load(own_gateway, own_gateway.new_token())
    with own_gateway.management() as client:
        asyncio.run(change_under_load(load, client))
    assert load.outcomes() == {(200, True): len(load.answers)}
    assert own_gateway.command.stop() == 0
    assert "Traceback" not in own_gateway.command.said()


def test_a_port_in_use_is_refused_and_disturbs_nobody(own_gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, own_gateway.management() as client:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(InvalidArgument, match=r"address: .* Address already in use"):
            client.listeners.create(name="tenant", address=taken)
        assert [listener.name for listener in client.listeners.list()] == []
    assert ask(own_gateway, own_gateway.new_token()).status_code == 200


def test_a_port_in_use_at_start_up_is_told_and_opened_when_it_is_free(own_gateway: Gateway) -> None:
    secret = own_gateway.new_token()
    address = f"127.0.0.1:{free_port()}"
    with own_gateway.management() as client:
        client.listeners.create(name="tenant", address=address)
    assert own_gateway.command.stop() == 0
    host, _, port = address.partition(":")
    with socket.create_server((host, int(port))):
        own_gateway.start()
        readiness = httpx2.get(f"{own_gateway.console}/ready")
        assert readiness.status_code == 200
        assert "Address already in use" in readiness.json()["checks"]["listeners"]
        assert ask(own_gateway, secret).status_code == 200
    until(lambda: not refuses(f"http://{address}"))
    until(lambda: httpx2.get(f"{own_gateway.console}/ready").json()["checks"]["listeners"] == "ok")
    caller = KeptCaller(address, secret)
    assert caller.asked() == (200, None)
    caller.close()
