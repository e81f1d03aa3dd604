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
"""The name of the `Caller` in a scope's `extensions`. Other servers than the data listener have none."""

LISTENER = "tollkeeper.listener"
"""The key in a scope of the name of the listener that a request came in by."""

ACTING = "tollkeeper.token"
"""The key in a scope of the id of the token that a door vouches for. Others present a secret."""


class Caller(Protocol):
    """The caller that waits for the answer to one request."""

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that answers it."""

    @property
    def headers_checked(self) -> bool:
        """Whether the request's headers are known to pass `check_headers`."""

    @property
    def is_known(self) -> bool:
        """Whether the caller has shown a token that is good, with this request or one before it."""

    def show(self) -> None:
        """Record that the caller has shown a token that is good."""

    def whole_body(self) -> bytes | None:
        """Take the request's body if all of it has arrived and nothing of it was read; else None."""

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Send a whole answer at once. Nothing else may be sent before or after it."""

    def write_part(self, part: bytes) -> bool:
        """Send a part of the answer's body at once. Return whether the caller takes more for now."""

    async def ready(self) -> None:
        """Return when the caller takes more."""

    def when_gone(self, call: Callable[[], None] | None) -> None:
        """Have `call` called if the caller leaves before the answer has ended; None calls it off."""
