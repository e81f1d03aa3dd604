"""Noticing at once that the caller has left, while the gateway waits for an upstream."""

import asyncio
from types import TracebackType

from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange


class DisconnectWatch:
    """Cancels the body of its `with` when the caller leaves, and turns that into `ClientGoneError`.

    It watches from the moment that the request's body has been read: only a disconnect can arrive after
    that. Code that reads the body within the `with` calls `watch` at its end.
    """

    __slots__ = ("_exchange", "_gone", "_task", "_watcher")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._gone = False
        caller = exchange.caller
        self._task = caller.task if caller is not None else asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> "DisconnectWatch":
        if self._exchange.body_read:
            self.watch()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        if self._watcher is not None:
            self._watcher.cancel()
        if self._exchange.caller is not None:
            self._exchange.caller.when_gone(None)
        if self._gone and self._task.cancelling() and self._task.uncancel() == 0:
            raise ClientGoneError from error

    def watch(self) -> None:
        """Begin to watch: the request's body has been read."""
        if self._exchange.caller is not None:
            self._exchange.caller.when_gone(self._leave)
            return
        self._watcher = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        message = await self._exchange.receive()
        while message["type"] != "http.disconnect":
            message = await self._exchange.receive()
        if self._exchange.finished:  # servers say "disconnect" after a whole answer, too
            return
        self._leave()

    def _leave(self) -> None:
        self._gone = True
        assert self._task is not None
        self._task.cancel()
