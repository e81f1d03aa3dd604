"""A store as calls see it that are to be checked alone: it answers as if it were written, and is not.

What it refuses is what the store itself would refuse at that moment; what was written to it is not read.
"""

import builtins
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypeVar

from tollkeeper_server.domain.configuration import Batch, Configuration, Entity, key_of
from tollkeeper_server.domain.listing import EntityFilter, Page
from tollkeeper_server.domain.token import Token, TokenFilter
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore
from tollkeeper_server.store.refusals import key_taken, secret_taken

_E = TypeVar("_E", bound=Entity)


class TrialConfiguration:
    """Implements `ports.ConfigurationStore` on another one, which it reads alone."""

    def __init__(self, store: ConfigurationStore) -> None:
        self._store = store

    async def revision(self) -> int:
        """As the port says."""
        return await self._store.revision()

    async def read(self) -> Configuration:
        """As the port says."""
        return await self._store.read()

    async def write(self, batch: Batch, *, expected: int) -> bool:  # noqa: ARG002 - nothing is written
        """Return whether the batch would be written."""
        return await self._store.revision() == expected

    async def get(self, entity_type: type[_E], key: str) -> _E | None:
        """As the port says."""
        return await self._store.get(entity_type, key)

    async def find_many(self, entity_type: type[_E], keys: Collection[str]) -> dict[str, _E]:
        """As the port says."""
        return await self._store.find_many(entity_type, keys)

    async def page(self, entity_type: type[_E], where: EntityFilter, page: Page) -> list[_E]:
        """As the port says."""
        return await self._store.page(entity_type, where, page)

    async def count(self, entity_type: type[Entity], where: EntityFilter, *, most: int) -> int:
        """As the port says."""
        return await self._store.count(entity_type, where, most=most)

    async def add(self, entity: Entity) -> None:
        """Raise ALREADY_EXISTS if the entity's key is taken."""
        if await self._store.get(type(entity), key_of(entity)) is not None:
            raise key_taken(entity)

    async def replace(self, entity: Entity, *, expected: int) -> bool:
        """Return whether the entity would be written."""
        return await self._has(type(entity), key_of(entity), expected)

    async def delete(self, entity_type: type[Entity], key: str, *, expected: int) -> bool:
        """Return whether the entity would be removed."""
        return await self._has(entity_type, key, expected)

    async def list(self, entity_type: type[_E], *, after: str = "", limit: int) -> builtins.list[_E]:
        """As the port says."""
        return await self._store.list(entity_type, after=after, limit=limit)

    async def _has(self, entity_type: type[Entity], key: str, revision: int) -> bool:
        entity = await self._store.get(entity_type, key)
        return entity is not None and entity.revision == revision


class TrialTokens:
    """Implements `ports.TokenStore` on another one, which it reads alone."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    async def add(self, token: Token) -> None:
        """Raise ALREADY_EXISTS if another token has its digest."""
        if await self._store.find(token.digest) is not None:
            raise secret_taken()

    async def get(self, token_id: str) -> Token | None:
        """As the port says."""
        return await self._store.get(token_id)

    async def find(self, digest: str) -> Token | None:
        """As the port says."""
        return await self._store.find(digest)

    async def replace(self, token: Token, *, expected: int) -> bool:
        """Return whether the token would be written. Raises ALREADY_EXISTS as `add` does."""
        present = await self._store.get(token.id)
        if present is None or present.revision != expected:
            return False
        if token.digest != present.digest:
            await self.add(token)
        return True

    async def names(self, token_ids: Collection[str]) -> Mapping[str, str]:
        """As the port says."""
        return await self._store.names(token_ids)

    async def changed(self, *, since: datetime, limit: int) -> list[Token]:
        """As the port says."""
        return await self._store.changed(since=since, limit=limit)

    async def admit(self, token_id: str, *, at: datetime) -> bool:  # noqa: ARG002 - nothing is counted
        """Return whether a request would be counted."""
        token = await self._store.get(token_id)
        return token is not None and token.request_count < token.max_requests

    async def page(self, where: TokenFilter, page: Page) -> list[Token]:
        """As the port says."""
        return await self._store.page(where, page)

    async def count(self, where: TokenFilter, *, most: int) -> int:
        """As the port says."""
        return await self._store.count(where, most=most)

    async def allowed_models(self, start: str, *, limit: int) -> builtins.list[str]:
        """As the port says."""
        return await self._store.allowed_models(start, limit=limit)

    async def limited(self, *, limit: int) -> builtins.list[Token]:
        """As the port says."""
        return await self._store.limited(limit=limit)

    async def last_used(self, project_ids: Collection[str]) -> dict[str, datetime]:
        """As the port says."""
        return await self._store.last_used(project_ids)

    async def list(self, *, after: str = "", limit: int, project_id: str = "") -> builtins.list[Token]:
        """As the port says."""
        return await self._store.list(after=after, limit=limit, project_id=project_id)
