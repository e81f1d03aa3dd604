"""The simulator on a socket."""

import asyncio
import json
import socket

import pytest
from tollkeeper_server.simulator import SimulatorConfig, serve

from tests.unit.simulator.conftest import Start
from tests.unit.simulator.running import Running, chat_head


async def test_stopping_closes_what_is_under_way(start: Start) -> None:
    running = await start()
    body = json.dumps(
        {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    ).encode()
    asked = [
        asyncio.create_task(running.raw(chat_head(directive, body), body))
        for directive in ("hang=2", "latency=60000", "interval=60000")
    ]
    asked.append(
        asyncio.create_task(running.raw("GET /_simulator/requests/next-cancel?timeout=60 HTTP/1.1\nhost: x"))
    )
    for _ in range(3):
        await running.raw("GET /_simulator/requests/next HTTP/1.1\nhost: x\nconnection: close")
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert not any(b"[DONE]" in answer for answer in answers if isinstance(answer, bytes))
    with pytest.raises(ConnectionRefusedError):
        await running.raw("GET / HTTP/1.1\nhost: x")


async def test_a_taken_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve("127.0.0.1", taken.getsockname()[1], SimulatorConfig())


async def test_a_connection_is_kept_for_the_next_request(simulator: Running) -> None:
    one = "GET /v1/models HTTP/1.1\nhost: x"
    answer = await simulator.raw(f"{one}\n\n{one}\nconnection: close")
    assert answer.count(b"HTTP/1.1 200") == 2
