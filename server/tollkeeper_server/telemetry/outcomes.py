"""The outcome of work that goes on after its caller has left."""

import asyncio
from typing import Any


def note_outcome(work: asyncio.Future[Any]) -> None:
    """Note how work has ended; to be called when it is done.

    `asyncio.shield` does not look at work whose caller was cancelled, and asyncio reports a failure that
    nobody looks at as a fault, with a traceback.
    """
    if not work.cancelled():
        work.exception()
