"""What the tests of this room are made with."""

import asyncio
import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.store.sqlite.store import SqliteStore

_numbers = itertools.count(1)

LIFETIME = 300.0
UNKNOWN_LIFETIME = 5.0


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def digest_of(number: int) -> str:
    """Returns the digest that belongs to a number."""
    return f"{number:064x}"


def make_token(number: int | None = None, **fields: object) -> Token:
    """Returns a token with a digest of its own, changed just now."""
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
    """Returns the next revision of a token."""
    return msgspec.structs.replace(
        token, **{"revision": token.revision + 1, "updated_at": datetime.now(UTC), **fields}
    )


class WatchedStore(SqliteStore):
    """A real store that notes what it is asked, and that can be away or slow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []
        self.added: list[str] = []
        self.away = False
        self.deaf = False
        """Whether it does not say what changed, as if only the polling were cut off."""
        self.has_read = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def find_token(self, digest: str) -> Token | None:
        self.asked.append(digest)
        if self.away:
            raise StoreUnavailableError("the store")
        token = await super().find_token(digest)
        self.has_read.set()
        await self.may_answer.wait()
        return token

    async def find_placement(self, placement_id: str) -> Placement | None:
        self.asked.append(placement_id)
        if self.away:
            raise StoreUnavailableError("the store")
        placement = await super().find_placement(placement_id)
        self.has_read.set()
        await self.may_answer.wait()
        return placement

    async def add_placements(self, placements: Sequence[Placement]) -> None:
        self.added += [placement.id for placement in placements]
        if self.away:
            raise StoreUnavailableError("the store")
        await super().add_placements(placements)

    async def list_changed_tokens(self, *, since: datetime, limit: int) -> list[Token]:
        if self.away or self.deaf:
            raise StoreUnavailableError("the store")
        return await super().list_changed_tokens(since=since, limit=limit)

    async def config_revision(self) -> int:
        if self.away or self.deaf:
            raise StoreUnavailableError("the store")
        return await super().config_revision()

    async def edit(self, token: Token, **fields: object) -> Token:
        """Writes the next revision of a token, and returns it."""
        newer = edited(token, **fields)
        assert await self.replace_token(newer, expected=token.revision)
        return newer


async def eventually(condition: Callable[[], object]) -> None:
    """Returns when the condition, awaited if need be, holds: for what has no event to await.

    Raises TimeoutError after a minute. (The test's own time limit might hit a task in the background.)
    """
    async with asyncio.timeout(60):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.005)
