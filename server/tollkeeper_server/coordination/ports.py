"""What processes share, as the hot path and the management plane see it.

Implementations: `local.py` (one process), `redis/` (several), `placements.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.domain.placement import Placement
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


class SharedPlacements(Protocol):
    """Placements that some process has made or looked up, for the others."""

    async def get(self, placement_id: str) -> Placement | None:
        """Returns what is cached, or None. A cache that does not answer is no error."""

    async def put(self, placement: Placement) -> None:
        """Caches a placement for a bounded time. A cache that does not answer is no error."""


class Placements(Protocol):
    """Where requests go that name something an upstream keeps: a file, a batch, a response."""

    async def find(self, placement_id: str, /) -> str | None:
        """Returns the name of the upstream that keeps what has this id, or None if none is known to.

        Raises `StoreUnavailableError` if neither the shared cache nor the store can say.
        """

    async def remember(self, placement_id: str, /, upstream: str, project_id: str) -> None:
        """Says that an upstream keeps what has this id. Every process finds it once this returns.

        Raises `StoreUnavailableError` if that is not so; this process finds it even then.
        """


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
