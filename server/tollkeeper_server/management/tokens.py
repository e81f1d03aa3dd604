"""TokenService: what applications present."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from tollkeeper.messages import write
from tollkeeper.messages.fields import numbers_of
from tollkeeper.v1 import project_service_pb2
from tollkeeper.v1 import token_service_pb2 as pb

from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, TokenFilter, TokenState, state_of
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.editors import TokenEditor, with_activity
from tollkeeper_server.management.etags import etag_of
from tollkeeper_server.management.listing import TOKEN_ORDERS, answer, searched
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore

_log = logging.getLogger("tollkeeper.management")
_AT_ONCE = 100
_CREATED_FIELDS = ("max_requests", "allowed_models", "expires_at", "description", "labels", "limits")
_STATES = pb.TokenState.DESCRIPTOR
_USABLE = frozenset({TokenState.ACTIVE, TokenState.EXPIRING, TokenState.EXHAUSTED})


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
        fields = fields_of(Token, request, only=_CREATED_FIELDS)
        if request.HasField("duration_minutes"):
            fields["expires_at"] = now + timedelta(minutes=request.duration_minutes)
        await self._require_active(request.project_id, "minted")
        secret = request.secret or self._editor.new_secret()
        token = self._editor.new(request.project_id, request.name, secret, now)
        token = msgspec.structs.replace(token, **fields)
        await self._editor.add(token)
        return write(token, pb.CreateTokenResponse(), token=secret, etag=etag_of(token))

    async def get_token(self, request: pb.GetTokenRequest) -> pb.GetTokenResponse:
        """Read a token."""
        (shown,) = await self._shown([await self._editor.find(request.id)])
        return pb.GetTokenResponse(token=shown)

    async def list_tokens(self, request: pb.ListTokensRequest) -> pb.ListTokensResponse:
        """Read a page of tokens."""
        where = TokenFilter(
            project_id=request.project_id,
            states=_states(request),
            at=self._clock(),
            search=searched(request),
            labels=dict(request.labels),
        )
        listed = await answer(
            request,
            TOKEN_ORDERS,
            lambda page: self._store.page(where, page),
            lambda most: self._store.count(where, most=most),
        )
        return pb.ListTokensResponse(
            tokens=await self._shown(listed.entries),
            next_page_token=listed.next_page_token,
            total_size=listed.total_size,
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
        (shown,) = await self._shown([token])
        return pb.UpdateTokenResponse(token=shown)

    async def revoke_token(self, request: pb.RevokeTokenRequest) -> pb.RevokeTokenResponse:
        """Deactivate a token; one that is inactive already stays as it is."""
        await self._revoke(request.id)
        return pb.RevokeTokenResponse()

    async def batch_revoke_tokens(self, request: pb.BatchRevokeTokensRequest) -> pb.BatchRevokeTokensResponse:
        """Deactivate tokens; one that can't be does not keep the others."""
        response = pb.BatchRevokeTokensResponse()
        for some in _batched(request.ids):
            ended = await self._revoke_each(some)
            for token_id, result in zip(some, ended, strict=True):
                if isinstance(result, TollkeeperError):
                    response.failed.add(id=token_id, reason=result.reason.name, message=result.message)
                else:
                    (response.revoked if result else response.already_revoked).append(token_id)
        return response

    async def rotate_token(self, request: pb.RotateTokenRequest) -> pb.RotateTokenResponse:
        """Give a token another secret. It is in the answer, and nowhere else."""
        secret = self._editor.new_secret()

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
            active = [token.id for token in page if token.is_active]
            ended = await self._revoke_each(active)
            failures = [error for error in ended if isinstance(error, TollkeeperError)]
            for error in failures:
                _log.warning("a token of project %s could not be revoked: %s", project_id, error.reason)
            counts.total_tokens += len(page)
            counts.already_revoked_count += len(page) - len(active)
            counts.failed_count += len(failures)
            counts.revoked_count += len(active) - len(failures)
            if len(page) < _AT_ONCE:
                return counts
            after = page[-1].id

    async def last_used(self, project_ids: Collection[str]) -> dict[str, datetime]:
        """Return the time of the last use of each project that was used."""
        return await self._store.last_used(project_ids)

    async def _revoke_each(self, token_ids: Sequence[str]) -> list[bool | TollkeeperError]:
        """Deactivate tokens at the same time; return of each whether it was active, or why it failed."""
        ended = await asyncio.gather(*(self._revoke(it) for it in token_ids), return_exceptions=True)
        results: list[bool | TollkeeperError] = []
        for result in ended:
            if isinstance(result, BaseException) and not isinstance(result, TollkeeperError):
                raise result
            results.append(result)
        return results

    async def _revoke(self, token_id: str) -> bool:
        """Deactivate a token; return whether it was active."""
        now, was_active = self._clock(), False

        async def change(token: Token) -> Token:
            nonlocal was_active
            was_active = token.is_active
            return with_activity(token, False, now)

        await self._editor.edit(token_id, change, now=now)
        return was_active

    async def _shown(self, tokens: Sequence[Token]) -> list[pb.Token]:
        now = self._clock()
        projects = await self._projects.find_many(Project, {token.project_id for token in tokens})
        names = {project_id: project.name for project_id, project in projects.items()}
        return [
            show(it, pb.Token(), state=state_of(it, now), project_name=names.get(it.project_id, ""))
            for it in tokens
        ]

    async def _require_active(self, project_id: str, what: str) -> None:
        project = await find_project(self._projects, project_id, "project_id")
        if not project.is_active:
            raise TollkeeperError(
                Reason.PROJECT_INACTIVE,
                f"project {project_id} is inactive, so its tokens can't be {what}; reactivate it first",
                field="project_id",
            )


def _states(request: pb.ListTokensRequest) -> frozenset[TokenState]:
    """Return the states that a list is limited to, none for all. Raises INVALID_ARGUMENT if none is left."""
    asked = frozenset(TokenState(numbers_of(_STATES)[number]) for number in request.states)
    if not request.active_only:
        return asked
    if asked and not asked & _USABLE:
        raise invalid_argument("active_only", "leaves nothing of these states; leave one of both out")
    return asked & _USABLE or _USABLE


def _batched(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield ids, as many at a time as are revoked at once."""
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
