"""Counting in a thread, for large bodies: other requests go on meanwhile."""

import asyncio
from collections.abc import Callable

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.domain.usage import TokenCounts

LARGE = 256 * 1024
"""The most bytes that the event loop looks through."""


async def record_tokens(exchange: Exchange, size: int, count: Callable[[], TokenCounts]) -> None:
    """Record the tokens that `count` finds in `size` bytes, also if the task is cancelled meanwhile."""
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
