"""The calls of ProjectService."""

from collections.abc import Mapping, Sequence
from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc
from tollkeeper.changes import ProjectChanges
from tollkeeper.messages import fill
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper.values.limits import Limit
from tollkeeper.values.project import Project
from tollkeeper.values.token import RevokedTokens


def create_project(
    *,
    name: str,
    openai_api_key: str = "",
    description: str = "",
    labels: Mapping[str, str] | None = None,
    limits: Sequence[Limit] = (),
    validate_only: bool = False,
) -> Rpc[Project]:
    """Make a project; it is active at once.

    `openai_api_key` is used instead of the key of upstreams whose provider is OpenAI. `labels` are names and
    values by which it is found, `limits` those of all its tokens together. With `validate_only` none is
    made, and the answer has no id.
    """
    request = fill(
        pb.CreateProjectRequest(),
        name=name,
        openai_api_key=openai_api_key,
        description=description,
        labels=labels,
        limits=limits,
        validate_only=validate_only,
    )
    return rpc(request, Project)


def get_project(project_id: str, /) -> Rpc[Project]:
    """Read one project."""
    return rpc(fill(pb.GetProjectRequest(), id=project_id), Project)


def list_projects(
    *,
    search: str = "",
    labels: Mapping[str, str] | None = None,
    ids: Sequence[str] = (),
    active_only: bool = False,
    is_active: bool | None = None,
    order_by: str = "",
    with_total: bool = False,
    page_size: int = 0,
) -> Pages[Project]:
    """Iterate over projects, oldest first, fetching pages of `page_size` (the gateway's choice if 0).

    `search` leaves out those that have it in none of: id, name, description, labels as name=value. `labels`
    are those that each must have. `order_by` is created_at, updated_at or name, with " desc" behind it for
    the reverse. `with_total` makes the iterator know the length of the list.
    """
    request = fill(
        pb.ListProjectsRequest(),
        search=search,
        labels=labels,
        ids=ids,
        active_only=active_only,
        is_active=is_active,
        order_by=order_by,
        with_total=with_total,
        page_size=page_size,
    )
    return pages(request, Project)


def update_project(
    project_id: str, /, *, etag: str = "", validate_only: bool = False, **changes: Unpack[ProjectChanges]
) -> Rpc[Project]:
    """Change the fields that are given; None leaves a field alone. An empty `openai_api_key` removes the key.

    An inactive project neither mints tokens nor passes requests; `revoke_tokens` also deactivates all
    of its tokens, which reactivating it does not undo. With `etag`, raises `Aborted` if the project
    was changed since it was read.
    """
    if not changes.get("revoke_tokens"):
        changes["revoke_tokens"] = None
    return rpc(
        change(
            fill(pb.UpdateProjectRequest(), id=project_id, etag=etag, validate_only=validate_only), changes
        ),
        Project,
    )


def revoke_project_tokens(project_id: str, /, *, validate_only: bool = False) -> Rpc[RevokedTokens]:
    """Deactivate every token of a project. With `validate_only` they are only counted."""
    return rpc(
        fill(pb.RevokeProjectTokensRequest(), id=project_id, validate_only=validate_only), RevokedTokens
    )
