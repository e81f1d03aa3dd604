"""What processes share through Redis: the tokens they have looked up, and changes.

Keys: `tollkeeper:token:<digest>` holds the revision in 16 digits, then the token as JSON, or nothing
more for a digest that no token has; `tollkeeper:lead:<digest>` says that some process is asking the
store. Channel: `tollkeeper:changes:<database number>`, because channels span the databases of a server.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.coordination.ports import Change, Listener, Unknown
from tollkeeper_server.coordination.wire import (
    REVISION_DIGITS,
    Message,
    decode_entry,
    decode_message,
    encode_entry,
    encode_message,
)
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")

T = TypeVar("T")

# uvloop raises RuntimeError for a write to a connection that was closed meanwhile.
_FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
_CONNECTIONS = 32
_BATCH = 500
_LEAD_SECONDS = 1.0
_HEARTBEAT = 5.0
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 5.0

# Only a newer revision replaces what is there, so that a slow reader can't bring an old one back.
_PUT = f"""
local there = string.match(redis.call('GETRANGE', KEYS[1], 0, {REVISION_DIGITS - 1}), '^%d+$')
if there and there > string.sub(ARGV[1], 1, {REVISION_DIGITS}) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class RedisLink:
    """A connection pool that gives up quickly and, while Redis is away, at once.

    A command has `timeout` seconds. After one that failed, further ones fail without being tried
    until Redis accepts a write again, which is tried about every `pause` seconds.
    """

    def __init__(self, url: str, *, timeout: float = 0.5, pause: float = 1.0) -> None:
        """Raises ValueError if the URL is not one of Redis."""
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
            # Options of the URL are looked at when a connection is made, and then fail every command.
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
        """Calls `callback` each time that Redis answers again."""
        self._on_return.append(callback)

    async def open(self) -> None:
        """Finds out whether Redis answers; that it does not is no error."""
        try:
            await self.run(self._write)
        except StoreUnavailableError:
            return

    async def close(self) -> None:
        """Lets go of all connections."""
        self._answers = False
        if self._probe is not None:
            self._probe.cancel()
        await asyncio.gather(*self._under_way, *filter(None, [self._probe]), return_exceptions=True)
        await self.client.aclose()

    async def run(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Runs a command. Raises `StoreUnavailableError` if Redis does not answer or refuses.

        The command goes on if the caller is cancelled: broken off midway, its reply could be taken
        for that of the next command on the connection.
        """
        if not self._answers:
            raise StoreUnavailableError("Redis")
        task = asyncio.create_task(self._attempt(command))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _attempt(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await command(self.client)
        except _FAILURES as error:
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
            except _FAILURES:
                continue
            self._answers = True
        logger.info("Redis answers again")
        for callback in self._on_return:
            callback()

    @staticmethod
    async def _write(client: Redis) -> None:
        # A write, because a replica or a full Redis would answer a PING.
        await client.set("tollkeeper:probe", b"", px=1000)


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


class RedisChanges:
    """Tells every process through one Redis channel.

    `on_gap` is called whenever messages may have been lost: at each (re)connection of the subscriber.
    """

    def __init__(self, link: RedisLink, shared: RedisSharedTokens, *, on_gap: Callable[[], None]) -> None:
        self._link = link
        self._shared = shared
        self._on_gap = on_gap
        self._local = LocalChanges()
        self._sender = secrets.token_hex(8)
        self._channel = f"tollkeeper:changes:{link.database}"
        self._config_changed = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.subscribed = asyncio.Event()

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with every change, from here and from the others."""
        self._local.subscribe(listener)

    async def open(self) -> None:
        """Starts listening; `subscribed` is set while Redis has confirmed it."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._relay_config())]

    async def close(self) -> None:
        """Tells what is still to be told, and stops listening."""
        await asyncio.gather(*self._under_way)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def publish(self, change: Change) -> None:
        """Applies the change here, then puts it into the shared cache and tells the others.

        Completes even if the caller is cancelled.
        """
        task = asyncio.create_task(self._publish(change))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _publish(self, change: Change) -> None:
        await self._local.deliver(change)
        token = change.token
        if token is not None:
            entries: dict[str, Token | Unknown] = {token.digest: token}
            if change.retired_digest:
                entries[change.retired_digest] = Unknown(token.revision)
            await self._shared.put(entries)
        message = encode_message(Message(self._sender, change))
        try:
            await self._link.run(lambda redis: redis.publish(self._channel, message))
        except StoreUnavailableError:
            what = f"token {token.id}" if token else "the configuration"
            logger.warning("a change of %s could not be pushed; other processes find it by polling", what)

    async def _listen(self) -> None:
        backoff = _FIRST_BACKOFF
        while True:
            try:
                await self._receive()
            except _FAILURES as error:
                if self.subscribed.is_set():
                    logger.warning("the subscription to changes was lost: %s", error)
                    backoff = _FIRST_BACKOFF
            finally:
                self.subscribed.clear()
            await asyncio.sleep(backoff * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load
            backoff = min(2 * backoff, _LONGEST_BACKOFF)

    async def _receive(self) -> None:
        async with self._link.client.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            pinged = False
            while True:
                message = await pubsub.get_message(timeout=_HEARTBEAT)
                if message is not None:
                    pinged = False
                    await self._handle(message["type"], message["data"])
                elif pinged:
                    raise TimeoutError("no answer to a ping")
                else:
                    await pubsub.ping()
                    pinged = True

    async def _handle(self, kind: str, data: bytes) -> None:
        if kind == "subscribe":
            self.subscribed.set()
            self._on_gap()
        elif kind == "message":
            try:
                message = decode_message(data)
            except ValueError:
                logger.warning("ignored a message about a change that can't be read")
                return
            if message.sender == self._sender:
                return
            if message.change.token is None:
                self._config_changed.set()
            else:
                await self._local.deliver(message.change)

    async def _relay_config(self) -> None:
        # Apart from the listening: reading the configuration must not hold up a revocation.
        while True:
            await self._config_changed.wait()
            self._config_changed.clear()
            await self._local.deliver(Change())


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _token_key(digest: str) -> str:
    return f"tollkeeper:token:{digest}"


def _lead_key(digest: str) -> str:
    return f"tollkeeper:lead:{digest}"
