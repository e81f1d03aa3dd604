"""TokenService: what applications present."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from tollkeeper.messages import write
from tollkeeper.v1 import project_service_pb2
from tollkeeper.v1 import token_service_pb2 as pb

from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, new_secret
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.editors import TokenEditor, with_activity
from tollkeeper_server.management.etags import etag_of
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore

_log = logging.getLogger("tollkeeper.management")
_AT_ONCE = 100


async def find_project(store: ConfigurationStore, project_id: str, field: str = "id") -> Project:
    """Return a project. Raises NOT_FOUND naming `field` if there is none of that id."""
    project = await store.get(Project, project_id)
    if project is None:
        raise TollkeeperError(Reason.NOT_FOUND, f"{field}: there is no project {project_id}", field=field)
    return project


class TokenService:
    """Implements `tollkeeper.v1.TokenService`."""

    def __init__(
        self,
        store: TokenStore,
        projects: ConfigurationStore,
        editor: TokenEditor,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._projects = projects
        self._editor = editor
        self._clock = clock

    async def create_token(self, request: pb.CreateTokenRequest) -> pb.CreateTokenResponse:
        """Mint a token. Its secret is in the answer, and nowhere else.

        Raises ALREADY_EXISTS if another token has the secret that was given.
        """
        now = self._clock()
        limits = fields_of(Token, request, only=["max_requests", "allowed_models", "expires_at"])
        if request.HasField("duration_minutes"):
            limits["expires_at"] = now + timedelta(minutes=request.duration_minutes)
        await self._require_active(request.project_id, "minted")
        secret = request.secret or new_secret()
        token = self._editor.new(request.project_id, request.name, secret, now)
        token = msgspec.structs.replace(token, **limits)
        await self._editor.add(token)
        return write(token, pb.CreateTokenResponse(), token=secret, etag=etag_of(token))

    async def get_token(self, request: pb.GetTokenRequest) -> pb.GetTokenResponse:
        """Read a token."""
        return pb.GetTokenResponse(token=show(await self._editor.find(request.id), pb.Token()))

    async def list_tokens(self, request: pb.ListTokensRequest) -> pb.ListTokensResponse:
        """Read a page of tokens."""
        size = page_size(request)
        found = await self._store.list(
            after=last_key(request),
            limit=size + 1,
            project_id=request.project_id,
            active_at=self._clock() if request.active_only else None,
        )
        page, following = next_page(request, found, size, lambda token: token.id)
        return pb.ListTokensResponse(
            tokens=[show(token, pb.Token()) for token in page], next_page_token=following
        )

    async def update_token(self, request: pb.UpdateTokenRequest) -> pb.UpdateTokenResponse:
        """Change a token."""
        changing = fields_to_change(request)
        require_values(request, changing, "is_active", "duration_minutes")
        if {"duration_minutes", "expires_at"} <= changing:
            raise invalid_argument(
                "update_mask", "names both duration_minutes and expires_at; change one of them"
            )
        now = self._clock()
        fields = fields_of(Token, request, only=changing - {"is_active", "duration_minutes"})
        if "duration_minutes" in changing:
            fields["expires_at"] = now + timedelta(minutes=request.duration_minutes)

        async def change(token: Token) -> Token:
            token = msgspec.structs.replace(token, **fields)
            if "is_active" not in changing:
                return token
            if request.is_active and not token.is_active:
                await self._require_active(token.project_id, "reactivated")
            return with_activity(token, request.is_active, now)

        token = await self._editor.edit(request.id, change, etag=request.etag, now=now)
        return pb.UpdateTokenResponse(token=show(token, pb.Token()))

    async def revoke_token(self, request: pb.RevokeTokenRequest) -> pb.RevokeTokenResponse:
        """Deactivate a token; one that is inactive already stays as it is."""
        await self._revoke(request.id)
        return pb.RevokeTokenResponse()

    async def rotate_token(self, request: pb.RotateTokenRequest) -> pb.RotateTokenResponse:
        """Give a token another secret. It is in the answer, and nowhere else."""
        secret = new_secret()

        async def change(token: Token) -> Token:
            await self._require_active(token.project_id, "rotated")
            return self._editor.with_secret(token, secret)

        token = await self._editor.edit(request.id, change, etag=request.etag, now=self._clock())
        return write(token, pb.RotateTokenResponse(), token=secret, etag=etag_of(token))

    async def revoke_all(self, project_id: str) -> project_service_pb2.RevokeProjectTokensResponse:
        """Deactivate every token of a project and return how many there were.

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
            return with_activity(token, False, now)

        await self._editor.edit(token_id, change, now=now)

    async def _require_active(self, project_id: str, what: str) -> None:
        project = await find_project(self._projects, project_id, "project_id")
        if not project.is_active:
            raise TollkeeperError(
                Reason.PROJECT_INACTIVE,
                f"project {project_id} is inactive, so its tokens can't be {what}; reactivate it first",
                field="project_id",
            )
