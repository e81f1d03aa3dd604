"""The connection to Redis that the tokens, the placements and the changes share."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar
from weakref import WeakSet

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tollkeeper_server.coordination.redis.primary import TAG, Address, Locate, primary_of
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.telemetry.outcomes import note_outcome

logger = logging.getLogger("tollkeeper.coordination")

T = TypeVar("T")

FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
"""The ways a command fails. uvloop raises RuntimeError for a write to a connection closed meanwhile."""

_CONNECTIONS = 32
_NO_EVICTION = "noeviction"
_WATCH_SECONDS = 1.0


class Followed(Protocol):
    """A connection to Redis that is not of the pool."""

    def close(self) -> None:
        """Give it up."""


class RedisLink:
    """A connection pool that gives up quickly and, while Redis is away, at once.

    A command has `timeout` seconds. After one that failed, further ones fail without being tried
    until Redis accepts a write again, which is tried about every `pause` seconds.
    """

    def __init__(self, url: str, *, timeout: float = 0.5, pause: float = 1.0) -> None:
        """Raise ValueError if the URL is not one of Redis."""
        self._timeout = timeout
        self._pause = pause
        self._primary = primary_of(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
        self._pool = self._primary.pool
        self.client: Redis = Redis.from_pool(self._pool)
        self._where = self._primary.name
        self.database = int(self._pool.connection_kwargs.get("db") or 0)
        self._elsewhere: WeakSet[Followed] = WeakSet()
        self._watching: asyncio.Task[None] | None = None
        self._answers = True
        self._eviction = ""
        self._on_return: list[Callable[[], None]] = []
        self._probe: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[object]] = set()

    @property
    def answers(self) -> bool:
        """Whether Redis is thought to answer."""
        return self._answers

    @property
    def eviction(self) -> str:
        """Its `maxmemory-policy`, if it evicts keys by that; empty if it does not."""
        return self._eviction

    def on_return(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that Redis answers again."""
        self._on_return.append(callback)

    async def open(self) -> None:
        """Find out whether Redis answers; that it does not is no error."""
        if self._primary.locate is not None:
            self._watching = asyncio.create_task(self._watch(self._primary.locate), name="redis-primary")
        try:
            await self.run(self._write)
            await self._look_at_memory()
        except StoreUnavailableError:
            return

    async def close(self) -> None:
        """Close all connections."""
        self._answers = False
        if self._probe is not None:
            self._probe.cancel()
        if self._watching is not None:
            self._watching.cancel()
        tasks = filter(None, [self._probe, self._watching])
        await asyncio.gather(*self._under_way, *tasks, return_exceptions=True)
        await self.client.aclose()
        await self._primary.close()

    async def connect(self) -> AbstractConnection:
        """Return a new connection to the primary, which is the caller's. Raises `FAILURES`."""
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        return connection

    def follow(self, connection: "Followed") -> None:
        """Close a connection, which is kept by its owner, once another server is the primary."""
        self._elsewhere.add(connection)

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
            why = str(error) or type(error).__name__
            logger.warning("Redis does not answer, going on without it: %s: %s", self._where, why)
            self._probe = asyncio.create_task(self._await_return())

    async def _await_return(self) -> None:
        while not self._answers:
            await asyncio.sleep(self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
            try:
                if self._primary.locate is not None:
                    # A connection that is idle may lead to a server that is the primary no more.
                    await self._pool.disconnect(inuse_connections=False)
                async with asyncio.timeout(self._timeout):
                    await self._write(self.client)
            except FAILURES:
                continue
            self._answers = True
        logger.info("Redis answers again")
        await self._look_at_memory()
        for callback in self._on_return:
            callback()

    async def _watch(self, locate: Locate) -> None:
        """Leave a server that is no longer the primary, even if it goes on to answer."""
        present: Address | None = None
        while True:
            found = present
            with contextlib.suppress(*FAILURES):  # nobody says otherwise then
                async with asyncio.timeout(self._timeout):
                    found = await locate()
            if present is not None and found != present:
                logger.info("Redis is written at %s instead of %s: %s", found, present, self._where)
                for connection in list(self._elsewhere):
                    connection.close()
                await self._pool.disconnect()
            present = found
            await asyncio.sleep(_WATCH_SECONDS)

    async def _look_at_memory(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                memory = await self.client.info("memory")
        except FAILURES as error:
            logger.warning("Redis does not say whether it evicts keys: %s: %s", self._where, error)
            return
        policy = str(memory.get("maxmemory_policy", _NO_EVICTION))
        self._eviction = policy if policy != _NO_EVICTION and memory.get("maxmemory") else ""
        if self._eviction:
            logger.warning(
                "Redis may evict what limits count, as its maxmemory-policy is %s; set it to noeviction: %s",
                policy,
                self._where,
            )

    @staticmethod
    async def _write(client: Redis) -> None:
        # A write, because a replica or a full Redis would answer a PING.
        await client.set(f"{TAG}:probe", b"", px=1000)
