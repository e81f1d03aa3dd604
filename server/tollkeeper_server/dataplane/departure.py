"""Noticing at once that the caller has left, while an upstream is being waited for."""

import asyncio
from types import TracebackType

from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange


class Departure:
    """Cancels the body of its `with` when the caller leaves, and turns that into `ClientGoneError`.

    The request's body must have been read: what arrives after it can only be a disconnect.
    """

    __slots__ = ("_exchange", "_gone", "_task", "_watcher")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._gone = False
        self._task: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> "Departure":
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._watcher is not None
        assert self._task is not None
        self._watcher.cancel()
        if self._gone and self._task.cancelling() and self._task.uncancel() == 0:
            raise ClientGoneError from error

    async def _watch(self) -> None:
        message = await self._exchange.receive()
        while message["type"] != "http.disconnect":
            message = await self._exchange.receive()
        if self._exchange.finished:  # servers say "disconnect" after a whole answer, too
            return
        self._gone = True
        assert self._task is not None
        self._task.cancel()
