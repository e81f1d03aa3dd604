"""What the tests of this room are made with."""

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from tollkeeper_server.coordination.ports import Placements
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.usage import UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.sqlite.configuration import SqliteConfiguration
from tollkeeper_server.store.sqlite.placements import SqlitePlacements
from tollkeeper_server.store.sqlite.store import SqliteStore
from tollkeeper_server.store.sqlite.tokens import SqliteTokens

Key = TypeVar("Key")
Found = TypeVar("Found")

_numbers = itertools.count(1)

LIFETIME = 300.0
UNKNOWN_LIFETIME = 5.0


def digest_of(number: int) -> str:
    """Return the digest that belongs to a number."""
    return f"{number:064x}"


def make_token(number: int | None = None, **fields: object) -> Token:
    """Return a token with a digest of its own, changed just now."""
    now = datetime.now(UTC)
    token = Token(
        id=new_id(Prefix.TOKEN),
        project_id=new_id(Prefix.PROJECT),
        digest=digest_of(next(_numbers) if number is None else number),
        hint="sk-tk-ab...wxyz",
        created_at=now,
        updated_at=now,
    )
    return msgspec.structs.replace(token, **fields)


def edited(token: Token, **fields: object) -> Token:
    """Return the next revision of a token."""
    return msgspec.structs.replace(
        token, **{"revision": token.revision + 1, "updated_at": datetime.now(UTC), **fields}
    )


class WatchedStore(SqliteStore):
    """A real store that notes what it is asked, and that can be away or slow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.configuration = _WatchedConfiguration(self)
        self.tokens = _WatchedTokens(self)
        self.placements = _WatchedPlacements(self)
        self.asked: list[str] = []
        self.added: list[str] = []
        self.away = False
        self.deaf = False
        """Whether it does not say what changed, as if only the polling were cut off."""
        self.has_read = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def answer_a_poll(self) -> None:
        """Fail if the store does not say what changed."""
        if self.away or self.deaf:
            raise StoreUnavailableError("the store")

    async def answer(self, key: Key, read: Callable[[Key], Awaitable[Found]]) -> Found:
        """Return what is read for a key when the store may answer."""
        if self.away:
            raise StoreUnavailableError("the store")
        found = await read(key)
        self.has_read.set()
        await self.may_answer.wait()
        return found

    async def edit(self, token: Token, **fields: object) -> Token:
        """Write the next revision of a token, and returns it."""
        newer = edited(token, **fields)
        assert await self.tokens.replace(newer, expected=token.revision)
        return newer


class _WatchedConfiguration(SqliteConfiguration):
    def __init__(self, store: WatchedStore) -> None:
        super().__init__(store._connection)
        self._store = store

    async def revision(self) -> int:
        self._store.answer_a_poll()
        return await super().revision()


class _WatchedTokens(SqliteTokens):
    def __init__(self, store: WatchedStore) -> None:
        super().__init__(store._connection)
        self._store = store

    async def find(self, digest: str) -> Token | None:
        self._store.asked.append(digest)
        return await self._store.answer(digest, super().find)

    async def changed(self, *, since: datetime, limit: int) -> list[Token]:
        self._store.answer_a_poll()
        return await super().changed(since=since, limit=limit)


class _WatchedPlacements(SqlitePlacements):
    def __init__(self, store: WatchedStore) -> None:
        super().__init__(store._connection)
        self._store = store

    async def find_many(self, placement_ids: Collection[str]) -> dict[str, Placement]:
        self._store.asked += [*placement_ids]
        return await self._store.answer(placement_ids, super().find_many)

    async def add(self, placements: Sequence[Placement]) -> set[str]:
        self._store.added += [placement.id for placement in placements]
        if self._store.away:
            raise StoreUnavailableError("the store")
        return await super().add(placements)

    async def settle(self, placement_id: str) -> bool:
        if self._store.away:
            raise StoreUnavailableError("the store")
        return await super().settle(placement_id)


async def upstream_of(placements: Placements, placement_id: str) -> str | None:
    """Return the upstream that is known to have something, None if none is."""
    found = (await placements.find_many([placement_id])).get(placement_id)
    return found.upstream if found is not None else None


async def owned(placements: Placements, project_id: str, placement_ids: Collection[str]) -> set[str]:
    """Return those of the ids whose things are the project's."""
    found = await placements.find_many(placement_ids)
    return {one for one, placement in found.items() if placement.project_id == project_id}


async def pending_of(placements: Placements, placement_id: str) -> UsageEvent | None:
    """Return the usage event that waits for the end of something, None if none does."""
    found = (await placements.find_many([placement_id])).get(placement_id)
    return found.pending if found is not None else None


async def eventually(condition: Callable[[], object]) -> None:
    """Return when the condition, awaited if need be, holds: for what has no event to await.

    Raises TimeoutError after a minute. (The test's own time limit might hit a task in the background.)
    """
    async with asyncio.timeout(60):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.005)
