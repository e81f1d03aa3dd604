"""Placements in Redis, for all processes.

Key: `tollkeeper:placement:<SHA-256 of the id>`, of a fixed length however long the id is; the value is the
placement as JSON.
"""

import hashlib
import logging

from tollkeeper_server.coordination.redis.link import RedisLink
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

    async def get(self, placement_id: str) -> Placement | None:
        """As the port says. An entry that can't be read counts as none."""
        try:
            value = await self._link.run(lambda redis: redis.get(_key(placement_id)))
            return decode_placement(placement_id, value) if isinstance(value, bytes) else None
        except StoreUnavailableError:
            return None
        except ValueError:
            logger.warning("ignored a placement in Redis that can't be read")
            return None

    async def put(self, placement: Placement) -> None:
        """As the port says."""
        key, value = _key(placement.id), encode_placement(placement)
        try:
            await self._link.run(lambda redis: redis.set(key, value, ex=LIFETIME))
        except StoreUnavailableError:
            return


def _key(placement_id: str) -> str:
    return f"tollkeeper:placement:{hashlib.sha256(placement_id.encode()).hexdigest()}"
