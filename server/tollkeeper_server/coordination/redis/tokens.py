"""The tokens that processes have looked up, in Redis.

`{tollkeeper}:token:<digest>` holds the revision in 16 digits, then the token as JSON, or nothing more for a
digest that no token has; `{tollkeeper}:lead:<digest>` says that some process is asking the store.
"""

import logging
from collections.abc import Mapping

from redis.asyncio import Redis

from tollkeeper_server.coordination.ports import Unknown
from tollkeeper_server.coordination.redis.link import RedisLink
from tollkeeper_server.coordination.redis.primary import TAG
from tollkeeper_server.coordination.wire import REVISION_DIGITS, decode_entry, encode_entry
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")

_BATCH = 500
_LEAD_SECONDS = 1.0

# Only a newer revision replaces what is there, so that a slow reader can't bring an old one back.
_PUT = f"""
local there = string.match(redis.call('GETRANGE', KEYS[1], 0, {REVISION_DIGITS - 1}), '^%d+$')
if there and there > string.sub(ARGV[1], 1, {REVISION_DIGITS}) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class RedisSharedTokens:
    """`SharedTokens` in Redis. `lifetime` and `unknown_lifetime` are those of the entries, in seconds."""

    def __init__(
        self,
        link: RedisLink,
        *,
        lifetime: float,
        unknown_lifetime: float,
        lead_seconds: float = _LEAD_SECONDS,
    ) -> None:
        self._link = link
        self._lifetime = _milliseconds(lifetime)
        self._unknown_lifetime = _milliseconds(unknown_lifetime)
        # A lead that outlived the answer would let those who come next wait for nothing.
        self._lead = min(_milliseconds(lead_seconds), self._lifetime, self._unknown_lifetime)

    async def get(self, digest: str) -> Token | Unknown | None:
        """As the port says. An entry that can't be read counts as none."""
        value = await self._link.run(lambda redis: redis.get(_token_key(digest)))
        try:
            return decode_entry(digest, value) if isinstance(value, bytes) else None
        except ValueError:
            logger.warning("ignored a token entry in Redis that can't be read")
            return None

    async def put(self, found: Mapping[str, Token | Unknown]) -> None:
        """As the port says. A digest that a token gave up is kept as long as a token."""
        entries = list(found.items())
        try:
            for start in range(0, len(entries), _BATCH):
                await self._put_batch(entries[start : start + _BATCH])
        except StoreUnavailableError:
            return

    async def _put_batch(self, entries: list[tuple[str, Token | Unknown]]) -> None:
        async def put(redis: Redis) -> None:
            pipeline = redis.pipeline(transaction=False)
            for digest, entry in entries:
                lifetime = self._lifetime if entry.revision else self._unknown_lifetime
                pipeline.eval(_PUT, 1, _token_key(digest), encode_entry(entry), lifetime)
            await pipeline.execute()

        await self._link.run(put)

    async def lead(self, digest: str) -> bool:
        """As the port says. A lead ends by itself after a second or less."""
        try:
            return bool(
                await self._link.run(lambda redis: redis.set(_lead_key(digest), b"", nx=True, px=self._lead))
            )
        except StoreUnavailableError:
            return True

    async def resign(self, digest: str) -> None:
        """As the port says."""
        try:
            await self._link.run(lambda redis: redis.delete(_lead_key(digest)))
        except StoreUnavailableError:
            return


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _token_key(digest: str) -> str:
    return f"{TAG}:token:{digest}"


def _lead_key(digest: str) -> str:
    return f"{TAG}:lead:{digest}"
