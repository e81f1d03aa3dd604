"""Placements in Redis, for all processes.

Key: `{tollkeeper}:placement:<SHA-256 of the id>`, of a fixed length however long the id is; the value is the
placement as JSON.
"""

import hashlib
import logging
from collections.abc import Sequence

from redis.asyncio import Redis

from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.primary import TAG
from tollkeeper_server.coordination.wire import decode_placement, encode_placement
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")

LIFETIME = 24 * 3600
"""Seconds for which an entry is kept after it was made or looked up in the store."""


class RedisPlacements:
    """`SharedPlacements` in Redis."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def get(self, placement_ids: Sequence[str]) -> dict[str, Placement]:
        """As the port says. An entry that can't be read counts as none."""
        try:
            values = await self._link.run(lambda redis: redis.mget([_key(one) for one in placement_ids]))
        except StoreUnavailableError:
            return {}
        found = {}
        for placement_id, value in zip(placement_ids, values, strict=True):
            placement = _read(placement_id, value)
            if placement is not None:
                found[placement_id] = placement
        return found

    async def put(self, placements: Sequence[Placement]) -> None:
        """As the port says."""
        entries = [(_key(placement.id), encode_placement(placement)) for placement in placements]

        async def write(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for key, value in entries:
                    pipeline.set(key, value, ex=LIFETIME)
                await pipeline.execute()

        try:
            await self._link.run(write)
        except StoreUnavailableError:
            return


def _read(placement_id: str, value: object) -> Placement | None:
    try:
        return decode_placement(placement_id, value) if isinstance(value, bytes) else None
    except ValueError:
        logger.warning("ignored a placement in Redis that can't be read")
        return None


def _key(placement_id: str) -> str:
    return f"{TAG}:placement:{hashlib.sha256(placement_id.encode()).hexdigest()}"
