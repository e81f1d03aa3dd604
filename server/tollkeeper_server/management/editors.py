"""Edits of projects, tokens and sealed secrets, for single calls and for whole configurations."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, digest_secret, mask, new_secret
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.etags import edit
from tollkeeper_server.store.ports import TokenStore
from tollkeeper_server.store.sealed import Context, Sealer, UnsealError, project_api_key

E = TypeVar("E", Project, Token)


def with_activity(entity: E, is_active: bool, now: datetime) -> E:
    """Return a project or token that is active or not; if it was so already, it is equal."""
    if is_active == entity.is_active:
        return entity
    return msgspec.structs.replace(entity, is_active=is_active, deactivated_at=None if is_active else now)


def seal_again(sealer: Sealer, secret: str, context: Context, before: str | None) -> str | None:
    """Return a secret sealed, None if it is empty. One that is sealed already stays as it is."""
    if not secret:
        return None
    if before is not None:
        try:
            if sealer.open(before, context) == secret:
                return before
        except UnsealError:
            pass  # under a key that is gone: it is replaced
    return sealer.seal(secret, context)


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes the ids of new entities, and the secrets of tokens."""

    new_id: Callable[[Prefix], str] = new_id
    new_secret: Callable[[], str] = new_secret


class ProjectEditor:
    """Makes and changes projects; their keys are sealed."""

    def __init__(self, sealer: Sealer, mint: Mint) -> None:
        self._sealer = sealer
        self._mint = mint

    def new(self, name: str, now: datetime) -> Project:
        """Return a new project, active and without a key."""
        return Project(id=self._mint.new_id(Prefix.PROJECT), name=name, created_at=now, updated_at=now)

    def with_key(self, project: Project, key: str) -> Project:
        """Return a project with that key, or without one if it is empty; with the key it has, it is equal."""
        sealed = seal_again(self._sealer, key, project_api_key(project.id), project.api_key)
        return msgspec.structs.replace(project, api_key=sealed, api_key_hint=mask(key) if key else "")


class TokenEditor:
    """Makes and changes tokens, in the store and for every process that knows them."""

    def __init__(self, store: TokenStore, digest_key: bytes, changes: Changes, mint: Mint) -> None:
        self._store = store
        self._mint = mint
        self._digest_key = digest_key
        self._changes = changes

    def new(self, project_id: str, name: str, secret: str, now: datetime) -> Token:
        """Return a new token, active and without limits."""
        return Token(
            id=self._mint.new_id(Prefix.TOKEN),
            project_id=project_id,
            name=name,
            digest=self.digest(secret),
            hint=mask(secret),
            created_at=now,
            updated_at=now,
        )

    def new_secret(self) -> str:
        """Return a secret that no token has."""
        return self._mint.new_secret()

    def with_secret(self, token: Token, secret: str) -> Token:
        """Return a token with that secret; with the one it has, it is equal."""
        return msgspec.structs.replace(token, digest=self.digest(secret), hint=mask(secret))

    def digest(self, secret: str) -> str:
        """Return the digest by which a secret is known."""
        return digest_secret(secret.encode(), self._digest_key)

    async def find(self, token_id: str) -> Token:
        """Return a token. Raises NOT_FOUND."""
        token = await self._store.get(token_id)
        if token is None:
            raise TollkeeperError(Reason.NOT_FOUND, f"id: there is no token {token_id}", field="id")
        return token

    async def add(self, token: Token) -> None:
        """Write a new token. Raises ALREADY_EXISTS if another has its secret."""
        await self._store.add(token)
        await self._changes.publish(Change(token=token))

    async def edit(
        self, token_id: str, change: Callable[[Token], Awaitable[Token]], *, etag: str = "", now: datetime
    ) -> Token:
        """Change a token and return it. Raises NOT_FOUND, ETAG_MISMATCH, and what `change` raises."""
        before, token = await edit(
            lambda: self.find(token_id), change, self._store.replace, etag=etag, now=now
        )
        if token is not before:
            retired = before.digest if before.digest != token.digest else ""
            await self._changes.publish(Change(token=token, retired_digest=retired))
        return token
