"""Many long answers at once cost little memory, and what they used is known all the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tollkeeper import Confidence, Deployment, Provider

from tests.faults.costs import memory_of
from tests.faults.traffic import MODEL, headers_of, question
from tests.integration.process import PATIENT, Gateway

MOST_BYTES = 100_000_000
MANY = 20
PIECE = b"x" * (1 << 20)
PIECES = 16
BEGIN = (
    b'{"id":"a","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"'
)
END = b'"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4000,"total_tokens":4003}}'
LENGTH = len(BEGIN) + len(PIECE) * PIECES + len(END)


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """Serve long answers, which end once all of them have come as far."""
    before_end = 0
    may_end = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal before_end
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        await reader.readexactly(length)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % LENGTH
        )
        writer.write(BEGIN)
        for _ in range(PIECES):
            writer.write(PIECE)
            await writer.drain()
        before_end += 1
        if before_end == MANY:
            may_end.set()
        await may_end.wait()
        writer.write(END)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def ask(gateway: Gateway, secret: str, number: int) -> int:
    """Ask, and return how many bytes came before the connection closed."""
    host, port = gateway.data.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(question()).encode()
    head = ["POST /v1/chat/completions HTTP/1.1", "Host: gateway", "Connection: close"]
    head += [f"{name}: {value}" for name, value in headers_of(secret, request_id=f"long-{number}").items()]
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    size = 0
    while piece := await reader.read(1 << 20):
        size += len(piece)
    writer.close()
    return size


async def test_long_answers_of_a_token_take_little_memory_and_are_counted(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        async with upstream() as url:
            with gateway.management() as client:
                provider = Provider.OPENAI
                client.upstreams.create(name="up", provider=provider, base_url=url, breaker=PATIENT)
                client.models.create(name=MODEL, deployments=[Deployment("up")])
            secret = gateway.new_token()
            most = before = memory_of(gateway)
            asking = [asyncio.create_task(ask(gateway, secret, number)) for number in range(MANY)]
            while not all(task.done() for task in asking):
                most = max(most, memory_of(gateway))
                await asyncio.wait(asking, timeout=0.02)
        assert all(task.result() > LENGTH for task in asking)
        assert most - before <= MOST_BYTES
        for number in range(MANY):
            event = gateway.event_of(f"long-{number}")
            assert (event.completion_tokens, event.confidence) == (4000, Confidence.EXACT)
