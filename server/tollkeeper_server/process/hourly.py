"""Does about once an hour what any process may do, such as removing what counts no more."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from tollkeeper_server.errors import StoreUnavailableError

logger = logging.getLogger("tollkeeper.process")
_SECONDS = 3600.0


def do_hourly(
    stack: AsyncExitStack, what: str, do: Callable[[], Awaitable[object]], *, seconds: float = _SECONDS
) -> None:
    """Do it at once in the running event loop, and again each hour, until the stack ends.

    `what` it is says who reads the log. `StoreUnavailableError` is left to who looks after the store.
    """
    task = asyncio.create_task(_run(what, do, seconds), name=what)
    stack.push_async_callback(_stop, task)


async def _run(what: str, do: Callable[[], Awaitable[object]], seconds: float) -> None:
    while True:
        try:
            await do()
        except StoreUnavailableError:
            pass  # the poller and the link to Redis say so
        except Exception:
            logger.exception("%s failed", what)
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the load


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
