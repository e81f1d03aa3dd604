"""What Tollkeeper asks of a store. SQLite and MongoDB answer it alike (tests/contract).

Every method raises `StoreUnavailableError` if the store does not answer. Writes complete even if
the caller is cancelled. Every invariant holds by a unique key or a single-document update, so no
implementation needs transactions across entities; how several entities are yet written as one without
them is told in `mongo/configuration.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tollkeeper_server.domain.configuration import Batch, Configuration
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter, UsageGroup, UsageRow


class ProjectStore(Protocol):
    """Projects by id. Each write moves the configuration's revision."""

    async def add_project(self, project: Project) -> None:
        """Adds a project; ids are unique by construction."""

    async def get_project(self, project_id: str) -> Project | None:
        """Returns a project, or None if there is none of that id."""

    async def list_projects(self, *, after: str = "", limit: int, active_only: bool = False) -> list[Project]:
        """Returns up to `limit` projects with ids greater than `after`, by id."""

    async def replace_project(self, project: Project, *, expected: int) -> bool:
        """Writes `project` if the stored revision is `expected`; tells whether it did."""


class TokenStore(Protocol):
    """Tokens by id and by digest."""

    async def add_token(self, token: Token) -> None:
        """Adds a token. Raises ALREADY_EXISTS if another has its digest."""

    async def get_token(self, token_id: str) -> Token | None:
        """Returns a token, or None if there is none of that id."""

    async def find_token(self, digest: str) -> Token | None:
        """Returns the token with that digest, or None if there is none."""

    async def list_tokens(
        self,
        *,
        after: str = "",
        limit: int,
        project_id: str = "",
        active_at: datetime | None = None,
    ) -> list[Token]:
        """Returns up to `limit` tokens with ids greater than `after`, by id.

        With `active_at`, only those that are active and not expired at that time.
        """

    async def replace_token(self, token: Token, *, expected: int) -> bool:
        """Writes `token` if the stored revision is `expected`; tells whether it did.

        `request_count` and `last_used_at` are left as they are stored.
        """

    async def list_changed_tokens(self, *, since: datetime, limit: int) -> list[Token]:
        """Returns up to `limit` tokens with `updated_at` not before `since`, latest change first."""

    async def admit_request(self, token_id: str, *, at: datetime) -> bool:
        """Counts one request of a token with a limit, unless the limit is reached; tells whether it did.

        Atomic: of any number of concurrent calls, no more than `max_requests` in all are told True.
        """


class UpstreamStore(Protocol):
    """Upstreams by name. Each write moves the configuration's revision."""

    async def add_upstream(self, upstream: Upstream) -> None:
        """Adds an upstream. Raises ALREADY_EXISTS if the name is taken."""

    async def get_upstream(self, name: str) -> Upstream | None:
        """Returns an upstream, or None if there is none of that name."""

    async def list_upstreams(self, *, after: str = "", limit: int) -> list[Upstream]:
        """Returns up to `limit` upstreams with names greater than `after`, by name."""

    async def replace_upstream(self, upstream: Upstream, *, expected: int) -> bool:
        """Writes `upstream` if the stored revision is `expected`; tells whether it did."""

    async def delete_upstream(self, name: str, *, expected: int) -> bool:
        """Removes the upstream if the stored revision is `expected`; tells whether it did."""


class ModelStore(Protocol):
    """Models by name. Each write moves the configuration's revision."""

    async def add_model(self, model: Model) -> None:
        """Adds a model. Raises ALREADY_EXISTS if the name is taken."""

    async def get_model(self, name: str) -> Model | None:
        """Returns a model, or None if there is none of that name."""

    async def list_models(self, *, after: str = "", limit: int) -> list[Model]:
        """Returns up to `limit` models with names greater than `after`, by name."""

    async def replace_model(self, model: Model, *, expected: int) -> bool:
        """Writes `model` if the stored revision is `expected`; tells whether it did."""

    async def delete_model(self, name: str, *, expected: int) -> bool:
        """Removes the model if the stored revision is `expected`; tells whether it did."""


