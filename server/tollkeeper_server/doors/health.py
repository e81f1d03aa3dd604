"""gRPC's health service. It reports SERVING as long as `/ready` answers 200 over HTTP."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import grpc
from grpc_health.v1 import health, health_pb2

from tollkeeper_server.doors.ops import is_ready

_log = logging.getLogger("tollkeeper.doors")
_INTERVAL = 1.0
_Context = grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health(health.aio.HealthServicer):
    """Reports one status for the whole server and for each of its services."""

    def __init__(
        self,
        services: Sequence[str],
        ready: Callable[[], Awaitable[Mapping[str, str | None]]] | None,
    ) -> None:
        """Take `ready`, which returns problems by part; without it the status is SERVING until `close`."""
        super().__init__()
        self._services = ("", *services)
        self._ready = ready
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to report every change to clients that watch, within a second."""
        self._watch = asyncio.create_task(self._keep_watch())

    async def close(self) -> None:
        """Report NOT_SERVING for every service from now on."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        await self.enter_graceful_shutdown()

    async def Check(  # noqa: N802 - gRPC's name
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        """Answer with the present status."""
        await self._refresh()
        return await super().Check(request, context)

    async def _keep_watch(self) -> None:
        while True:
            try:
                await self._refresh()
            except Exception:  # noqa: BLE001 - the next check may succeed; until then the last status stands
                _log.exception("the server's health could not be checked")
            await asyncio.sleep(_INTERVAL)

    async def _refresh(self) -> None:
        problems = await self._ready() if self._ready is not None else {}
        status = _SERVING if is_ready(problems) else _NOT_SERVING
        for service in self._services:
            await self.set(service, status)
