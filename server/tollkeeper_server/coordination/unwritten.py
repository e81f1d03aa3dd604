"""The placements that the store did not take: they are offered to it again until it does."""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")

MAX_UNWRITTEN = 10_000


class UnwrittenPlacements:
    """Keeps up to 10,000 placements, and has them written about every `retry_seconds` while there are some.

    Beyond that, the oldest are lost.
    """

    def __init__(
        self, write: Callable[[list[Placement]], Awaitable[Collection[str]]], retry_seconds: float
    ) -> None:
        """`write` raises `StoreUnavailableError` if the store does not take what it is given."""
        self._write = write
        self._retry_seconds = retry_seconds
        self._placements: OrderedDict[str, Placement] = OrderedDict()
        self._retrying: asyncio.Task[None] | None = None

    def get(self, placement_id: str) -> Placement | None:
        """Return the placement with this id, None if it is not among these."""
        return self._placements.get(placement_id)

    def upstreams_of(self, project_id: str) -> set[str]:
        """Return the upstreams that keep something for a project."""
        return {it.upstream for it in self._placements.values() if it.project_id == project_id}

    def add(self, placements: Collection[Placement]) -> None:
        """Keep placements until they are written."""
        for placement in placements:
            self._placements[placement.id] = placement
            if len(self._placements) > MAX_UNWRITTEN:
                self._placements.popitem(last=False)
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._retry())

    def replace(self, placement: Placement) -> bool:
        """Put a placement in the place of the one with its id; return False if there is none."""
        if placement.id not in self._placements:
            return False
        self._placements[placement.id] = placement
        return True

    async def close(self) -> None:
        """Offer the store once more what it did not take, and log what is lost."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        if self._placements and not await self._rewrite():
            logger.error("where %d things are kept could not be stored, and is lost", len(self._placements))

    async def _retry(self) -> None:
        while self._placements:
            await asyncio.sleep(self._retry_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
            await self._rewrite()

    async def _rewrite(self) -> bool:
        """Offer the store what it did not take; return whether it took it."""
        offered = list(self._placements.values())
        try:
            await self._write(offered)
        except StoreUnavailableError:
            return False
        except Exception:
            logger.exception("writing placements again failed")
            return False
        for placement in offered:
            if self._placements.get(placement.id) is placement:
                del self._placements[placement.id]
        return True
