"""Polling the store for changes, in case a push was lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore

logger = logging.getLogger("tollkeeper.coordination")

OVERLAP = timedelta(seconds=60)
_PAGE = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Poller:
    """Asks the store every `interval` seconds for the tokens and the configuration that changed.

    A change whose push was lost takes effect within `interval` plus the time of one round, as long as
    the writers' clocks agree within `OVERLAP` (which also covers a write that takes long).

    The first round looks back `lookback` further, and so does each after `poke(sweep=True)`: as long as
    the shared cache keeps an entry, so that no outdated one outlives the round. `apply` is told the
    changed tokens, each revision once per sweep. `confirm` is told the configuration's revision and returns
    whether that one is in effect; if not, `reload_config` reads the configuration. An error of one of them or
    of the store is logged, and the next round tries again.
    """

    def __init__(
        self,
        tokens: TokenStore,
        configuration: ConfigurationStore,
        apply: Callable[[Sequence[Token]], Awaitable[None]],
        reload_config: Callable[[], Awaitable[object]],
        confirm: Callable[[int], bool],
        *,
        interval: float,
        lookback: float,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._tokens = tokens
        self._configuration = configuration
        self._apply = apply
        self._reload_config = reload_config
        self._confirm = confirm
        self._interval = interval
        self._lookback = timedelta(seconds=lookback)
        self._now = now
        self._poked = asyncio.Event()
        self._sweeping = True
        self._since: datetime | None = None
        self._seen: dict[str, int] = {}  # revisions by token id
        self._reload_lock = asyncio.Lock()
        self._reloads_asked = 0
        self._reloads_done = 0
        self._away = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Return after a first round, successful or not, and go on in the background."""
        await self._round()
        self._task = asyncio.create_task(self._go_on())

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def poke(self, *, sweep: bool = False) -> None:
        """Poll at once; with `sweep`, also apply again the tokens that were applied before."""
        self._sweeping = self._sweeping or sweep
        self._poked.set()

    async def reload(self) -> None:
        """Return when the configuration as it is now, or later, has been read.

        Raises the errors of `reload_config`.
        """
        self._reloads_asked += 1
        mine = self._reloads_asked
        async with self._reload_lock:
            if self._reloads_done >= mine:
                return  # a reading that began after this call is done
            covered = self._reloads_asked
            await self._reload_config()
            self._reloads_done = covered

    async def _go_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval):
                    await self._poked.wait()
            except TimeoutError:
                pass
            self._poked.clear()
            await self._round()

    async def _round(self) -> None:
        try:
            await self._poll_tokens()
            await self._poll_config()
        except StoreUnavailableError:
            if not self._away:
                logger.warning("the store does not answer; changes made elsewhere wait until it does")
            self._away = True
        except Exception:
            logger.exception("polling for changes failed")
        else:
            if self._away:
                logger.info("the store answers again")
            self._away = False

    async def _poll_tokens(self) -> None:
        started = self._now()
        sweeping, self._sweeping = self._sweeping, False
        try:
            since = min(started, self._since or started) - OVERLAP
            if sweeping:
                since -= self._lookback
                self._seen.clear()
            found = await self._list_changed(since)
            changed = [token for token in found if self._is_news(token)]
            if changed:
                await self._apply(changed)
        except BaseException:
            self._sweeping = self._sweeping or sweeping
            raise
        self._seen = {token.id: token.revision for token in found}
        self._since = started

    def _is_news(self, token: Token) -> bool:
        return self._seen.get(token.id, 0) < token.revision

    async def _list_changed(self, since: datetime) -> list[Token]:
        limit = _PAGE
        while True:
            found = await self._tokens.changed(since=since, limit=limit)
            if len(found) < limit:
                return found
            limit *= 4

    async def _poll_config(self) -> None:
        if not self._confirm(await self._configuration.revision()):
            await self.reload()
