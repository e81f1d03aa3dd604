"""ProjectService: who tokens belong to."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from tollkeeper.v1 import project_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.listing import EntityFilter
from tollkeeper_server.domain.project import Project
from tollkeeper_server.errors import SHORTLY_SECONDS, Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.editors import ProjectEditor, with_activity
from tollkeeper_server.management.etags import edit
from tollkeeper_server.management.listing import PROJECT_ORDERS, answer, searched
from tollkeeper_server.management.masks import fields_to_change, require_values
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.management.tokens import TokenService, find_project
from tollkeeper_server.store.ports import ConfigurationStore

_KEY_FIELDS = ("openai_api_key", "api_key")
_PLAIN_FIELDS = frozenset({"name", "description", "labels", "limits"})


class ProjectService:
    """Implements `tollkeeper.v1.ProjectService`."""

    def __init__(
        self,
        store: ConfigurationStore,
        editor: ProjectEditor,
        tokens: TokenService,
        changes: Changes,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._editor = editor
        self._tokens = tokens
        self._changes = changes
        self._clock = clock

    async def create_project(self, request: pb.CreateProjectRequest) -> pb.CreateProjectResponse:
        """Make a project."""
        project = msgspec.structs.replace(
            self._editor.new(request.name, self._clock()),
            **fields_of(Project, request, only=["description", "labels", "limits"]),
        )
        project = self._editor.with_key(project, _one_key(request, _KEY_FIELDS))
        await self._store.add(project)
        await self._changes.publish(Change())
        return pb.CreateProjectResponse(project=show(project, pb.Project(), last_used_at=None))

    async def get_project(self, request: pb.GetProjectRequest) -> pb.GetProjectResponse:
        """Read a project."""
        (shown,) = await self._shown([await find_project(self._store, request.id)])
        return pb.GetProjectResponse(project=shown)

    async def list_projects(self, request: pb.ListProjectsRequest) -> pb.ListProjectsResponse:
        """Read a page of projects."""
        is_active = request.is_active if request.HasField("is_active") else None
        if request.active_only and is_active is False:
            raise invalid_argument(
                "active_only", "leaves nothing of inactive projects; leave one of both out"
            )
        where = EntityFilter(
            keys=tuple(request.ids),
            is_active=True if request.active_only else is_active,
            search=searched(request),
            labels=dict(request.labels),
        )
        listed = await answer(
            request,
            PROJECT_ORDERS,
            lambda page: self._store.page(Project, where, page),
            lambda most: self._store.count(Project, where, most=most),
        )
        return pb.ListProjectsResponse(
            projects=await self._shown(listed.entries),
            next_page_token=listed.next_page_token,
            total_size=listed.total_size,
        )

    async def update_project(self, request: pb.UpdateProjectRequest) -> pb.UpdateProjectResponse:
        """Change a project and, if asked to, revoke its tokens."""
        changing = fields_to_change(request)
        require_values(request, changing, "name", "is_active")
        key_fields = [name for name in _KEY_FIELDS if name in changing]
        key = _one_key(request, key_fields)
        now = self._clock()
        fields = fields_of(Project, request, only=changing & _PLAIN_FIELDS)

        async def change(project: Project) -> Project:
            project = msgspec.structs.replace(project, **fields)
            if key_fields:
                project = self._editor.with_key(project, key)
            if "is_active" in changing:
                project = with_activity(project, request.is_active, now)
            return project

        before, project = await edit(
            lambda: find_project(self._store, request.id),
            change,
            self._store.replace,
            etag=request.etag,
            now=now,
        )
        if project is not before:
            await self._changes.publish(Change())
        if "revoke_tokens" in changing and request.revoke_tokens:
            revoked = await self._tokens.revoke_all(project.id)
            if revoked.failed_count:
                raise TollkeeperError(
                    Reason.STORE_UNAVAILABLE,
                    f"the project was changed, but {revoked.failed_count} of its "
                    f"{revoked.total_tokens} tokens could not be revoked; try again",
                    retry_after=SHORTLY_SECONDS,
                )
        (shown,) = await self._shown([project])
        return pb.UpdateProjectResponse(project=shown)

    async def revoke_project_tokens(
        self, request: pb.RevokeProjectTokensRequest
    ) -> pb.RevokeProjectTokensResponse:
        """Deactivate every token of a project."""
        await find_project(self._store, request.id)
        return await self._tokens.revoke_all(request.id)

    async def _shown(self, projects: Sequence[Project]) -> list[pb.Project]:
        used = await self._tokens.last_used([project.id for project in projects])
        return [show(it, pb.Project(), last_used_at=used.get(it.id)) for it in projects]


def _one_key(
    request: pb.CreateProjectRequest | pb.UpdateProjectRequest, names: tuple[str, ...] | list[str]
) -> str:
    """Return the key that the named fields give. Raises INVALID_ARGUMENT if they give two."""
    given = {key for name in names if (key := getattr(request, name))}
    if len(given) > 1:
        raise invalid_argument(
            "api_key", "differs from openai_api_key, which is another name for it; give one of them"
        )
    return given.pop() if given else ""
