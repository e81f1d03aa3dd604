"""The seam to callers: ASGI 3, and beyond it what the data listener adds to save tasks and timers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from tollkeeper_server.snapshot.model import Header

Message = MutableMapping[str, Any]  # as the ASGI specification types it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_HEADER_BYTES = 64 * 1024
"""The most that the names and values of a request's headers may come to."""

EXTENSION = "tollkeeper.caller"
"""Where a scope's `extensions` have it, if they do: other servers speak ASGI alone."""

LISTENER = "tollkeeper.listener"
"""Where a scope has the name of the listener that a request came in by."""


class Caller(Protocol):
    """Who waits for the answer to one request."""

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that answers it."""

    @property
    def headers_checked(self) -> bool:
        """Whether the request's headers are known to be what `check_headers` lets pass."""

    def whole_body(self) -> bytes | None:
        """Takes the request's body if all of it is there and nothing of it was read; else None."""

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Sends all of an answer at once. Whoever uses it sends nothing in another way."""

    def write_part(self, part: bytes) -> bool:
        """Sends a part of the answer's body at once; tells whether the caller takes more for now."""

    async def ready(self) -> None:
        """Returns when the caller takes more."""

    def when_gone(self, call: Callable[[], None] | None) -> None:
        """Has `call` called if the caller leaves before the answer has ended; None calls it off."""
