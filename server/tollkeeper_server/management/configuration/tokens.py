"""Tokens of a described configuration: found by their names within their projects, made or changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.configuration.described import describe
from tollkeeper_server.management.configuration.differences import differences
from tollkeeper_server.management.configuration.kinds import ROOT
from tollkeeper_server.management.editors import TokenEditor, with_activity
from tollkeeper_server.management.messages import fields_of
from tollkeeper_server.management.paging import every
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.store.ports import TokenStore

_FIELDS = ("max_requests", "allowed_models", "description", "labels", "limits")


@dataclass(frozen=True, slots=True)
class TokenEdit:
    """A token that is to be written. `secret` is one that was made for it, empty if none was."""

    before: Token | None
    after: Token
    project: str
    secret: str

    def change(self, *, reveals: bool) -> pb.ConfigurationChange:
        """Return the change that callers see, with the secret that was made if it `reveals` that."""
        before = self.before
        return pb.ConfigurationChange(
            kind="token",
            name=f"{self.project}/{self.after.name}",
            action=pb.CHANGE_ACTION_UPDATE if before else pb.CHANGE_ACTION_CREATE,
            fields=differences(
                describe(before) if before else None,
                describe(self.after),
                secrets=["secret"] if before and before.digest != self.after.digest else [],
            ),
            secret=self.secret if reveals else "",
        )


class ConfiguredTokens:
    """Plans and makes the changes of tokens. Tokens are matched by name, of several the eldest active one."""

    def __init__(self, store: TokenStore, editor: TokenEditor) -> None:
        self._store = store
        self._editor = editor

    async def plan(
        self, described: Iterable[pb.ConfiguredProject], projects: Iterable[Project], now: datetime
    ) -> list[TokenEdit]:
        """Return the tokens to write, given the projects that the described ones become.

        Raises ALREADY_EXISTS for a secret that another token has, INVALID_ARGUMENT for a name given
        twice, and for limits that can not be.
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
                try:
                    found = self._edit(it, project, present.get(it.name, []), now)
                except TollkeeperError as error:
                    refusals.add_error(path, error)
                    continue
                problem = await self._taken(found, owners, path)
                if problem:
                    refusals.add(f"{path}.secret", problem, Reason.ALREADY_EXISTS)
                if found.after != found.before:
                    edits.append(found)
        refusals.raise_any()
        return edits

    async def write(self, planned: TokenEdit, now: datetime) -> None:
        """Write one, and publish the change. Raises ALREADY_EXISTS if another got its secret meanwhile."""
        wanted, before = planned.after, planned.before
        if before is None:
            await self._editor.add(wanted)
            return

        async def change(token: Token) -> Token:
            return msgspec.structs.replace(
                token,
                digest=wanted.digest,
                hint=wanted.hint,
                is_active=wanted.is_active,
                deactivated_at=wanted.deactivated_at,
                max_requests=wanted.max_requests,
                allowed_models=wanted.allowed_models,
                description=wanted.description,
                labels=wanted.labels,
                limits=wanted.limits,
            )

        await self._editor.edit(wanted.id, change, now=now)

    async def _present(self, project: Project) -> dict[str, list[Token]]:
        found: dict[str, list[Token]] = {}
        read = partial(self._store.list, project_id=project.id)
        async for token in every(read, lambda it: it.id):
            found.setdefault(token.name, []).append(token)
        return found

    def _edit(
        self, wanted: pb.ConfiguredToken, project: Project, present: list[Token], now: datetime
    ) -> TokenEdit:
        digest = self._editor.digest(wanted.secret) if wanted.secret else ""
        before = min(present, key=lambda it: (it.digest != digest, not it.is_active, it.id), default=None)
        made = "" if before or wanted.secret else self._editor.new_secret()
        secret = wanted.secret or made
        after = before or self._editor.new(project.id, wanted.name, secret, now)
        if secret:
            after = self._editor.with_secret(after, secret)
        if wanted.HasField("is_active"):
            after = with_activity(after, wanted.is_active, now)
        after = msgspec.structs.replace(after, **fields_of(Token, wanted, only=_FIELDS))
        return TokenEdit(before, after, project.name, made)

    async def _taken(self, planned: TokenEdit, owners: dict[str, str], path: str) -> str:
        """Return why a token can't have its secret, empty if it can, and note whose it is."""
        digest = planned.after.digest
        if digest in owners:
            return f"{owners[digest]} has the same; give each one of its own"
        owners[digest] = path
        if planned.before and planned.before.digest == digest:
            return ""
        other = await self._store.find(digest)
        return f"token {other.id} has the same; give this one its own" if other else ""
