"""What those who watch something share: their turns, and waiting for what is new."""

import asyncio

HEARTBEAT_SECONDS = 15.0
"""After so long without a message a watcher gets an empty one."""


class Turns:
    """The turns of watchers: in a turn of the event loop one of them all is told something."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait until a watcher may be told something."""
        async with self._lock:
            await asyncio.sleep(0)


class Announcement:
    """Says to all who wait that there is something new."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def tell(self) -> None:
        """Wake all who wait now."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def comes_until(self, due: float) -> bool:
        """Return whether something new comes until a time of the loop."""
        try:
            async with asyncio.timeout_at(due):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
