"""Work on what is large, in a thread, so that other requests go on meanwhile."""

import asyncio
from collections.abc import Callable

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.usage import TokenCounts

LARGE = 256 * 1024
"""What has more bytes is not looked through on the event loop."""


async def record_tokens(exchange: Exchange, size: int, count: Callable[[], TokenCounts]) -> None:
    """Record what `count` finds in so many bytes, also where the task is cancelled meanwhile."""
    if size <= LARGE:
        exchange.tokens = count()
        return
    counting = asyncio.get_running_loop().run_in_executor(None, count)
    cancelled: asyncio.CancelledError | None = None
    while not counting.done():
        try:
            await asyncio.shield(counting)
        except asyncio.CancelledError as error:
            cancelled = error
    exchange.tokens = counting.result()
    if cancelled is not None:
        raise cancelled
