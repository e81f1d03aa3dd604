"""The calls of ProjectService."""

from tollkeeper.calls.call import Call, Page, Pages, call
from tollkeeper.calls.wire import mask, moment
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper.values import Project, RevokedTokens

SERVICE = "ProjectService"


def read_project(project: pb.Project) -> Project:
    """Reads a project."""
    return Project(
        id=project.id,
        name=project.name,
        is_active=project.is_active,
        api_key=project.api_key,
        created_at=moment(project.created_at) if project.HasField("created_at") else None,
        updated_at=moment(project.updated_at) if project.HasField("updated_at") else None,
        deactivated_at=moment(project.deactivated_at) if project.HasField("deactivated_at") else None,
        etag=project.etag,
    )


def create_project(*, name: str, openai_api_key: str = "") -> Call[Project]:
    """Makes a project; it is active at once.

    `openai_api_key` is used instead of the key of upstreams whose provider is OpenAI.
    """
    return call(
        SERVICE,
        "CreateProject",
        pb.CreateProjectRequest(name=name, openai_api_key=openai_api_key),
        pb.CreateProjectResponse,
        lambda answer: read_project(answer.project),
    )


def get_project(project_id: str, /) -> Call[Project]:
    """Reads one project."""
    return call(
        SERVICE,
        "GetProject",
        pb.GetProjectRequest(id=project_id),
        pb.GetProjectResponse,
        lambda answer: read_project(answer.project),
    )


def list_projects(*, active_only: bool = False, page_size: int = 0) -> Pages[Project]:
    """Iterates over projects, oldest first, fetching pages of `page_size` (the gateway's choice if 0)."""

    def at(page_token: str) -> Call[Page[Project]]:
        return call(
            SERVICE,
            "ListProjects",
            pb.ListProjectsRequest(page_size=page_size, page_token=page_token, active_only=active_only),
            pb.ListProjectsResponse,
            lambda answer: Page(tuple(map(read_project, answer.projects)), answer.next_page_token),
        )

    return Pages(at)


def update_project(
    project_id: str,
    /,
    *,
    name: str | None = None,
    openai_api_key: str | None = None,
    is_active: bool | None = None,
    revoke_tokens: bool = False,
    etag: str = "",
) -> Call[Project]:
    """Changes what is given and leaves alone what is None. An empty `openai_api_key` removes the key.

    An inactive project neither mints tokens nor passes requests; `revoke_tokens` also deactivates all
    of its tokens, which reactivating it does not undo. With `etag`, raises `Aborted` if the project
    was changed since it was read.
    """
    request = pb.UpdateProjectRequest(
        id=project_id,
        name=name,
        openai_api_key=openai_api_key,
        is_active=is_active,
        revoke_tokens=revoke_tokens,
        update_mask=mask(
            name=name,
            openai_api_key=openai_api_key,
            is_active=is_active,
            revoke_tokens=revoke_tokens or None,
        ),
        etag=etag,
    )
    return call(
        SERVICE,
        "UpdateProject",
        request,
        pb.UpdateProjectResponse,
        lambda answer: read_project(answer.project),
    )


def revoke_project_tokens(project_id: str, /) -> Call[RevokedTokens]:
    """Deactivates every token of a project."""
    return call(
        SERVICE,
        "RevokeProjectTokens",
        pb.RevokeProjectTokensRequest(id=project_id),
        pb.RevokeProjectTokensResponse,
        lambda answer: RevokedTokens(
            revoked_count=answer.revoked_count,
            already_revoked_count=answer.already_revoked_count,
            total_tokens=answer.total_tokens,
            failed_count=answer.failed_count,
        ),
    )
