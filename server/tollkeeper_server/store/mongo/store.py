"""The store in MongoDB, through PyMongo's asyncio API.

No transactions and no change streams: every invariant is a unique key or an update of one document, so
a standalone server, a replica set and a sharded cluster all do.
"""

from collections.abc import Sequence
from datetime import datetime

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from tollkeeper_server.domain.configuration import Batch, Configuration, Kind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.store.mongo import placements as mongo_placements
from tollkeeper_server.store.mongo import tokens as mongo_tokens
from tollkeeper_server.store.mongo import usage as mongo_usage
from tollkeeper_server.store.mongo.configuration import MongoConfiguration
from tollkeeper_server.store.mongo.connection import MongoConnection
from tollkeeper_server.store.mongo.schema import Document


class MongoStore:
    """Implements `ports.Store` on one database, which any number of machines may share."""

    def __init__(self, url: str) -> None:
        """Takes a URL; its path names the database, `tollkeeper` if it has none."""
        self._connection = MongoConnection(url)
        self._configuration = MongoConfiguration(self._connection)

    async def open(self) -> None:
        """Connects and brings the schema up to date."""
        await self._connection.open()
        try:
            await self._connection.run(self._configuration.forget_deletions())
        except BaseException:
            await self._connection.close()
            raise

    async def close(self) -> None:
        """Waits for what was begun and disconnects."""
        await self._connection.close()

    async def ping(self) -> None:
        """Returns if the server answers."""

        async def work() -> None:
            await self._connection.database.command("ping")

        await self._connection.run(work())

    async def config_revision(self) -> int:
        """Returns the number of writes to what is configured, a batch counted as one."""
        return await self._connection.run(self._configuration.revision())

    async def read_configuration(self) -> Configuration:
        """Returns what is configured as it was at one moment."""
        return await self._connection.run(self._configuration.read())

    async def write_configuration(self, batch: Batch, *, expected: int) -> bool:
        """Writes the batch if the configuration's revision is `expected`."""
        return await self._connection.run(self._configuration.write(batch, expected))

    async def keep_secret(self, name: str, sealed: str) -> str:
        """Keeps a sealed secret unless there is one of that name; returns the one that is kept."""

        async def work() -> str:
            try:
                await self._collection("secrets").insert_one({"_id": name, "sealed": sealed})
            except DuplicateKeyError:
                found = await self._collection("secrets").find_one({"_id": name})
                return str(found["sealed"]) if found else sealed
            return sealed

        return await self._connection.run(work())

    async def list_secrets(self) -> dict[str, str]:
        """Returns the sealed secrets by name."""

        async def work() -> dict[str, str]:
            found = self._collection("secrets").find({})
            return {str(secret["_id"]): str(secret["sealed"]) async for secret in found}

        return await self._connection.run(work())

    async def add_project(self, project: Project) -> None:
        """Adds a project. Raises ALREADY_EXISTS if its id is taken."""
        await self._connection.run(self._configuration.add(project))

    async def get_project(self, project_id: str) -> Project | None:
        """Returns the project of that id, or None."""
        return await self._connection.run(self._configuration.get(Project, project_id))

    async def list_projects(self, *, after: str = "", limit: int, active_only: bool = False) -> list[Project]:
        """Returns a page of projects by id."""
        return await self._connection.run(
            self._configuration.page(Project, after, limit, active_only=active_only)
        )

    async def replace_project(self, project: Project, *, expected: int) -> bool:
        """Writes the project if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.replace(project, expected))

    async def add_upstream(self, upstream: Upstream) -> None:
        """Adds an upstream. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._configuration.add(upstream))

    async def get_upstream(self, name: str) -> Upstream | None:
        """Returns the upstream of that name, or None."""
        return await self._connection.run(self._configuration.get(Upstream, name))

    async def list_upstreams(self, *, after: str = "", limit: int) -> list[Upstream]:
        """Returns a page of upstreams by name."""
        return await self._connection.run(self._configuration.page(Upstream, after, limit))

    async def replace_upstream(self, upstream: Upstream, *, expected: int) -> bool:
        """Writes the upstream if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.replace(upstream, expected))

    async def delete_upstream(self, name: str, *, expected: int) -> bool:
        """Removes the upstream if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.delete(Kind.UPSTREAM, name, expected))

    async def add_model(self, model: Model) -> None:
        """Adds a model. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._configuration.add(model))

    async def get_model(self, name: str) -> Model | None:
        """Returns the model of that name, or None."""
        return await self._connection.run(self._configuration.get(Model, name))

    async def list_models(self, *, after: str = "", limit: int) -> list[Model]:
        """Returns a page of models by name."""
        return await self._connection.run(self._configuration.page(Model, after, limit))

    async def replace_model(self, model: Model, *, expected: int) -> bool:
        """Writes the model if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.replace(model, expected))

    async def delete_model(self, name: str, *, expected: int) -> bool:
        """Removes the model if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.delete(Kind.MODEL, name, expected))

    async def add_group(self, group: Group) -> None:
        """Adds a group. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._configuration.add(group))

    async def get_group(self, name: str) -> Group | None:
        """Returns the group of that name, or None."""
        return await self._connection.run(self._configuration.get(Group, name))

    async def list_groups(self, *, after: str = "", limit: int) -> list[Group]:
        """Returns a page of groups by name."""
        return await self._connection.run(self._configuration.page(Group, after, limit))

    async def replace_group(self, group: Group, *, expected: int) -> bool:
        """Writes the group if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.replace(group, expected))

    async def delete_group(self, name: str, *, expected: int) -> bool:
        """Removes the group if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.delete(Kind.GROUP, name, expected))

    async def add_listener(self, listener: Listener) -> None:
        """Adds a listener. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._configuration.add(listener))

    async def get_listener(self, name: str) -> Listener | None:
        """Returns the listener of that name, or None."""
        return await self._connection.run(self._configuration.get(Listener, name))

    async def list_listeners(self, *, after: str = "", limit: int) -> list[Listener]:
        """Returns a page of listeners by name."""
        return await self._connection.run(self._configuration.page(Listener, after, limit))

    async def replace_listener(self, listener: Listener, *, expected: int) -> bool:
        """Writes the listener if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.replace(listener, expected))

    async def delete_listener(self, name: str, *, expected: int) -> bool:
        """Removes the listener if the stored revision is `expected`."""
        return await self._connection.run(self._configuration.delete(Kind.LISTENER, name, expected))

    async def add_token(self, token: Token) -> None:
        """Adds a token. Raises ALREADY_EXISTS if another has its digest."""
        await self._connection.run(mongo_tokens.add(self._connection, token))

    async def get_token(self, token_id: str) -> Token | None:
        """Returns the token of that id, or None."""
        return await self._connection.run(mongo_tokens.find_one(self._connection, {"_id": token_id}))

    async def find_token(self, digest: str) -> Token | None:
        """Returns the token with that digest, or None."""
        return await self._connection.run(mongo_tokens.find_one(self._connection, {"digest": digest}))

    async def list_tokens(
        self, *, after: str = "", limit: int, project_id: str = "", active_at: datetime | None = None
    ) -> list[Token]:
        """Returns a page of tokens by id."""
        return await self._connection.run(
            mongo_tokens.page(self._connection, after, limit, project_id, active_at)
        )

    async def replace_token(self, token: Token, *, expected: int) -> bool:
        """Writes the token, but not its counters, if the stored revision is `expected`."""
        return await self._connection.run(mongo_tokens.replace(self._connection, token, expected))

    async def list_changed_tokens(self, *, since: datetime, limit: int) -> list[Token]:
        """Returns the tokens that changed last."""
        return await self._connection.run(mongo_tokens.changed(self._connection, since, limit))

    async def admit_request(self, token_id: str, *, at: datetime) -> bool:
        """Counts one request of a token with a limit, unless the limit is reached."""
        return await self._connection.run(mongo_tokens.admit(self._connection, token_id, at))

    async def add_usage(self, events: Sequence[UsageEvent]) -> int:
        """Writes the events that are new, and moves the counters of their tokens.

        A process or a server that dies between the two leaves `request_count` of tokens without a limit
        behind the events, never ahead of them.
        """
        return await self._connection.run(mongo_usage.add(self._connection, events))

    async def list_usage(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """Returns a page of events, newest first."""
        return await self._connection.run(mongo_usage.page(self._connection, where, before, limit))

    async def sum_usage(
        self, where: UsageFilter, *, group_by: Sequence[UsageGroup], limit: int
    ) -> list[UsageRow]:
        """Returns the sums by group."""
        return await self._connection.run(mongo_usage.sums(self._connection, where, group_by, limit))

    async def add_placements(self, placements: Sequence[Placement]) -> None:
        """Writes placements, each in place of what has its id."""
        await self._connection.run(mongo_placements.add(self._connection, placements))

    async def find_placement(self, placement_id: str) -> Placement | None:
        """Returns the placement of that id, or None."""
        return await self._connection.run(mongo_placements.find(self._connection, placement_id))

    async def delete_placements_before(self, at: datetime, *, limit: int) -> int:
        """Removes up to `limit` placements used before `at`, the oldest first; returns how many."""
        return await self._connection.run(mongo_placements.delete_before(self._connection, at, limit))

    def _collection(self, name: str) -> AsyncCollection[Document]:
        return self._connection.database[name]
