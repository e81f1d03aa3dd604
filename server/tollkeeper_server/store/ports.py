"""The interface of a store, in parts. Every engine behaves the same (tests/contract).

Every method raises `StoreUnavailableError` if the store does not answer. A write completes even if its
caller is cancelled; reading and summing events stops then, in the database, too. Every invariant holds by a
unique key or an update of one document, so no engine needs transactions across entities;
`mongo/configuration.py` says how it writes a batch as one without them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from tollkeeper_server.domain.configuration import Batch, Configuration, Entity
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter, UsageGroup, UsageRow

_E = TypeVar("_E", bound=Entity)


class ConfigurationStore(Protocol):
    """Projects, upstreams, groups, models and listeners: one by one, and as a whole.

    The key of a project is its id, that of any other entity its name. The configuration has a revision,
    which every write moves.
    """

    async def revision(self) -> int:
        """Return the number of writes to the configuration so far, a batch counted as one."""

    async def read(self) -> Configuration:
        """Return the whole configuration as it was at one moment: of every write all or nothing."""

    async def write(self, batch: Batch, *, expected: int) -> bool:
        """Write the batch if the configuration's revision is `expected`; return whether it was written.

        The revision moves once. A reader of single entities may see some of the changes before others.
        Raises INVALID_ARGUMENT if the batch is larger than the store can write at once.
        """

    async def get(self, entity_type: type[_E], key: str) -> _E | None:
        """Return the entity with that key, or None."""

    async def list(
        self, entity_type: type[_E], *, after: str = "", limit: int, active_only: bool = False
    ) -> list[_E]:
        """Return up to `limit` entities with keys greater than `after`, in the order of their keys.

        With `active_only`, entities whose `is_active` is false are left out.
        """

    async def add(self, entity: Entity) -> None:
        """Add an entity. Raises ALREADY_EXISTS if its key is taken."""

    async def replace(self, entity: Entity, *, expected: int) -> bool:
        """Write the entity if its stored revision is `expected`; return whether it was written."""

    async def delete(self, entity_type: type[Entity], key: str, *, expected: int) -> bool:
        """Remove the entity if its stored revision is `expected`; return whether it was removed."""


class TokenStore(Protocol):
    """Tokens by id and by digest. They are no part of the configuration and leave its revision alone."""

    async def add(self, token: Token) -> None:
        """Add a token. Raises ALREADY_EXISTS if another token has its digest."""

    async def get(self, token_id: str) -> Token | None:
        """Return the token with that id, or None."""

    async def find(self, digest: str) -> Token | None:
        """Return the token with that digest, or None."""

    async def replace(self, token: Token, *, expected: int) -> bool:
        """Write the token if its stored revision is `expected`; return whether it was written.

        `request_count` and `last_used_at` stay as they are stored. Raises ALREADY_EXISTS as `add` does.
        """

    async def changed(self, *, since: datetime, limit: int) -> list[Token]:
        """Return up to `limit` tokens with `updated_at` not before `since`, latest change first."""

    async def admit(self, token_id: str, *, at: datetime) -> bool:
        """Count one request of a token with a limit unless the limit is reached; return whether it counted.

        Atomic: of any number of concurrent calls, no more than `max_requests` in all return True.
        """

    async def list(
        self, *, after: str = "", limit: int, project_id: str = "", active_at: datetime | None = None
    ) -> list[Token]:
        """Return up to `limit` tokens with ids greater than `after`, by id.

        With `active_at`, only tokens that are active and not expired at that time.
        """


class UsageStore(Protocol):
    """Usage events."""

    async def add(self, events: Sequence[UsageEvent]) -> int:
        """Write the events whose ids are not stored yet; return the number of those.

        Of those that amend, and whose ids are stored, surer token counts replace what is stored, and nothing
        else. Any number of processes may write them, before or after the event that they amend.

        The new events move `last_used_at` of their tokens, and those with the admission UNLIMITED also
        `request_count`, each once, whatever the limit is by then. `TokenStore.admit` has counted the LIMITED
        ones. Of UNKNOWN ones, calls of upstreams are counted if their token has no limit. A call that fails
        may have written events and not counted them; the same call again counts them.
        """

    async def sum(self, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int) -> list[UsageRow]:
        """Return the sums of up to `limit` groups, ordered by the groups' fields; without groups, one row."""

    async def list(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """Return up to `limit` events with ids less than `before` (any if empty), newest first."""


class PlacementStore(Protocol):
    """Placements by id."""

    async def add(self, placements: Sequence[Placement]) -> None:
        """Write placements, each in place of the one with its id; of several with one id the last stays."""

    async def find(self, placement_id: str) -> Placement | None:
        """Return the placement with that id, or None."""

    async def settle(self, placement_id: str) -> bool:
        """Take the pending usage from the placement with that id; return whether it had any.

        Atomic: of any number of concurrent calls, one returns True.
        """

    async def delete_before(self, at: datetime, *, limit: int) -> int:
        """Remove up to `limit` placements used before `at`, the oldest first; return the number of those."""


class SecretStore(Protocol):
    """Sealed secrets that all processes on a store share, by name."""

    async def keep(self, name: str, sealed: str) -> str:
        """Keep a sealed secret unless the name has one; return the secret that the name has then."""

    async def find(self, name: str) -> str | None:
        """Return the sealed secret with that name, or None."""

    async def replace(self, name: str, sealed: str, *, expected: str) -> bool:
        """Keep `sealed` in the place of `expected` if that is kept; return whether it was written."""


class Store(Protocol):
    """A store: its parts and its life."""

    @property
    def configuration(self) -> ConfigurationStore:
        """The configuration."""

    @property
    def tokens(self) -> TokenStore:
        """The tokens."""

    @property
    def usage(self) -> UsageStore:
        """The usage events."""

    @property
    def placements(self) -> PlacementStore:
        """The placements."""

    @property
    def secrets(self) -> SecretStore:
        """The sealed secrets."""

    async def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises `StoreCorruptError` if the place holds no store, or one of a newer version.
        """

    async def close(self) -> None:
        """Wait for the calls under way, and disconnect; later calls raise `StoreUnavailableError`.

        So do long reads of usage that are under way: they are stopped.
        """

    async def ping(self) -> None:
        """Return if the store answers."""


class StoreCorruptError(Exception):
    """The place where the store should be can't be used; the message says why and what to do."""
