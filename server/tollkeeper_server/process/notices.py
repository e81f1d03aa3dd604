"""Notices of budgets that have reached a threshold: kept in the store, and told once."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta

from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.limit import THRESHOLDS
from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.ledger.meter import Meter
from tollkeeper_server.ledger.standings import time_of
from tollkeeper_server.store.ports import NoticeStore

_log = logging.getLogger("tollkeeper.limits")
KEPT = timedelta(days=90)
"""How long notices are kept."""
_WAITING = 1000
_RETRY_SECONDS = 1.0
_CLOSING_SECONDS = 1.0
_REMOVED_AT_ONCE = 100

Told = Callable[[BudgetNotice], None]
"""Is told a notice by the one process that has kept it. It does not raise, and does not take long."""


class BudgetNotices:
    """Keeps notices, and tells each once, however many processes note it: the store has one of a kind.

    While the store is away they wait.
    """

    def __init__(
        self,
        store: NoticeStore,
        clock: Callable[[], int],
        process: str,
        *,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        """`clock` returns microseconds since 1970; `process` names this process."""
        self._retry_seconds = retry_seconds
        self._store = store
        self._clock = clock
        self._process = process
        self._told: list[Told] = []
        self._waiting: asyncio.Queue[BudgetNotice] = asyncio.Queue(_WAITING)
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, told: Told) -> None:
        """Have notices told."""
        self._told.append(told)

    def open(self) -> None:
        """Begin to keep notices, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="budget-notices")

    async def close(self) -> None:
        """Stop, once those that wait are kept, or after a while."""
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await self._waiting.join()
            self._task.cancel()
            await asyncio.wait([self._task])

    def crossed(self, meter: Meter, reached: int) -> None:
        """Note that a budget has reached a threshold, as `ledger.port.Crossed` says."""
        now = self._clock()
        notice = BudgetNotice(
            id=new_id(Prefix.NOTICE),
            noticed_at=time_of(now),
            key=meter.key,
            period=meter.calendar.at(now).id,
            percent=THRESHOLDS[reached - 1],
            scope=meter.scope.kind,
            scope_id=meter.scope.id,
            limit=meter.limit,
            process=self._process,
        )
        try:
            self._waiting.put_nowait(notice)
        except asyncio.QueueFull:
            _log.warning("%s is not told to have used %d %%", meter.scope.words, notice.percent)

    async def _run(self) -> None:
        while True:
            notice = await self._waiting.get()
            if await self._keep(notice):
                for told in self._told:
                    told(notice)
            self._waiting.task_done()

    async def _keep(self, notice: BudgetNotice) -> bool:
        """Return whether a notice is a new one, once it is kept."""
        while True:
            try:
                is_new = await self._store.add(notice)
                await self._store.delete_before(notice.noticed_at - KEPT, limit=_REMOVED_AT_ONCE)
            except StoreUnavailableError:
                await asyncio.sleep(self._retry_seconds)
            except Exception:  # noqa: BLE001 - what can't be kept is told all the same
                _log.exception("a notice of a budget could not be kept")
                return True
            else:
                return is_new
