"""The connection to Redis that the tokens, the placements and the changes share."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.telemetry.outcomes import note_outcome

logger = logging.getLogger("tollkeeper.coordination")

T = TypeVar("T")

FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
"""The ways a command fails. uvloop raises RuntimeError for a write to a connection closed meanwhile."""

_CONNECTIONS = 32


class RedisLink:
    """A connection pool that gives up quickly and, while Redis is away, at once.

    A command has `timeout` seconds. After one that failed, further ones fail without being tried
    until Redis accepts a write again, which is tried about every `pause` seconds.
    """

    def __init__(self, url: str, *, timeout: float = 0.5, pause: float = 1.0) -> None:
        """Raise ValueError if the URL is not one of Redis."""
        self._timeout = timeout
        self._pause = pause
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            # Options of the URL are read when a connection is made; a wrong one would fail every command.
            pool.connection_class(**pool.connection_kwargs)
        except TypeError:
            raise ValueError("an option in the Redis URL is not known") from None
        self.client: Redis = Redis.from_pool(pool)
        self.database = int(pool.connection_kwargs.get("db") or 0)
        self._answers = True
        self._on_return: list[Callable[[], None]] = []
        self._probe: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[object]] = set()

    @property
    def answers(self) -> bool:
        """Whether Redis is thought to answer."""
        return self._answers

    def on_return(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that Redis answers again."""
        self._on_return.append(callback)

    async def open(self) -> None:
        """Find out whether Redis answers; that it does not is no error."""
        try:
            await self.run(self._write)
        except StoreUnavailableError:
            return

    async def close(self) -> None:
        """Close all connections."""
        self._answers = False
        if self._probe is not None:
            self._probe.cancel()
        await asyncio.gather(*self._under_way, *filter(None, [self._probe]), return_exceptions=True)
        await self.client.aclose()

    async def run(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Run a command. Raises `StoreUnavailableError` if Redis does not answer or refuses.

        The command goes on if the caller is cancelled: broken off midway, its reply could be taken
        for that of the next command on the connection.
        """
        if not self._answers:
            raise StoreUnavailableError("Redis")
        task = asyncio.create_task(self._attempt(command))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(note_outcome)
        return await asyncio.shield(task)

    async def _attempt(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await command(self.client)
        except FAILURES as error:
            self._lose(error)
            raise StoreUnavailableError("Redis") from error

    def _lose(self, error: Exception) -> None:
        if self._answers:
            self._answers = False
            logger.warning("Redis does not answer, going on without it: %s", error or type(error).__name__)
            self._probe = asyncio.create_task(self._await_return())

    async def _await_return(self) -> None:
        while not self._answers:
            await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
            try:
                async with asyncio.timeout(self._timeout):
                    await self._write(self.client)
            except FAILURES:
                continue
            self._answers = True
        logger.info("Redis answers again")
        for callback in self._on_return:
            callback()

    @staticmethod
    async def _write(client: Redis) -> None:
        # A write, because a replica or a full Redis would answer a PING.
        await client.set("tollkeeper:probe", b"", px=1000)
