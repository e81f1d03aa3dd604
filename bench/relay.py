"""The bare relay, a program of uvicorn, a raw ASGI application and the transport, and nothing else.

It shows the speed that a gateway without features would have.
"""

import argparse
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop
from tollkeeper_server.dataplane.transport import Outgoing, Transport
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.snapshot.model import Header

from bench.transports import CHOSEN, load_transport

_Message = MutableMapping[str, Any]  # ASGI's type
_HOP_BY_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
_OF_THE_TRANSPORT = _HOP_BY_HOP | {b"host", b"content-length"}
_TIMEOUTS = Timeouts(connect=10, first_byte=600, idle=300, total=3600)
_BACKLOG = 4096


class Relay:
    """Forwards every request to one of two upstreams, and returns the answer."""

    def __init__(self, transport: Transport, plain: str, streams: str) -> None:
        """Take the URLs of the upstream of streams, which has its own paths, and of the other upstream."""
        self._transport = transport
        self._plain = plain
        self._streams = streams

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Serve one request by ASGI 3."""
        message = await receive()
        body: bytes = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        path: str = scope["path"]
        base = self._streams if path.startswith("/every-") else self._plain
        incoming = await self._transport.open(
            Outgoing(
                scope["method"],
                base + path,
                _without(scope["headers"], _OF_THE_TRANSPORT),
                body,
                _TIMEOUTS,
            )
        )
        try:
            headers = _without(incoming.headers, _HOP_BY_HOP)
            await send({"type": "http.response.start", "status": incoming.status, "headers": headers})
            async for chunk in incoming.chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            incoming.close()


def _without(headers: list[Header], names: set[bytes]) -> list[Header]:
    return [header for header in headers if header[0].lower() not in names]


async def _main(transport: str, plain: str, streams: str) -> None:
    relay = Relay(load_transport(transport)(), plain, streams)
    server = uvicorn.Server(
        uvicorn.Config(
            relay,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            backlog=_BACKLOG,
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as bound:
        print(f"ready: 127.0.0.1:{bound.getsockname()[1]}", flush=True)
        await server.serve(sockets=[bound])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A relay without features.")
    parser.add_argument("--transport", default=CHOSEN)
    parser.add_argument("--plain", required=True, help="URL of the upstream of all requests but streams")
    parser.add_argument("--streams", required=True, help="URL of the upstream of streams")
    options = parser.parse_args()
    uvloop.run(_main(options.transport, options.plain, options.streams))
