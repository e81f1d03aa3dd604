"""The data listener: uvicorn with httptools, serving the data plane alone."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from tollkeeper_server.dataplane.plane import DataPlane
from tollkeeper_server.doors.protocol import DataProtocol

_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class DataListener:
    """Serves HTTP/1.1 on a bound socket."""

    def __init__(self, plane: DataPlane, bound: socket.socket, *, drain_seconds: float) -> None:
        self._server = _Server(
            uvicorn.Config(
                plane,
                http=DataProtocol,
                ws="none",
                lifespan="off",
                access_log=False,
                proxy_headers=False,  # nothing here trusts X-Forwarded-For, and looking costs time
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, round(drain_seconds)),
                backlog=_BACKLOG,
            )
        )
        self._bound = bound

    async def serve(self) -> None:
        """Serves until told to stop, and until the requests under way have ended or the drain has."""
        await self._server.serve(sockets=[self._bound])

    def stop(self) -> None:
        """Accepts nothing more."""
        self._server.should_exit = True
