"""TokenService: what applications present."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
from tollkeeper.v1 import project_service_pb2
from tollkeeper.v1 import token_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, digest_secret, mask, new_secret
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.etags import edit
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import moment, timestamp, token_message
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore

_log = logging.getLogger("tollkeeper.management")
_AT_ONCE = 100


async def find_project(store: ConfigurationStore, project_id: str, field: str = "id") -> Project:
    """Returns a project. Raises NOT_FOUND naming `field` if there is none of that id."""
    project = await store.get(Project, project_id)
    if project is None:
        raise TollkeeperError(Reason.NOT_FOUND, f"{field}: there is no project {project_id}", field=field)
    return project


class Tokens:
    """Implements `tollkeeper.v1.TokenService`."""

    def __init__(
        self,
        store: TokenStore,
        projects: ConfigurationStore,
        digest_key: bytes,
        changes: Changes,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._projects = projects
        self._digest_key = digest_key
        self._changes = changes
        self._clock = clock

    async def create_token(self, request: pb.CreateTokenRequest) -> pb.CreateTokenResponse:
        """Mints a token. Its secret is in the answer, and nowhere else.

        Raises ALREADY_EXISTS if another token has the secret that was given.
        """
        now = self._clock()
        expires_at = None
        if request.HasField("duration_minutes"):
            expires_at = now + timedelta(minutes=request.duration_minutes)
        elif request.HasField("expires_at"):
            expires_at = moment("expires_at", request.expires_at)
        await self._require_active(request.project_id, "minted")
        secret = request.secret or new_secret()
        token = Token(
            id=new_id(Prefix.TOKEN),
            project_id=request.project_id,
            name=request.name,
            digest=self._digest(secret),
            hint=mask(secret),
            expires_at=expires_at,
            max_requests=request.max_requests,
            allowed_models=tuple(request.allowed_models),
            created_at=now,
            updated_at=now,
        )
        await self._store.add(token)
        await self._changes.publish(Change(token=token))
        shown = token_message(token)
        return pb.CreateTokenResponse(
            id=token.id,
            token=secret,
            expires_at=timestamp(token.expires_at),
            max_requests=token.max_requests,
            project_id=token.project_id,
            name=token.name,
            allowed_models=token.allowed_models,
            etag=shown.etag,
        )

    async def get_token(self, request: pb.GetTokenRequest) -> pb.GetTokenResponse:
        """Reads a token."""
        return pb.GetTokenResponse(token=token_message(await self._find(request.id)))

    async def list_tokens(self, request: pb.ListTokensRequest) -> pb.ListTokensResponse:
        """Reads a page of tokens."""
        size = page_size(request)
        found = await self._store.list(
            after=last_key(request),
            limit=size + 1,
            project_id=request.project_id,
            active_at=self._clock() if request.active_only else None,
        )
        page, following = next_page(request, found, size, lambda token: token.id)
        return pb.ListTokensResponse(
            tokens=[token_message(token) for token in page], next_page_token=following
        )

    async def update_token(self, request: pb.UpdateTokenRequest) -> pb.UpdateTokenResponse:
        """Changes a token."""
        changing = fields_to_change(request, identity="id")
        require_values(request, changing, "is_active", "duration_minutes")
        if {"duration_minutes", "expires_at"} <= changing:
            raise TollkeeperError(
                Reason.INVALID_ARGUMENT,
                "update_mask: names both duration_minutes and expires_at; change one of them",
                field="update_mask",
            )
        now = self._clock()
        fields: dict[str, object] = {}
        if "name" in changing:
            fields["name"] = request.name
        if "max_requests" in changing:
            fields["max_requests"] = request.max_requests
        if "allowed_models" in changing:
            fields["allowed_models"] = tuple(request.allowed_models)
        if "duration_minutes" in changing:
            fields["expires_at"] = now + timedelta(minutes=request.duration_minutes)
        if "expires_at" in changing:
            given = request.HasField("expires_at")
            fields["expires_at"] = moment("expires_at", request.expires_at) if given else None

        async def change(token: Token) -> Token:
            token = msgspec.structs.replace(token, **fields)
            if "is_active" not in changing or request.is_active == token.is_active:
                return token
            if request.is_active:
                await self._require_active(token.project_id, "reactivated")
            return msgspec.structs.replace(
                token, is_active=request.is_active, deactivated_at=None if request.is_active else now
            )

        token = await self._edit(request.id, change, etag=request.etag, now=now)
        return pb.UpdateTokenResponse(token=token_message(token))

    async def revoke_token(self, request: pb.RevokeTokenRequest) -> pb.RevokeTokenResponse:
        """Deactivates a token; one that is inactive already stays as it is."""
        await self._revoke(request.id)
        return pb.RevokeTokenResponse()

    async def rotate_token(self, request: pb.RotateTokenRequest) -> pb.RotateTokenResponse:
        """Gives a token another secret. It is in the answer, and nowhere else."""
        secret = new_secret()

        async def change(token: Token) -> Token:
            await self._require_active(token.project_id, "rotated")
            return msgspec.structs.replace(token, digest=self._digest(secret), hint=mask(secret))

        token = await self._edit(request.id, change, etag=request.etag, now=self._clock())
        shown = token_message(token)
        return pb.RotateTokenResponse(
            id=token.id,
            token=secret,
            expires_at=timestamp(token.expires_at),
            max_requests=token.max_requests,
            etag=shown.etag,
        )

    async def revoke_all(self, project_id: str) -> project_service_pb2.RevokeProjectTokensResponse:
        """Deactivates every token of a project and tells how many there were.

        One that can't be deactivated is counted as failed and does not keep the others.
        """
        counts = project_service_pb2.RevokeProjectTokensResponse()
        after = ""
        while True:
            page = await self._store.list(after=after, limit=_AT_ONCE, project_id=project_id)
            active = [token for token in page if token.is_active]
            ended = await asyncio.gather(
                *(self._revoke(token.id) for token in active), return_exceptions=True
            )
            failures = [error for error in ended if isinstance(error, BaseException)]
            for error in failures:
                if not isinstance(error, TollkeeperError):
                    raise error
                _log.warning("a token of project %s could not be revoked: %s", project_id, error.reason)
            counts.total_tokens += len(page)
            counts.already_revoked_count += len(page) - len(active)
            counts.failed_count += len(failures)
            counts.revoked_count += len(active) - len(failures)
            if len(page) < _AT_ONCE:
                return counts
            after = page[-1].id

    async def _revoke(self, token_id: str) -> None:
        now = self._clock()

        async def change(token: Token) -> Token:
            if not token.is_active:
                return token
            return msgspec.structs.replace(token, is_active=False, deactivated_at=now)

        await self._edit(token_id, change, etag="", now=now)

    async def _edit(
        self, token_id: str, change: Callable[[Token], Awaitable[Token]], *, etag: str, now: datetime
    ) -> Token:
        before, token = await edit(
            lambda: self._find(token_id), change, self._store.replace, etag=etag, now=now
        )
        if token is not before:
            retired = before.digest if before.digest != token.digest else ""
            await self._changes.publish(Change(token=token, retired_digest=retired))
        return token

    async def _find(self, token_id: str) -> Token:
        token = await self._store.get(token_id)
        if token is None:
            raise TollkeeperError(Reason.NOT_FOUND, f"id: there is no token {token_id}", field="id")
        return token

    async def _require_active(self, project_id: str, what: str) -> None:
        project = await find_project(self._projects, project_id, "project_id")
        if not project.is_active:
            raise TollkeeperError(
                Reason.PROJECT_INACTIVE,
                f"project {project_id} is inactive, so its tokens can't be {what}; reactivate it first",
                field="project_id",
            )

    def _digest(self, secret: str) -> str:
        return digest_secret(secret.encode(), self._digest_key)
