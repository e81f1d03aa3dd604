"""Noticing at once that the caller has left, while the gateway waits for an upstream."""

import asyncio
from types import TracebackType
from typing import ClassVar

from tollkeeper_server.dataplane.exchange import ClientGoneError, Exchange

MOST_DRAINED = 1000
"""How many answers are read on at once whose callers have left. Nothing else bounds their number."""
_MOST_BYTES = 64 * 1024 * 1024
_LOOK_SECONDS = 1.0


class DisconnectWatch:
    """Cancels the body of its `with` when the caller leaves, and turns that into `ClientGoneError`.

    If the upstream is to be drained that is being called, the body goes on instead, and has some time to end;
    what it sends goes nowhere.

    It watches from the moment that the request's body has been read: only a disconnect can arrive after
    that. Code that reads the body within the `with` calls `watch` at its end.
    """

    drained: ClassVar[int] = 0
    """How many bodies go on at present although their callers have left."""

    __slots__ = ("_drain", "_exchange", "_gone", "_task", "_watcher")

    _drain: "_Drain | None"

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
        caller = self._exchange.caller
        if caller is not None:
            caller.when_gone(None)
        elif self._watcher is not None:
            self._watcher.cancel()
        if self._gone:
            assert self._task is not None
            if self._drain is not None:
                self._drain.end()
                DisconnectWatch.drained -= 1
                if not self._task.cancelling():
                    raise ClientGoneError from error
            if self._task.cancelling() and self._task.uncancel() == 0:
                raise ClientGoneError from error

    def watch(self) -> None:
        """Begin to watch: the request's body has been read."""
        caller = self._exchange.caller
        if caller is not None:
            caller.when_gone(self._leave)
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
        self._drain = None
        assert self._task is not None
        exchange = self._exchange
        target = exchange.snapshot.targets.get(exchange.upstream)
        # Other servers than the data listener don't say what becomes of an answer that nobody takes.
        if (
            exchange.caller is None
            or target is None
            or not target.drain_seconds
            or DisconnectWatch.drained >= MOST_DRAINED
        ):
            self._task.cancel()
            return
        DisconnectWatch.drained += 1
        exchange.is_drained = True
        self._drain = _Drain(exchange, self._task, target.drain_seconds)


class _Drain:
    """Cancels a task whose caller has left after some time, or once it has read very much."""

    __slots__ = ("_end", "_exchange", "_loop", "_most", "_task", "_timer")

    def __init__(self, exchange: Exchange, task: asyncio.Task[None], seconds: float) -> None:
        self._exchange = exchange
        self._task = task
        self._loop = task.get_loop()
        self._end = self._loop.time() + seconds
        self._most = exchange.response_bytes + _MOST_BYTES
        self._timer = self._loop.call_later(min(seconds, _LOOK_SECONDS), self._look)

    def end(self) -> None:
        """Record that the task is at its end."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._end - self._loop.time()
        if left <= 0 or self._exchange.response_bytes > self._most:
            self._task.cancel()
        else:
            self._timer = self._loop.call_later(min(left, _LOOK_SECONDS), self._look)
