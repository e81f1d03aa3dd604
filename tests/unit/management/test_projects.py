"""Projects are made, changed and deactivated, their key sealed, and everybody is told."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import project_service_pb2 as pb
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.project import Project
from tollkeeper_server.errors import Reason
from tollkeeper_server.store.sealed import project_api_key

from tests.unit.management.plane import Plane

KEY = "sk-provider-key-0123456789"
MISSING = "prj_" + "0" * 26


async def update(plane: Plane, **fields: object) -> pb.Project:
    """Change a project."""
    request = pb.UpdateProjectRequest(**fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.UpdateProjectResponse)).project


async def test_a_project_is_active_at_once_and_read_as_it_was_made(plane: Plane) -> None:
    made = await plane.project(name="Search")
    assert (made.name, made.is_active, made.api_key) == ("Search", True, "")
    assert not made.HasField("deactivated_at")
    read = await plane.call(pb.GetProjectRequest(id=made.id), pb.GetProjectResponse)
    assert read.project == made
    assert plane.told == [Change()]


@pytest.mark.parametrize("field", ["openai_api_key", "api_key"])
async def test_its_key_is_sealed_for_it_and_shown_masked(plane: Plane, field: str) -> None:
    made = await plane.project(**{field: KEY})
    assert made.api_key == "sk-provi...6789"
    stored = await plane.store.configuration.get(Project, made.id)
    assert stored is not None
    assert stored.api_key is not None
    assert KEY not in stored.api_key
    assert plane.sealer.open(stored.api_key, project_api_key(made.id)) == KEY


async def test_both_names_of_the_key_may_be_given_if_they_agree(plane: Plane) -> None:
    assert (await plane.project(api_key=KEY, openai_api_key=KEY)).api_key
    request = pb.CreateProjectRequest(name="x", api_key=KEY, openai_api_key=KEY + "x")
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="api_key")
    assert KEY not in error.message


async def test_a_key_is_replaced_and_removed(plane: Plane) -> None:
    made = await plane.project(api_key=KEY)
    replaced = await update(plane, id=made.id, openai_api_key="sk-another-key-0123456789-zzzz")
    assert replaced.api_key == "sk-anoth...zzzz"
    removed = await update(plane, id=made.id, api_key="")
    assert removed.api_key == ""
    stored = await plane.store.configuration.get(Project, made.id)
    assert stored is not None
    assert stored.api_key is None


async def test_the_same_key_given_again_changes_nothing(plane: Plane) -> None:
    made = await plane.project(api_key=KEY)
    plane.told.clear()
    assert await update(plane, id=made.id, openai_api_key=KEY, name=made.name, is_active=True) == made
    assert plane.told == []


async def test_deactivation_is_dated_and_undone(plane: Plane) -> None:
    made = await plane.project()
    inactive = await update(plane, id=made.id, is_active=False)
    assert not inactive.is_active
    assert inactive.deactivated_at == inactive.updated_at
    again = await update(plane, id=made.id, is_active=False)
    assert again == inactive
    active = await update(plane, id=made.id, is_active=True)
    assert active.is_active
    assert not active.HasField("deactivated_at")


async def test_an_update_changes_what_it_names_and_tells_everybody(plane: Plane) -> None:
    made = await plane.project(api_key=KEY)
    plane.told.clear()
    changed = await update(plane, id=made.id, name="New")
    assert (changed.name, changed.api_key, changed.is_active) == ("New", made.api_key, True)
    assert changed.etag != made.etag
    assert plane.told == [Change()]
    plane.told.clear()
    same = await update(plane, id=made.id)
    assert same == changed
    assert plane.told == []


@pytest.mark.parametrize("path", ["name", "is_active"])
async def test_a_named_field_without_a_value_is_refused(plane: Plane, path: str) -> None:
    made = await plane.project()
    request = pb.UpdateProjectRequest(id=made.id, update_mask=FieldMask(paths=[path]))
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=path)


async def test_an_etag_that_is_not_the_current_one_is_refused(plane: Plane) -> None:
    made = await plane.project()
    await update(plane, id=made.id, name="first", etag=made.etag)
    request = pb.UpdateProjectRequest(id=made.id, name="second", etag=made.etag)
    await plane.refuse(request, Reason.ETAG_MISMATCH, field="etag")


async def test_a_project_can_be_deactivated_with_all_its_tokens(plane: Plane) -> None:
    made = await plane.project()
    tokens = [await plane.mint(made.id) for _ in range(3)]
    await update(plane, id=made.id, is_active=False, revoke_tokens=True)
    assert [(await plane.token(it.id)).is_active for it in tokens] == [False] * 3


async def test_revoking_reaches_every_page_and_no_other_project(plane: Plane) -> None:
    mine, other = await plane.project(), await plane.project()
    tokens = [await plane.mint(mine.id) for _ in range(205)]
    kept = await plane.mint(other.id)
    request = pb.RevokeProjectTokensRequest(id=mine.id)
    answer = await plane.call(request, pb.RevokeProjectTokensResponse)
    assert (answer.revoked_count, answer.already_revoked_count, answer.total_tokens) == (205, 0, 205)
    again = await plane.call(request, pb.RevokeProjectTokensResponse)
    assert (again.revoked_count, again.already_revoked_count, again.failed_count) == (0, 205, 0)
    assert not (await plane.token(tokens[-1].id)).is_active
    assert (await plane.token(kept.id)).is_active
    revoked = {change.token.id for change in plane.told if change.token and not change.token.is_active}
    assert revoked == {token.id for token in tokens}


async def test_inactive_projects_can_be_left_out_of_the_list(plane: Plane) -> None:
    active, inactive = await plane.project(), await plane.project()
    await plane.deactivate(inactive.id)
    answer = await plane.call(pb.ListProjectsRequest(active_only=True), pb.ListProjectsResponse)
    assert [project.id for project in answer.projects] == [active.id]


@pytest.mark.parametrize(
    "request_",
    [
        pb.GetProjectRequest(id=MISSING),
        pb.UpdateProjectRequest(id=MISSING, name="x"),
        pb.RevokeProjectTokensRequest(id=MISSING),
    ],
    ids=lambda it: it.DESCRIPTOR.name,
)
async def test_a_project_that_is_not_there_is_not_found(
    plane: Plane, request_: pb.GetProjectRequest | pb.UpdateProjectRequest
) -> None:
    await plane.refuse(request_, Reason.NOT_FOUND, field="id")


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb", "a\x00b"])
async def test_a_name_that_no_list_could_show_is_refused(plane: Plane, name: str) -> None:
    await plane.refuse(pb.CreateProjectRequest(name=name), Reason.INVALID_ARGUMENT, field="name")
