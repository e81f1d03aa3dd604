"""Changes within one process, and what every implementation does with its listeners."""

import asyncio
import logging

from tollkeeper_server.coordination.ports import Change, Listener
from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.coordination")


class LocalChanges:
    """Tells the listeners of this process, and nobody else."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._under_way: set[asyncio.Task[None]] = set()

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with every change, in the order of subscription."""
        self._listeners.append(listener)

    async def open(self) -> None:
        """Does nothing: there is nobody to listen to."""

    async def publish(self, change: Change) -> None:
        """Returns when every listener is done. Completes even if the caller is cancelled."""
        task = asyncio.create_task(self.deliver(change))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def deliver(self, change: Change) -> None:
        """Calls the listeners one after the other. One that fails is logged; the others are still called."""
        for listener in self._listeners:
            try:
                await listener(change)
            except StoreUnavailableError as error:
                logger.warning("a change is not in effect here yet: %s", error)
            except Exception:
                logger.exception("a change could not be put into effect here")

    async def close(self) -> None:
        """Returns when the changes under way have been told."""
        await asyncio.gather(*self._under_way)
