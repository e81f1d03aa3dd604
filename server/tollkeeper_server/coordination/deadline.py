"""How long a request waits for what only the store, or Redis in front of it, can tell."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from tollkeeper_server.errors import StoreUnavailableError

T = TypeVar("T")

LOOK_UP_SECONDS = 1.5
"""The time for a whole look-up, Redis and the store together: a caller hears within two seconds."""


async def in_time(look_up: Awaitable[T], seconds: float = LOOK_UP_SECONDS) -> T:
    """Return what the look-up finds. After `seconds` it is cancelled.

    Raises `StoreUnavailableError` if it takes longer, and whatever the look-up raises.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await look_up
    except TimeoutError:
        if limit.expired():
            raise StoreUnavailableError("the store") from None
        raise
