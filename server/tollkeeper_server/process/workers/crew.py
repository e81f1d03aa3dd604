"""The workers, as the process that controls knows them: changes go to all, and what they count comes back."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.status import UpstreamStatus
from tollkeeper_server.ledger.shared.frames import Frames
from tollkeeper_server.process.workers.messages import (
    Applied,
    Asked,
    Hint,
    Pushed,
    Report,
    ToWorker,
    decode_from_worker,
    encode,
)
from tollkeeper_server.process.workers.remembered import Counted, Remembered
from tollkeeper_server.telemetry.merged import merged
from tollkeeper_server.telemetry.metrics import Gauges, Metrics
from tollkeeper_server.telemetry.sums import add, sums_of

_log = logging.getLogger("tollkeeper.workers")
# A worker that does not answer so soon polls for what it missed, and is left out of what is told.
_PATIENCE_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker: `report` is its latest, None until it serves.

    `waiting` has what it is to answer, by number.
    """

    number: int
    frames: Frames
    report: Report | None = None
    upstreams: dict[str, UpstreamStatus] = field(default_factory=dict)
    waiting: dict[int, asyncio.Future[None]] = field(default_factory=dict)


class Crew:
    """All workers of a gateway."""

    def __init__(
        self, remembered: Remembered, died: Callable[[], None], heard: Callable[[Hint], None]
    ) -> None:
        """Take what those before this process have counted.

        `died` is called when a worker has ended, `heard` with the hints of each.
        """
        self._died = died
        self._heard = heard
        self._workers: set[_Worker] = set()
        self._numbers = count(1)
        self._remembered = remembered
        self._ended_sums = Metrics()
        self._ended_gauges: tuple[Gauges, ...] = ()
        if (counted := remembered.read()) is not None:
            add(self._ended_sums, counted.sums, is_alive=False)
            self._ended_gauges = counted.gauges
        self._changed = asyncio.Event()
        self._joining: set[asyncio.Task[None]] = set()

    def join(self, number: int, connected: socket.socket) -> None:
        """Take the connection to a worker, which may not serve yet."""
        task = asyncio.create_task(self._join(number, connected))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    def reports(self) -> list[Report]:
        """Return the latest report of each worker that serves."""
        return [it.report for it in self._workers if it.report is not None]

    def seen(self, upstream: str) -> list[UpstreamStatus]:
        """Return how each worker that has something to tell of an upstream sees it."""
        return [it.upstreams[upstream] for it in self._workers if upstream in it.upstreams]

    async def gone(self) -> None:
        """Return once there is no worker any more."""
        while self._workers or self._joining:
            self._changed.clear()
            await self._changed.wait()

    async def push(self, change: Change) -> None:
        """Tell every worker of a change, and return when it is in effect there."""
        number = next(self._numbers)
        if missing := await self._ask(number, Pushed(number, change)):
            _log.warning("a change is not in effect in %d workers yet; they find it by polling", missing)

    async def together(self, metrics: Metrics, own: Gauges) -> tuple[Metrics, Gauges]:
        """Return what this process and all workers have counted, those that have ended, too."""
        number = next(self._numbers)
        await self._ask(number, Asked(number))
        reports = self.reports()
        self.remember(metrics, own)
        whole = Metrics()
        for sums in (sums_of(metrics), sums_of(self._ended_sums), *(it.sums for it in reports)):
            add(whole, sums)
        return whole, merged(own, [it.gauges for it in reports], self._ended_gauges)

    def remember(self, metrics: Metrics, own: Gauges) -> None:
        """Keep for a successor of this process what it has counted, and those that have ended."""
        whole = Metrics()
        for metric in (metrics, self._ended_sums):
            add(whole, sums_of(metric))
        try:
            self._remembered.write(Counted(sums_of(whole), (merged(own, (), self._ended_gauges),)))
        except OSError as error:
            _log.warning("what was counted is lost if this process dies: %s", error.strerror)

    def tell(self, message: ToWorker, *, but: Sequence[object] = ()) -> None:
        """Tell all workers something, but for these."""
        data = encode(message)
        for worker in self._workers:
            if worker not in but:
                worker.frames.write(data)

    def close(self) -> None:
        """Give up every connection."""
        for worker in list(self._workers):
            worker.frames.close()

    async def _ask(self, number: int, message: ToWorker) -> int:
        """Tell all, and return how many that serve did not answer in time."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[None]] = []
        for worker in self._workers:
            worker.frames.write(encode(message))
            if worker.report is not None:
                worker.waiting[number] = answer = loop.create_future()
                answers.append(answer)
        missing = 0
        if answers:
            _, pending = await asyncio.wait(answers, timeout=_PATIENCE_SECONDS)
            missing = len(pending)
        for worker in self._workers:
            worker.waiting.pop(number, None)
        return missing

    async def _join(self, number: int, connected: socket.socket) -> None:
        def lost() -> None:
            self._lost(worker)

        worker = _Worker(number, Frames(lambda _, message: self._take(worker, message), lost))
        self._workers.add(worker)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker.frames, sock=connected)
        except OSError:
            self._lost(worker)

    def _take(self, worker: _Worker, data: bytes) -> None:
        message = decode_from_worker(data)
        if isinstance(message, Report):
            worker.report = message
            worker.upstreams = {it.name: it for it in message.upstreams}
        if isinstance(message, Report | Applied):
            answer = worker.waiting.pop(message.number, None)
            if answer is not None and not answer.done():
                answer.set_result(None)
        else:
            self.tell(message, but=(worker,))
            self._heard(message)

    def _lost(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        for answer in worker.waiting.values():
            if not answer.done():
                answer.set_result(None)
        if worker.report is not None:
            add(self._ended_sums, worker.report.sums, is_alive=False)
            self._ended_gauges = (merged(worker.report.gauges, (), self._ended_gauges),)
        self._changed.set()
        self._died()
