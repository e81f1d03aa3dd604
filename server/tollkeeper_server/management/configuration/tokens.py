"""Tokens of a described configuration: found by their names within their projects, made or changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, digest_secret, mask, new_secret
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.configuration.described import describe_token
from tollkeeper_server.management.configuration.differences import differences
from tollkeeper_server.management.configuration.planning import ROOT
from tollkeeper_server.management.configuration.refusals import Refusals
from tollkeeper_server.management.etags import edit
from tollkeeper_server.management.paging import every
from tollkeeper_server.store.ports import TokenStore


@dataclass(frozen=True, slots=True)
class TokenEdit:
    """A token that is to be written. `secret` is one that was made for it, empty if none was."""

    before: Token | None
    after: Token
    project: str
    secret: str

    def change(self, *, reveals: bool) -> pb.ConfigurationChange:
        """Returns what is told of it, with the secret that was made if it `reveals` that."""
        before = self.before
        return pb.ConfigurationChange(
            kind="token",
            name=f"{self.project}/{self.after.name}",
            action=pb.CHANGE_ACTION_UPDATE if before else pb.CHANGE_ACTION_CREATE,
            fields=differences(
                describe_token(before) if before else None,
                describe_token(self.after),
                secrets=["secret"] if before and before.digest != self.after.digest else [],
            ),
            secret=self.secret if reveals else "",
        )


class ConfiguredTokens:
    """Plans and makes the changes of tokens. Tokens are matched by name, of several the eldest active one."""

    def __init__(self, store: TokenStore, digest_key: bytes, changes: Changes) -> None:
        self._store = store
        self._digest_key = digest_key
        self._changes = changes

    async def plan(
        self, described: Iterable[pb.ConfiguredProject], projects: Iterable[Project], now: datetime
    ) -> list[TokenEdit]:
        """Returns what is to be written, given the projects that the described ones become.

        Raises ALREADY_EXISTS for a secret that another token has, INVALID_ARGUMENT for a name given twice.
        """
        refusals, edits = Refusals(), []
        owners: dict[str, str] = {}  # who is to have a secret, by its digest
        for index, (wanted, project) in enumerate(zip(described, projects, strict=True)):
            present = await self._present(project) if wanted.tokens else {}
            seen: set[str] = set()
            for position, it in enumerate(wanted.tokens):
                path = f"{ROOT}.projects[{index}].tokens[{position}]"
                if it.name in seen:
                    refusals.add(f"{path}.name", "another token of the project has it, too; leave one out")
                    continue
                seen.add(it.name)
                found = self._edit(it, project, present.get(it.name, []), now)
                problem = await self._taken(found, owners, path)
                if problem:
                    refusals.add(f"{path}.secret", problem, Reason.ALREADY_EXISTS)
                if found.after != found.before:
                    edits.append(found)
        refusals.raise_any()
        return edits

    async def write(self, planned: TokenEdit, now: datetime) -> None:
        """Writes one, and tells everybody. Raises ALREADY_EXISTS if another got its secret meanwhile."""
        wanted, before = planned.after, planned.before
        if before is None:
            await self._store.add(wanted)
            await self._changes.publish(Change(token=wanted))
            return

        async def read() -> Token:
            token = await self._store.get(wanted.id)
            if token is None:
                raise TollkeeperError(Reason.NOT_FOUND, f"there is no token {wanted.id} any more; try again")
            return token

        async def change(token: Token) -> Token:
            return msgspec.structs.replace(
                token,
                digest=wanted.digest,
                hint=wanted.hint,
                is_active=wanted.is_active,
                deactivated_at=wanted.deactivated_at,
                max_requests=wanted.max_requests,
                allowed_models=wanted.allowed_models,
            )

        old, new = await edit(read, change, self._store.replace, etag="", now=now)
        if new is not old:
            retired = old.digest if old.digest != new.digest else ""
            await self._changes.publish(Change(token=new, retired_digest=retired))

    async def _present(self, project: Project) -> dict[str, list[Token]]:
        found: dict[str, list[Token]] = {}
        read = partial(self._store.list, project_id=project.id)
        async for token in every(read, lambda it: it.id):
            found.setdefault(token.name, []).append(token)
        return found

    def _edit(
        self, wanted: pb.ConfiguredToken, project: Project, present: list[Token], now: datetime
    ) -> TokenEdit:
        digest = digest_secret(wanted.secret.encode(), self._digest_key) if wanted.secret else ""
        before = min(present, key=lambda it: (it.digest != digest, not it.is_active, it.id), default=None)
        made = "" if before or wanted.secret else new_secret()
        secret = wanted.secret or made
        after = before or Token(
            id=new_id(Prefix.TOKEN),
            project_id=project.id,
            name=wanted.name,
            digest="",
            hint="",
            created_at=now,
            updated_at=now,
        )
        after = msgspec.structs.replace(
            after, max_requests=wanted.max_requests, allowed_models=tuple(wanted.allowed_models)
        )
        if wanted.HasField("is_active") and wanted.is_active != after.is_active:
            after = msgspec.structs.replace(
                after, is_active=wanted.is_active, deactivated_at=None if wanted.is_active else now
            )
        if secret and digest_secret(secret.encode(), self._digest_key) != after.digest:
            after = msgspec.structs.replace(
                after, digest=digest_secret(secret.encode(), self._digest_key), hint=mask(secret)
            )
        return TokenEdit(before, after, project.name, made)

    async def _taken(self, planned: TokenEdit, owners: dict[str, str], path: str) -> str:
        """Returns why a token can't have its secret, empty if it can, and notes whose it is."""
        digest = planned.after.digest
        if digest in owners:
            return f"{owners[digest]} has the same; give each one of its own"
        owners[digest] = path
        if planned.before and planned.before.digest == digest:
            return ""
        other = await self._store.find(digest)
        return f"token {other.id} has the same; give this one its own" if other else ""