class GroupStore(Protocol):
    """Groups by name. Each write moves the configuration's revision."""

    async def add_group(self, group: Group) -> None:
        """Adds a group. Raises ALREADY_EXISTS if the name is taken."""

    async def get_group(self, name: str) -> Group | None:
        """Returns a group, or None if there is none of that name."""

    async def list_groups(self, *, after: str = "", limit: int) -> list[Group]:
        """Returns up to `limit` groups with names greater than `after`, by name."""

    async def replace_group(self, group: Group, *, expected: int) -> bool:
        """Writes `group` if the stored revision is `expected`; tells whether it did."""

    async def delete_group(self, name: str, *, expected: int) -> bool:
        """Removes the group if the stored revision is `expected`; tells whether it did."""


class ListenerStore(Protocol):
    """Listeners by name. Each write moves the configuration's revision."""

    async def add_listener(self, listener: Listener) -> None:
        """Adds a listener. Raises ALREADY_EXISTS if the name is taken."""

    async def get_listener(self, name: str) -> Listener | None:
        """Returns a listener, or None if there is none of that name."""

    async def list_listeners(self, *, after: str = "", limit: int) -> list[Listener]:
        """Returns up to `limit` listeners with names greater than `after`, by name."""

    async def replace_listener(self, listener: Listener, *, expected: int) -> bool:
        """Writes `listener` if the stored revision is `expected`; tells whether it did."""

    async def delete_listener(self, name: str, *, expected: int) -> bool:
        """Removes the listener if the stored revision is `expected`; tells whether it did."""


class ConfigurationStore(Protocol):
    """All that is configured, tokens aside, and changes of several entities at once."""

    async def config_revision(self) -> int:
        """Returns a number that grew with every write to what is configured."""

    async def read_configuration(self) -> Configuration:
        """Returns all of it as it was at one moment: of every write all or nothing."""

    async def write_configuration(self, batch: Batch, *, expected: int) -> bool:
        """Writes the batch if the configuration's revision is `expected`; tells whether it did.

        The revision moves once. For readers of single entities some changes may be there before others.
        Raises INVALID_ARGUMENT if the batch is larger than the store can write at once.
        """


class UsageStore(Protocol):
    """Usage events."""

    async def add_usage(self, events: Sequence[UsageEvent]) -> int:
        """Writes events, leaving out those whose id is already there; returns how many were new.

        For tokens without a limit the new events also move `request_count` and `last_used_at`;
        those with one were counted by `admit_request`.
        """

    async def list_usage(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """Returns up to `limit` events with ids less than `before` (any if empty), newest first."""

    async def sum_usage(
        self, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int
    ) -> list[UsageRow]:
        """Returns the sums of the events, by group, ordered by the group's fields."""


class PlacementStore(Protocol):
    """Placements by id."""

    async def add_placements(self, placements: Sequence[Placement]) -> None:
        """Writes placements, each in place of what has its id, the last of several with one id."""

    async def find_placement(self, placement_id: str) -> Placement | None:
        """Returns the placement of that id, or None."""

    async def delete_placements_before(self, at: datetime, *, limit: int) -> int:
        """Removes up to `limit` placements used before `at`, the oldest first; returns how many."""


class Store(
    ProjectStore,
    TokenStore,
    UpstreamStore,
    ModelStore,
    GroupStore,
    ListenerStore,
    ConfigurationStore,
    UsageStore,
    PlacementStore,
    Protocol,
):
    """All of it, with its life cycle."""

    async def open(self) -> None:
        """Connects and brings the schema up to date.

        Raises `StoreCorruptError` if what is there is not a store, or one of a newer version.
        """

    async def close(self) -> None:
        """Lets go of everything; later calls raise `StoreUnavailableError`."""

    async def ping(self) -> None:
        """Returns if the store answers."""

    async def keep_secret(self, name: str, sealed: str) -> str:
        """Keeps a sealed secret under `name` unless one is kept already; returns the kept one."""

    async def list_secrets(self) -> dict[str, str]:
        """Returns the sealed secrets kept by `keep_secret`, by name."""


class StoreCorruptError(Exception):
    """What was found where the store should be can't be used; the message says why and what to do."""
