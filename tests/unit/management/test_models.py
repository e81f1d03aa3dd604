"""Models have deployments that exist and names that are theirs alone."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import model_service_pb2 as pb
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.model import Capability, Deployment
from tollkeeper_server.errors import Reason

from tests.unit.management.plane import Plane

HERE = pb.Deployment(upstream="openai")


@pytest.fixture
async def plane(plane: Plane) -> Plane:
    """A management plane with an upstream."""
    await plane.upstream("openai")
    plane.told.clear()
    return plane


async def update(plane: Plane, name: str, **fields: object) -> pb.Model:
    """Changes a model."""
    request = pb.UpdateModelRequest(name=name, **fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.UpdateModelResponse)).model


async def test_a_model_has_what_was_asked_for(plane: Plane) -> None:
    request = pb.CreateModelRequest(
        name="org/gpt-4o",
        aliases=["fast"],
        capabilities=[pb.CAPABILITY_CHAT_COMPLETIONS, pb.CAPABILITY_MESSAGES],
        deployments=[pb.Deployment(upstream="openai", upstream_model="gpt-4o-2024")],
    )
    made = (await plane.call(request, pb.CreateModelResponse)).model
    assert (made.name, list(made.aliases), made.is_active) == ("org/gpt-4o", ["fast"], True)
    stored = await plane.store.get_model("org/gpt-4o")
    assert stored is not None
    assert stored.capabilities == (Capability.CHAT_COMPLETIONS, Capability.MESSAGES)
    assert stored.deployments == (Deployment(upstream="openai", upstream_model="gpt-4o-2024"),)
    assert plane.told == [Change()]
    read = await plane.call(pb.GetModelRequest(name="org/gpt-4o"), pb.GetModelResponse)
    assert read.model == made
    listed = await plane.call(pb.ListModelsRequest(), pb.ListModelsResponse)
    assert list(listed.models) == [made]


@pytest.mark.parametrize("capability", [it for it in pb.Capability.values() if it])
async def test_every_capability_is_kept(plane: Plane, capability: pb.Capability.ValueType) -> None:
    request = pb.CreateModelRequest(name="m", capabilities=[capability], deployments=[HERE])
    made = (await plane.call(request, pb.CreateModelResponse)).model
    assert list(made.capabilities) == [capability]


async def test_a_deployment_needs_its_upstream(plane: Plane) -> None:
    request = pb.CreateModelRequest(name="m", deployments=[HERE, pb.Deployment(upstream="nope")])
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field="deployments[1].upstream")
    none = pb.CreateModelRequest(name="m")
    await plane.refuse(none, Reason.INVALID_ARGUMENT, field="deployments")
    await plane.model("m")
    wrong = pb.UpdateModelRequest(name="m", deployments=[pb.Deployment(upstream="nope")])
    await plane.refuse(wrong, Reason.INVALID_ARGUMENT, field="deployments[0].upstream")
    emptied = pb.UpdateModelRequest(name="m", update_mask=FieldMask(paths=["deployments"]))
    await plane.refuse(emptied, Reason.INVALID_ARGUMENT, field="deployments")


@pytest.mark.parametrize(
    ("name", "aliases", "field"),
    [
        ("a", [], "name"),
        ("a-alias", [], "name"),
        ("b", ["a"], "aliases"),
        ("b", ["x", "a-alias"], "aliases"),
    ],
)
async def test_a_name_belongs_to_one_model(plane: Plane, name: str, aliases: list[str], field: str) -> None:
    await plane.model("a", "a-alias")
    request = pb.CreateModelRequest(name=name, aliases=aliases, deployments=[HERE])
    await plane.refuse(request, Reason.ALREADY_EXISTS, field=field)


async def test_an_alias_can_not_be_the_name_itself_or_a_pattern(plane: Plane) -> None:
    own = pb.CreateModelRequest(name="a", aliases=["a"], deployments=[HERE])
    await plane.refuse(own, Reason.INVALID_ARGUMENT, field="aliases")
    pattern = pb.CreateModelRequest(name="a", aliases=["b*"], deployments=[HERE])
    await plane.refuse(pattern, Reason.INVALID_ARGUMENT, field="aliases[0]")


@pytest.mark.parametrize("name", ["*", "gpt-*", "a", "org/model:tag", "x" * 256])
async def test_names_may_be_patterns(plane: Plane, name: str) -> None:
    assert (await plane.model(name)).name == name


@pytest.mark.parametrize("name", ["", "a b", "a*b", "**", "é", "a\n", "x" * 257])
async def test_no_other_name_is_taken(plane: Plane, name: str) -> None:
    request = pb.CreateModelRequest(name=name, deployments=[HERE])
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field="name")


async def test_an_update_changes_what_it_names(plane: Plane) -> None:
    await plane.model("a", "one", "two")
    await plane.model("b", "three")
    plane.told.clear()
    changed = await update(plane, "a", is_active=False)
    assert (changed.is_active, list(changed.aliases)) == (False, ["one", "two"])
    assert plane.told == [Change()]
    # Its own aliases are no obstacle, those of others are.
    kept = await update(plane, "a", aliases=["two", "four"])
    assert list(kept.aliases) == ["two", "four"]
    taken = pb.UpdateModelRequest(name="a", aliases=["three"])
    await plane.refuse(taken, Reason.ALREADY_EXISTS, field="aliases")
    cleared = await update(plane, "a", update_mask=FieldMask(paths=["aliases", "capabilities"]))
    assert list(cleared.aliases) == []
    free = await update(plane, "b", aliases=["two"])
    assert list(free.aliases) == ["two"]


async def test_an_etag_that_is_not_the_current_one_is_refused(plane: Plane) -> None:
    made = await plane.model("a")
    await update(plane, "a", is_active=False, etag=made.etag)
    for request in (
        pb.UpdateModelRequest(name="a", is_active=True, etag=made.etag),
        pb.DeleteModelRequest(name="a", etag=made.etag),
    ):
        await plane.refuse(request, Reason.ETAG_MISMATCH, field="etag")


async def test_a_model_is_deleted_once(plane: Plane) -> None:
    await plane.model("a")
    plane.told.clear()
    await plane.call(pb.DeleteModelRequest(name="a"), pb.DeleteModelResponse)
    assert plane.told == [Change()]
    for request in (
        pb.DeleteModelRequest(name="a"),
        pb.GetModelRequest(name="a"),
        pb.UpdateModelRequest(name="a", is_active=True),
        pb.UpdateModelRequest(name="a", aliases=["x"]),
    ):
        await plane.refuse(request, Reason.NOT_FOUND, field="name")
