"""Changes, announced to every process through Redis.

Channel: `tollkeeper:changes:<database number>`, because channels span the databases of a server.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable

from tollkeeper_server.coordination.local import LocalChanges
from tollkeeper_server.coordination.ports import Change, Subscriber, Unknown
from tollkeeper_server.coordination.redis.link import FAILURES, RedisLink
from tollkeeper_server.coordination.redis.tokens import RedisSharedTokens
from tollkeeper_server.coordination.wire import Message, decode_message, encode_message
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")

_HEARTBEAT = 5.0
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 5.0


class RedisChanges:
    """Delivers changes to every process through one Redis channel.

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

    def subscribe(self, subscriber: Subscriber) -> None:
        """As the port says."""
        self._local.subscribe(subscriber)

    async def open(self) -> None:
        """Start listening; `subscribed` is set while Redis has confirmed it."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._relay_config())]

    async def close(self) -> None:
        """Finish the changes under way, and stop listening."""
        await asyncio.gather(*self._under_way)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def deliver(self, change: Change) -> None:
        """Call the subscribers of this process."""
        await self._local.deliver(change)

    async def publish(self, change: Change) -> None:
        """Apply the change here, then put it into the shared cache and tell the other processes.

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
            if change.breaker:
                logger.warning(
                    "other processes were not told to reset the breaker of the upstream %s", change.breaker
                )
                return
            what = f"token {token.id}" if token else "the configuration"
            logger.warning("a change of %s could not be pushed; other processes find it by polling", what)

    async def _listen(self) -> None:
        backoff = _FIRST_BACKOFF
        while True:
            try:
                await self._receive()
            except FAILURES as error:
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
            if message.change.token is None and not message.change.breaker:
                self._config_changed.set()
            else:
                await self._local.deliver(message.change)

    async def _relay_config(self) -> None:
        # Not in the task that listens: reading the configuration must not hold up a revocation.
        while True:
            await self._config_changed.wait()
            self._config_changed.clear()
            await self._local.deliver(Change())
