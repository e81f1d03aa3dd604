"""What processes share, as the hot path and the management plane see it.

Implementations: `local.py` (one process), `redis.py` (several).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.domain.token import Token


class Unknown(Struct, frozen=True):
    """What is cached of a digest that no token has.

    `revision` is that of the token that gave the digest up, or 0 if none is known to have had it.
    """

    revision: int = 0


class SharedTokens(Protocol):
    """Tokens that some process has looked up, by full digest, for the others."""

    async def get(self, digest: str) -> Token | Unknown | None:
        """Returns what is cached, or None.

        Raises `StoreUnavailableError` if the cache does not answer.
        """

    async def put(self, found: Mapping[str, Token | Unknown]) -> None:
        """Caches what the store said of some digests, for a bounded time, unless newer is cached already.

        A cache that does not answer is no error: the entries are just not there.
        """

    async def lead(self, digest: str) -> bool:
        """Tells whether the caller is the one to ask the store; the others wait for its answer.

        Everybody is if the cache does not answer.
        """

    async def resign(self, digest: str) -> None:
        """Lets another one lead at once, after the store did not answer the caller."""


class Change(Struct, frozen=True):
    """What a process tells the others: a token was edited, or the configuration was."""

    token: Token | None = None
    retired_digest: str = ""


Listener = Callable[[Change], Awaitable[None]]


class Changes(Protocol):
    """Pushes changes to every process, this one included."""

    async def publish(self, change: Change) -> None:
        """Applies the change here before it returns, and tells the others at once.

        That the others can't be told is no error: they poll.
        """

    def subscribe(self, listener: Listener) -> None:
        """Calls `listener` with every change, from here and from the others."""


class Placements(Protocol):
    """Which upstream keeps what: a file, a batch, a response, by its id."""

    async def find(self, placed: str) -> str | None:
        """Returns the upstream's name, or None if nobody remembers. Raises `StoreUnavailableError`."""

    async def remember(self, placed: str, upstream: str, project_id: str) -> None:
        """Remembers it in every process before it returns. Raises `StoreUnavailableError`."""
