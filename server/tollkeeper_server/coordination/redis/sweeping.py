"""Removes from Redis keys that a script says nobody uses."""

import logging
from collections.abc import Awaitable
from functools import partial
from typing import cast

from redis.asyncio import Redis

from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.primary import TAG

logger = logging.getLogger("tollkeeper.coordination")
_TURN_SECONDS = 1800
_BATCH = 200


class KeySweeping:
    """Has a script look at all keys that begin with `prefix`, after the key `first`, some at a time."""

    def __init__(self, link: RedisLink, script: str, prefix: str, first: str, *, batch: int = _BATCH) -> None:
        """Take a script that removes keys which are unused, and returns how many those were."""
        self._link = link
        self._script = script
        self._prefix = prefix
        self._first = first
        self._batch = batch

    async def sweep(self) -> int:
        """Remove what is unused; return how many keys that were. Raises `StoreUnavailableError`."""
        removed, cursor = 0, 0
        pattern = self._prefix.replace("[", "\\[") + "*"
        while True:
            cursor, keys = await self._link.run(partial(self._look, cursor, pattern))
            if keys:
                removed += await self._link.run(partial(self._remove, keys))
            if cursor == 0:
                return removed

    async def sweep_in_turn(self) -> None:
        """Sweep as one of all processes, of which one does so in half an hour. Raises as `sweep` does."""
        if await self._turn() and (removed := await self.sweep()):
            logger.info("%d keys that nobody uses were removed from Redis", removed)

    async def _look(self, cursor: int, pattern: str, redis: Redis) -> tuple[int, list[bytes]]:
        answer = redis.scan(cursor, match=pattern, count=self._batch)
        return await cast("Awaitable[tuple[int, list[bytes]]]", answer)

    async def _remove(self, keys: list[bytes], redis: Redis) -> int:
        answer = redis.eval(self._script, len(keys) + 1, self._first, *keys)
        return int(await cast("Awaitable[str]", answer))

    async def _turn(self) -> bool:
        # Not one of the keys that are looked at.
        lead = f"{TAG}:sweeping:{self._prefix}"
        return bool(await self._link.run(lambda redis: redis.set(lead, b"", nx=True, ex=_TURN_SECONDS)))
