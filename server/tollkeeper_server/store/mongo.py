"""The store in MongoDB, through PyMongo's asyncio API.

No transactions and no change streams: every invariant is a unique key or an update of one document, so
a standalone server, a replica set and a sharded cluster all do.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.domain.usage import UsageEvent, UsageFilter, UsageGroup, UsageRow
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.store import mongo_tokens, mongo_usage
from tollkeeper_server.store.documents import from_document, to_document
from tollkeeper_server.store.mongo_connection import MongoConnection
from tollkeeper_server.store.mongo_schema import Document

_T = TypeVar("_T", bound=msgspec.Struct)
_PROJECTS, _UPSTREAMS, _MODELS = "projects", "upstreams", "models"
_GROUPS, _LISTENERS = "groups", "listeners"
_KEYS = {_PROJECTS: "id", _UPSTREAMS: "name", _MODELS: "name", _GROUPS: "name", _LISTENERS: "name"}


class MongoStore:
    """Implements `ports.Store` on one database, which any number of machines may share."""

    def __init__(self, url: str) -> None:
        """Takes a URL; its path names the database, `tollkeeper` if it has none."""
        self._connection = MongoConnection(url)

    async def open(self) -> None:
        """Connects and brings the schema up to date."""
        await self._connection.open()

    async def close(self) -> None:
        """Waits for what was begun and disconnects."""
        await self._connection.close()

    async def ping(self) -> None:
        """Returns if the server answers."""

        async def work() -> None:
            await self._connection.database.command("ping")

        await self._connection.run(work())

    async def config_revision(self) -> int:
        """Returns the number of writes to projects, upstreams and models."""

        async def work() -> int:
            found = await self._collection("meta").find_one({"_id": "configuration"})
            return msgspec.convert(found["revision"], int) if found else 0

        return await self._connection.run(work())

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
        await self._connection.run(self._add(_PROJECTS, project))

    async def get_project(self, project_id: str) -> Project | None:
        """Returns the project of that id, or None."""
        return await self._connection.run(self._get(_PROJECTS, project_id, Project))

    async def list_projects(self, *, after: str = "", limit: int, active_only: bool = False) -> list[Project]:
        """Returns a page of projects by id."""
        where: Document = {"is_active": True} if active_only else {}
        return await self._connection.run(self._list(_PROJECTS, Project, after, limit, where))

    async def replace_project(self, project: Project, *, expected: int) -> bool:
        """Writes the project if the stored revision is `expected`."""
        return await self._connection.run(self._replace(_PROJECTS, project, expected))

    async def add_upstream(self, upstream: Upstream) -> None:
        """Adds an upstream. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._add(_UPSTREAMS, upstream))

    async def get_upstream(self, name: str) -> Upstream | None:
        """Returns the upstream of that name, or None."""
        return await self._connection.run(self._get(_UPSTREAMS, name, Upstream))

    async def list_upstreams(self, *, after: str = "", limit: int) -> list[Upstream]:
        """Returns a page of upstreams by name."""
        return await self._connection.run(self._list(_UPSTREAMS, Upstream, after, limit, {}))

    async def replace_upstream(self, upstream: Upstream, *, expected: int) -> bool:
        """Writes the upstream if the stored revision is `expected`."""
        return await self._connection.run(self._replace(_UPSTREAMS, upstream, expected))

    async def delete_upstream(self, name: str, *, expected: int) -> bool:
        """Removes the upstream if the stored revision is `expected`."""
        return await self._connection.run(self._delete(_UPSTREAMS, name, expected))

    async def add_model(self, model: Model) -> None:
        """Adds a model. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._add(_MODELS, model))

    async def get_model(self, name: str) -> Model | None:
        """Returns the model of that name, or None."""
        return await self._connection.run(self._get(_MODELS, name, Model))

    async def list_models(self, *, after: str = "", limit: int) -> list[Model]:
        """Returns a page of models by name."""
        return await self._connection.run(self._list(_MODELS, Model, after, limit, {}))

    async def replace_model(self, model: Model, *, expected: int) -> bool:
        """Writes the model if the stored revision is `expected`."""
        return await self._connection.run(self._replace(_MODELS, model, expected))

    async def delete_model(self, name: str, *, expected: int) -> bool:
        """Removes the model if the stored revision is `expected`."""
        return await self._connection.run(self._delete(_MODELS, name, expected))

    async def add_group(self, group: Group) -> None:
        """Adds a group. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._add(_GROUPS, group))

    async def get_group(self, name: str) -> Group | None:
        """Returns the group of that name, or None."""
        return await self._connection.run(self._get(_GROUPS, name, Group))

    async def list_groups(self, *, after: str = "", limit: int) -> list[Group]:
        """Returns a page of groups by name."""
        return await self._connection.run(self._list(_GROUPS, Group, after, limit, {}))

    async def replace_group(self, group: Group, *, expected: int) -> bool:
        """Writes the group if the stored revision is `expected`."""
        return await self._connection.run(self._replace(_GROUPS, group, expected))

    async def delete_group(self, name: str, *, expected: int) -> bool:
        """Removes the group if the stored revision is `expected`."""
        return await self._connection.run(self._delete(_GROUPS, name, expected))

    async def add_listener(self, listener: Listener) -> None:
        """Adds a listener. Raises ALREADY_EXISTS if its name is taken."""
        await self._connection.run(self._add(_LISTENERS, listener))

    async def get_listener(self, name: str) -> Listener | None:
        """Returns the listener of that name, or None."""
        return await self._connection.run(self._get(_LISTENERS, name, Listener))

    async def list_listeners(self, *, after: str = "", limit: int) -> list[Listener]:
        """Returns a page of listeners by name."""
        return await self._connection.run(self._list(_LISTENERS, Listener, after, limit, {}))

    async def replace_listener(self, listener: Listener, *, expected: int) -> bool:
        """Writes the listener if the stored revision is `expected`."""
        return await self._connection.run(self._replace(_LISTENERS, listener, expected))

    async def delete_listener(self, name: str, *, expected: int) -> bool:
        """Removes the listener if the stored revision is `expected`."""
        return await self._connection.run(self._delete(_LISTENERS, name, expected))

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

    def _collection(self, name: str) -> AsyncCollection[Document]:
        return self._connection.database[name]

    async def _add(self, name: str, entity: msgspec.Struct) -> None:
        document = _stored(name, entity)
        try:
            await self._collection(name).insert_one(document)
        except DuplicateKeyError as error:
            raise TollkeeperError(
                Reason.ALREADY_EXISTS,
                f"{name.removesuffix('s')} {document['_id']!r} exists already; choose another name, "
                "or update that one",
                field="name",
            ) from error
        await self._move_revision()

    async def _get(self, name: str, key: str, kind: type[_T]) -> _T | None:
        found = await self._collection(name).find_one({"_id": key})
        return _entity(name, found, kind) if found else None

    async def _list(self, name: str, kind: type[_T], after: str, limit: int, where: Document) -> list[_T]:
        found = self._collection(name).find({"_id": {"$gt": after}, **where}).sort("_id", 1).limit(limit)
        return [_entity(name, document, kind) async for document in found]

    async def _replace(self, name: str, entity: msgspec.Struct, expected: int) -> bool:
        document = _stored(name, entity)
        done = await self._collection(name).replace_one(
            {"_id": document["_id"], "revision": expected}, document
        )
        return await self._moved(done.matched_count)

    async def _delete(self, name: str, key: str, expected: int) -> bool:
        done = await self._collection(name).delete_one({"_id": key, "revision": expected})
        return await self._moved(done.deleted_count)

    async def _moved(self, written: int) -> bool:
        if written:
            await self._move_revision()
        return written == 1

    async def _move_revision(self) -> None:
        # After the write: who sees the new revision also sees what was written.
        meta = self._collection("meta")
        move = {"$inc": {"revision": 1}}
        try:
            await meta.update_one({"_id": "configuration"}, move, upsert=True)
        except DuplicateKeyError:  # another process was first to insert it
            await meta.update_one({"_id": "configuration"}, move)


def _stored(name: str, entity: msgspec.Struct) -> Document:
    document = to_document(entity)
    return {"_id": document.pop(_KEYS[name]), **document}


def _entity(name: str, document: Document, kind: type[_T]) -> _T:
    return from_document({_KEYS[name]: document["_id"], **document}, kind)
