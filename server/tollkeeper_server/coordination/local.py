"""Changes within one process, and how every implementation calls its subscribers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tollkeeper_server.coordination.ports import Change, Subscriber
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")


async def _nobody(_: Change) -> None:
    return


class LocalChanges:
    """Delivers changes to the subscribers of this process, and then to those that `push` tells of them."""

    def __init__(self, push: Callable[[Change], Awaitable[None]] | None = None) -> None:
        self._push = push or _nobody
        self._subscribers: list[Subscriber] = []
        self._under_way: set[asyncio.Task[None]] = set()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every change, in the order of subscription."""
        self._subscribers.append(subscriber)

    async def open(self) -> None:
        """Do nothing: there is no other process to listen to."""

    async def publish(self, change: Change) -> None:
        """Return when every subscriber is done. Completes even if the caller is cancelled."""
        task = asyncio.create_task(self._publish(change))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _publish(self, change: Change) -> None:
        await self.deliver(change)
        await self._push(change)

    async def deliver(self, change: Change) -> None:
        """Call the subscribers one after the other. The failure of one is logged; the others are called."""
        for subscriber in self._subscribers:
            try:
                await subscriber(change)
            except StoreUnavailableError as error:
                logger.warning("a change is not in effect here yet: %s", error)
            except Exception:
                logger.exception("a change could not be put into effect here")

    async def close(self) -> None:
        """Return when the subscribers are done with the changes under way."""
        await asyncio.gather(*self._under_way)
