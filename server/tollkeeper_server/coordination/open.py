"""The parts of this room, put together for one process."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.coordination.placements import PlacementCache
from tollkeeper_server.coordination.poll import Poller
from tollkeeper_server.coordination.ports import Change, Changes, Unknown
from tollkeeper_server.coordination.tokens import TokenCache
from tollkeeper_server.domain.token import Token
from tollkeeper_server.store.ports import ConfigurationStore, PlacementStore, TokenStore

if TYPE_CHECKING:
    from tollkeeper_server.coordination.redis.changes import RedisChanges
    from tollkeeper_server.coordination.redis.link import RedisLink
    from tollkeeper_server.coordination.redis.placements import RedisPlacements
    from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens


class Coordination:
    """The caches, the changes and the poller of one process; with a Redis URL, shared with others.

    The hot path asks `tokens` and `placements`; edits are published to `changes`, after they were written
    to the store. `reload_config` reads the configuration from the store and puts it into effect; `confirm`
    is told its revision and returns whether that one is in effect. Times are seconds; `TokenCache`,
    `PlacementCache` and `Poller` say what they promise. `capacity` is how many tokens are kept
    in memory; a command to Redis is given up after `redis_timeout`.
    """

    def __init__(
        self,
        tokens: TokenStore,
        placements: PlacementStore,
        configuration: ConfigurationStore,
        reload_config: Callable[[], Awaitable[object]],
        confirm: Callable[[int], bool],
        *,
        redis_url: str = "",
        push: Callable[[Change], Awaitable[None]] | None = None,
        lifetime: float,
        unknown_lifetime: float,
        poll_interval: float,
        capacity: int = 100_000,
        redis_timeout: float = 0.5,
    ) -> None:
        """Raise ValueError if the URL is not one of Redis. Without one, `push` tells others of changes."""
        self._link: RedisLink | None = None
        self._shared: RedisSharedTokens | None = None
        self._changes: LocalChanges | RedisChanges
        shared_placements: RedisPlacements | None = None
        if redis_url:
            # The driver takes 5 MB of memory; without Redis it is not imported.
            from tollkeeper_server.coordination.redis import changes, link
            from tollkeeper_server.coordination.redis import placements as redis_placements
            from tollkeeper_server.coordination.redis import tokens as redis_tokens

            self._link = link.RedisLink(redis_url, timeout=redis_timeout)
            self._link.on_return(self._sweep)
            self._shared = redis_tokens.RedisSharedTokens(
                self._link, lifetime=lifetime / 2, unknown_lifetime=unknown_lifetime
            )
            self._changes = changes.RedisChanges(self._link, self._shared, on_gap=self._sweep)
            shared_placements = redis_placements.RedisPlacements(self._link)
        else:
            self._changes = LocalChanges(push)
        self._changes.subscribe(self._apply_pushed)
        self.tokens = TokenCache(
            tokens,
            self._shared,
            lifetime=lifetime,
            unknown_lifetime=unknown_lifetime,
            capacity=capacity,
        )
        self.placements = PlacementCache(placements, shared_placements)
        self.poller = Poller(
            tokens,
            configuration,
            self._apply_polled,
            reload_config,
            confirm,
            interval=poll_interval,
            lookback=lifetime,
        )

    @property
    def changes(self) -> Changes:
        """The changes to publish edits to, once they are in the store; every process receives them."""
        return self._changes

    async def receive(self, change: Change) -> None:
        """Put a change into effect that another process has published."""
        await self._changes.deliver(change)

    def sweep(self) -> None:
        """Look in the store for all that may have changed: a push may be lost."""
        self._sweep()

    @property
    def redis(self) -> "RedisLink | None":
        """The connections to Redis; None without it."""
        return self._link

    @property
    def redis_answers(self) -> bool | None:
        """Whether Redis is thought to answer; None without Redis."""
        return None if self._link is None else self._link.answers

    async def open(self) -> None:
        """Connect, and return after a first poll, which reads the configuration if the store answers.

        It is no error that Redis or the store does not answer: `redis_answers` and the log tell.
        """
        if self._link is not None:
            await self._link.open()
        await self._changes.open()
        await self.poller.open()

    async def close(self) -> None:
        """End everything under way."""
        await self.poller.close()
        await self._changes.close()
        await self.tokens.close()
        await self.placements.close()
        if self._link is not None:
            await self._link.close()

    def _sweep(self) -> None:
        # Redis may miss changes made while it was away, or hold its entries of a time before.
        self.poller.poke(sweep=True)

    async def _apply_pushed(self, change: Change) -> None:
        if change.token is not None:
            self.tokens.apply(change)
        elif not change.breaker:
            await self._reload()

    async def _reload(self) -> None:
        try:
            await self.poller.reload()
        except Exception:
            self.poller.poke()
            raise

    async def _apply_polled(self, changed: Sequence[Token]) -> None:
        entries: dict[str, Token | Unknown] = {}
        for token in changed:
            entries.update(dict.fromkeys(self.tokens.apply(Change(token=token)), Unknown(token.revision)))
            entries.setdefault(token.digest, token)
        if self._shared is not None:
            await self._shared.put(entries)
