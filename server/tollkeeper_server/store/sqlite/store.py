"""The store in one SQLite file: the embedded default."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tollkeeper_server.domain.configuration import Batch, Configuration, Kind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.store.sqlite import configuration as sqlite_configuration
from tollkeeper_server.store.sqlite import placements as sqlite_placements
from tollkeeper_server.store.sqlite import tokens as sqlite_tokens
from tollkeeper_server.store.sqlite import usage as sqlite_usage
from tollkeeper_server.store.sqlite.file import SqliteFile


class SqliteStore:
    """Implements `ports.Store` on one file, which several processes of one machine may share."""

    def __init__(self, path: Path, *, busy_seconds: float = 5.0) -> None:
        """Takes the file, and how long to wait for another process that is writing to it."""
        self._file = SqliteFile(path, busy_seconds=busy_seconds)

    async def open(self) -> None:
        """Opens the file, making it if need be, and brings its schema up to date."""
        await self._file.open()

    async def close(self) -> None:
        """Waits for what was begun and closes the file."""
        await self._file.close()

    async def ping(self) -> None:
        """Returns if the file can be read."""
        await self._file.read(lambda connection: connection.execute("SELECT 1").fetchone())

    async def config_revision(self) -> int:
        """Returns the number of writes to what is configured, a batch counted as one."""
        return await self._file.read(sqlite_configuration.revision)

    async def read_configuration(self) -> Configuration:
        """Returns what is configured as it was at one moment."""
        return await self._file.read(sqlite_configuration.read)

    async def write_configuration(self, batch: Batch, *, expected: int) -> bool:
        """Writes the batch if the configuration's revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.write(connection, batch, expected)
        )

    async def keep_secret(self, name: str, sealed: str) -> str:
        """Keeps a sealed secret unless there is one of that name; returns the one that is kept."""

        def work(connection: sqlite3.Connection) -> str:
            connection.execute(
                "INSERT INTO secrets (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
                (name, sealed),
            )
            (kept,) = connection.execute("SELECT sealed FROM secrets WHERE name = ?", (name,)).fetchone()
            return str(kept)

        return await self._file.write(work)

    async def list_secrets(self) -> dict[str, str]:
        """Returns the sealed secrets by name."""
        return await self._file.read(
            lambda connection: dict(connection.execute("SELECT name, sealed FROM secrets"))
        )

    async def add_project(self, project: Project) -> None:
        """Adds a project. Raises ALREADY_EXISTS if its id is taken."""
        await self._file.write(lambda connection: sqlite_configuration.add(connection, project))

    async def get_project(self, project_id: str) -> Project | None:
        """Returns the project of that id, or None."""
        return await self._file.read(
            lambda connection: sqlite_configuration.get(connection, Project, project_id)
        )

    async def list_projects(self, *, after: str = "", limit: int, active_only: bool = False) -> list[Project]:
        """Returns a page of projects by id."""
        return await self._file.read(
            lambda connection: sqlite_configuration.page(
                connection, Project, after, limit, active_only=active_only
            )
        )

    async def replace_project(self, project: Project, *, expected: int) -> bool:
        """Writes the project if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.replace(connection, project, expected)
        )

    async def add_upstream(self, upstream: Upstream) -> None:
        """Adds an upstream. Raises ALREADY_EXISTS if its name is taken."""
        await self._file.write(lambda connection: sqlite_configuration.add(connection, upstream))

    async def get_upstream(self, name: str) -> Upstream | None:
        """Returns the upstream of that name, or None."""
        return await self._file.read(lambda connection: sqlite_configuration.get(connection, Upstream, name))

    async def list_upstreams(self, *, after: str = "", limit: int) -> list[Upstream]:
        """Returns a page of upstreams by name."""
        return await self._file.read(
            lambda connection: sqlite_configuration.page(connection, Upstream, after, limit)
        )

    async def replace_upstream(self, upstream: Upstream, *, expected: int) -> bool:
        """Writes the upstream if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.replace(connection, upstream, expected)
        )

    async def delete_upstream(self, name: str, *, expected: int) -> bool:
        """Removes the upstream if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.delete(connection, Kind.UPSTREAM, name, expected)
        )

    async def add_model(self, model: Model) -> None:
        """Adds a model. Raises ALREADY_EXISTS if its name is taken."""
        await self._file.write(lambda connection: sqlite_configuration.add(connection, model))

    async def get_model(self, name: str) -> Model | None:
        """Returns the model of that name, or None."""
        return await self._file.read(lambda connection: sqlite_configuration.get(connection, Model, name))

    async def list_models(self, *, after: str = "", limit: int) -> list[Model]:
        """Returns a page of models by name."""
        return await self._file.read(
            lambda connection: sqlite_configuration.page(connection, Model, after, limit)
        )

    async def replace_model(self, model: Model, *, expected: int) -> bool:
        """Writes the model if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.replace(connection, model, expected)
        )

    async def delete_model(self, name: str, *, expected: int) -> bool:
        """Removes the model if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.delete(connection, Kind.MODEL, name, expected)
        )

    async def add_group(self, group: Group) -> None:
        """Adds a group. Raises ALREADY_EXISTS if its name is taken."""
        await self._file.write(lambda connection: sqlite_configuration.add(connection, group))

    async def get_group(self, name: str) -> Group | None:
        """Returns the group of that name, or None."""
        return await self._file.read(lambda connection: sqlite_configuration.get(connection, Group, name))

    async def list_groups(self, *, after: str = "", limit: int) -> list[Group]:
        """Returns a page of groups by name."""
        return await self._file.read(
            lambda connection: sqlite_configuration.page(connection, Group, after, limit)
        )

    async def replace_group(self, group: Group, *, expected: int) -> bool:
        """Writes the group if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.replace(connection, group, expected)
        )

    async def delete_group(self, name: str, *, expected: int) -> bool:
        """Removes the group if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.delete(connection, Kind.GROUP, name, expected)
        )

    async def add_listener(self, listener: Listener) -> None:
        """Adds a listener. Raises ALREADY_EXISTS if its name is taken."""
        await self._file.write(lambda connection: sqlite_configuration.add(connection, listener))

    async def get_listener(self, name: str) -> Listener | None:
        """Returns the listener of that name, or None."""
        return await self._file.read(lambda connection: sqlite_configuration.get(connection, Listener, name))

    async def list_listeners(self, *, after: str = "", limit: int) -> list[Listener]:
        """Returns a page of listeners by name."""
        return await self._file.read(
            lambda connection: sqlite_configuration.page(connection, Listener, after, limit)
        )

    async def replace_listener(self, listener: Listener, *, expected: int) -> bool:
        """Writes the listener if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.replace(connection, listener, expected)
        )

    async def delete_listener(self, name: str, *, expected: int) -> bool:
        """Removes the listener if the stored revision is `expected`."""
        return await self._file.write(
            lambda connection: sqlite_configuration.delete(connection, Kind.LISTENER, name, expected)
        )

    async def add_token(self, token: Token) -> None:
        """Adds a token. Raises ALREADY_EXISTS if another has its digest."""
        await self._file.write(lambda connection: sqlite_tokens.add(connection, token))

    async def get_token(self, token_id: str) -> Token | None:
        """Returns the token of that id, or None."""
        return await self._file.read(lambda connection: sqlite_tokens.get(connection, token_id))

    async def find_token(self, digest: str) -> Token | None:
        """Returns the token with that digest, or None."""
        return await self._file.read(lambda connection: sqlite_tokens.find(connection, digest))

    async def list_tokens(
        self, *, after: str = "", limit: int, project_id: str = "", active_at: datetime | None = None
    ) -> list[Token]:
        """Returns a page of tokens by id."""
        return await self._file.read(
            lambda connection: sqlite_tokens.page(connection, after, limit, project_id, active_at)
        )

    async def replace_token(self, token: Token, *, expected: int) -> bool:
        """Writes the token, but not its counters, if the stored revision is `expected`."""
        return await self._file.write(lambda connection: sqlite_tokens.replace(connection, token, expected))

    async def list_changed_tokens(self, *, since: datetime, limit: int) -> list[Token]:
        """Returns the tokens that changed last."""
        return await self._file.read(lambda connection: sqlite_tokens.changed(connection, since, limit))

    async def admit_request(self, token_id: str, *, at: datetime) -> bool:
        """Counts one request of a token with a limit, unless the limit is reached."""
        return await self._file.write(lambda connection: sqlite_tokens.admit(connection, token_id, at))

    async def add_usage(self, events: Sequence[UsageEvent]) -> int:
        """Writes the events that are new, and moves the counters of their tokens."""
        return await self._file.write(lambda connection: sqlite_usage.add(connection, events))

    async def list_usage(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """Returns a page of events, newest first."""
        return await self._file.read(lambda connection: sqlite_usage.page(connection, where, before, limit))

    async def sum_usage(
        self, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int
    ) -> list[UsageRow]:
        """Returns the sums by group."""
        return await self._file.read(lambda connection: sqlite_usage.sums(connection, where, group_by, limit))

    async def add_placements(self, placements: Sequence[Placement]) -> None:
        """Writes placements, each in place of what has its id."""
        await self._file.write(lambda connection: sqlite_placements.add(connection, placements))

    async def find_placement(self, placement_id: str) -> Placement | None:
        """Returns the placement of that id, or None."""
        return await self._file.read(lambda connection: sqlite_placements.find(connection, placement_id))

    async def delete_placements_before(self, at: datetime, *, limit: int) -> int:
        """Removes up to `limit` placements used before `at`, the oldest first; returns how many."""
        return await self._file.write(
            lambda connection: sqlite_placements.delete_before(connection, at, limit)
        )
