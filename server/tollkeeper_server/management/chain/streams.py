"""The streams that are under way: how many there may be, and their end with the process."""

import asyncio

from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import Answer, Invocation, Next

MOST_STREAMS = 100
"""How many streams may be under way in a process, over all doors."""


class Streams:
    """Counts the streams under way, and ends them. As an interceptor it lets other calls pass."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        """Take how many there may be at once."""
        self._most = most
        self._is_ended = False
        self._open: set[asyncio.Timeout] = set()

    @property
    def count(self) -> int:
        """How many are under way."""
        return len(self._open)

    def end(self) -> None:
        """End all that are under way, and have none begin from then on."""
        self._is_ended = True
        now = asyncio.get_running_loop().time()
        for stream in self._open:
            stream.reschedule(now)

    async def __call__(self, invocation: Invocation, proceed: Next) -> Answer:
        """Let a stream pass if there is room for it. Raises DRAINING once the process ends."""
        if invocation.send is None:
            return await proceed(invocation)
        if self._is_ended:
            raise _ending()
        if len(self._open) >= self._most:
            raise TollkeeperError(
                Reason.RATE_LIMIT_EXCEEDED,
                f"{self._most} streams are under way already, the most that there may be; end some of them",
            )
        stream = asyncio.timeout(None)
        try:
            async with stream:
                self._open.add(stream)
                try:
                    return await proceed(invocation)
                finally:
                    self._open.discard(stream)
        except TimeoutError as error:
            raise _ending() from error


def _ending() -> TollkeeperError:
    return TollkeeperError(Reason.DRAINING, "the server is ending; call again")
