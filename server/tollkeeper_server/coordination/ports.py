"""The things that processes share, as the hot path and the management plane see them.

Implementations: `local.py` (one process), `redis/` (several), `placements.py`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import UsageEvent


class Unknown(Struct, frozen=True):
    """The cached entry for a digest that no token has.

    `revision` is that of the token that gave the digest up, or 0 if no token is known to have had it.
    """

    revision: int = 0


class SharedTokens(Protocol):
    """Tokens that some process has looked up, by full digest, for the other processes."""

    async def get(self, digest: str) -> Token | Unknown | None:
        """Return the cached entry, or None.

        Raises `StoreUnavailableError` if the cache does not answer.
        """

    async def put(self, found: Mapping[str, Token | Unknown]) -> None:
        """Cache the store's answer for some digests, for a bounded time, unless a newer entry is cached.

        A cache that does not answer is no error: the entries are just not there.
        """

    async def lead(self, digest: str) -> bool:
        """Return whether the caller is the one to ask the store; the other processes wait for its answer.

        Every caller is if the cache does not answer.
        """

    async def resign(self, digest: str) -> None:
        """Let another process lead at once, after the store did not answer the caller."""


class SharedPlacements(Protocol):
    """Placements that some process has made or looked up, for the other processes."""

    async def get(self, placement_ids: Sequence[str]) -> dict[str, Placement]:
        """Return the cached placements with those ids, by id. A cache that does not answer is no error."""

    async def put(self, placements: Sequence[Placement]) -> None:
        """Cache placements for a bounded time. A cache that does not answer is no error."""


class Placements(Protocol):
    """Which project and which upstream has each thing that upstreams keep: a file, a batch, a response."""

    async def find_many(self, placement_ids: Collection[str], /) -> dict[str, Placement]:
        """Return what is known of the things with these ids, by id; what is unknown is left out.

        What any process has remembered is found, also by a process that was asked for it before that.
        Raises `StoreUnavailableError` if neither the shared cache nor the store answers.
        """

    async def keeping(self, project_id: str, upstreams: Collection[str], /) -> set[str]:
        """Return those of the upstreams that keep something of the project's.

        Raises `StoreUnavailableError` if the store does not answer.
        """

    async def learn(self, placement_ids: Collection[str], /, upstream: str, project_id: str) -> None:
        """Record the things that an answer names, as `remember` does, and leave alone what is known.

        Raises as `remember` does.
        """

    def settle(self, placement_id: str, /, first: Callable[[], None]) -> None:
        """Record in the background that the usage that waited for this thing's end is in the journal.

        `first` is called if no other process has done so before. If the store is away, others may not learn
        of it, and settle it again.
        """

    async def remember(
        self,
        placement_id: str,
        /,
        upstream: str,
        project_id: str,
        pending: UsageEvent | None = None,
        others: Collection[str] = (),
    ) -> None:
        """Record that an upstream keeps the thing with this id. Every process finds it once this returns.

        `pending` is the usage event that waits for its end. The `others` are things of which none is waited
        for. If another project has the thing, that stays so.

        Raises `StoreUnavailableError` if that could not be stored yet; this process finds it even then, and
        stores it as soon as it can.
        """


class Change(Struct, frozen=True):
    """A change that a process announces to the others: of a token, or without one, of the configuration.

    One with `breaker`, the name of an upstream, changes neither: that upstream's breaker is to be reset.
    """

    token: Token | None = None
    retired_digest: str = ""
    breaker: str = ""


Subscriber = Callable[[Change], Awaitable[None]]


class Changes(Protocol):
    """Pushes changes to every process, this one included."""

    async def publish(self, change: Change) -> None:
        """Apply the change here before this returns, and tell the other processes at once.

        A failure to reach them is no error: they poll.
        """

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every change, from this process and from the others."""
