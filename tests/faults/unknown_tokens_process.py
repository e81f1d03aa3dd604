"""A caller who asks with a new random token each time, over many connections, and reads what is answered.

python unknown_tokens_process.py CONNECTIONS SECONDS HOST:PORT

It says `asking` once it is at it. At the end it says how often each status was answered, and how long the
slowest answer took in seconds.
"""

import asyncio
import json
import secrets
import sys
import time
from collections import Counter

HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer sk-tk-%b\r\n"
    b"Content-Type: application/json\r\nContent-Length: 18\r\n\r\n"
)
BODY = b'{"model":"gpt-4o"}'


def say(text: str) -> None:
    """Say a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def ask(host: str, port: int, end: float, statuses: Counter[int], waits: list[float]) -> None:
    """Ask until the time is over."""
    reader, writer = await asyncio.open_connection(host, port)
    while (began := time.monotonic()) < end:
        writer.write(HEAD % secrets.token_urlsafe(32).encode() + BODY)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        statuses[int(head.split()[1])] += 1
        waits.append(time.monotonic() - began)
    writer.close()


async def main(connections: int, seconds: float, address: str) -> None:
    """Ask over all connections at once, and say what was answered."""
    host, _, port = address.rpartition(":")
    statuses: Counter[int] = Counter()
    waits: list[float] = []
    end = time.monotonic() + seconds
    asyncio.get_running_loop().call_later(seconds / 10, say, "asking")
    await asyncio.gather(*(ask(host, int(port), end, statuses, waits) for _ in range(connections)))
    say(json.dumps({"statuses": dict(statuses), "longest": max(waits)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
