"""The calls of ProjectService."""

from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc
from tollkeeper.changes import ProjectChanges
from tollkeeper.messages import fill
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper.values import Project, RevokedTokens


def create_project(*, name: str, openai_api_key: str = "") -> Rpc[Project]:
    """Make a project; it is active at once.

    `openai_api_key` is used instead of the key of upstreams whose provider is OpenAI.
    """
    return rpc(fill(pb.CreateProjectRequest(), name=name, openai_api_key=openai_api_key), Project)


def get_project(project_id: str, /) -> Rpc[Project]:
    """Read one project."""
    return rpc(fill(pb.GetProjectRequest(), id=project_id), Project)


def list_projects(*, active_only: bool = False, page_size: int = 0) -> Pages[Project]:
    """Iterate over projects, oldest first, fetching pages of `page_size` (the gateway's choice if 0)."""
    return pages(fill(pb.ListProjectsRequest(), active_only=active_only, page_size=page_size), Project)


def update_project(project_id: str, /, *, etag: str = "", **changes: Unpack[ProjectChanges]) -> Rpc[Project]:
    """Change the fields that are given; None leaves a field alone. An empty `openai_api_key` removes the key.

    An inactive project neither mints tokens nor passes requests; `revoke_tokens` also deactivates all
    of its tokens, which reactivating it does not undo. With `etag`, raises `Aborted` if the project
    was changed since it was read.
    """
    if not changes.get("revoke_tokens"):
        changes["revoke_tokens"] = None
    return rpc(change(fill(pb.UpdateProjectRequest(), id=project_id, etag=etag), changes), Project)


def revoke_project_tokens(project_id: str, /) -> Rpc[RevokedTokens]:
    """Deactivate every token of a project."""
    return rpc(fill(pb.RevokeProjectTokensRequest(), id=project_id), RevokedTokens)
