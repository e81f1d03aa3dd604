"""Models have deployments that exist and names that are theirs alone."""

import msgspec
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import model_service_pb2 as pb
from tollkeeper.v1 import traffic_pb2
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.model import Capability, Deployment, FallbackCause, Model, Price
from tollkeeper_server.domain.traffic import Strategy, TrafficPolicy
from tollkeeper_server.errors import Reason
from tollkeeper_server.management.models import build_model

from tests.unit.management.plane import NOON, Plane

HERE = pb.Deployment(upstream="openai")


@pytest.fixture
async def plane(plane: Plane) -> Plane:
    """A management plane with an upstream."""
    await plane.upstream("openai")
    plane.told.clear()
    return plane


async def update(plane: Plane, name: str, **fields: object) -> pb.Model:
    """Change a model."""
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
    stored = await plane.store.configuration.get(Model, "org/gpt-4o")
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


async def create(plane: Plane, **fields: object) -> pb.Model:
    """Add a model."""
    request = pb.CreateModelRequest(**fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.CreateModelResponse)).model


async def test_it_has_the_traffic_settings_that_were_asked_for(plane: Plane) -> None:
    await plane.model("cheap")
    policy = traffic_pb2.TrafficPolicy(strategy=traffic_pb2.STRATEGY_FAILOVER)
    made = await create(
        plane,
        name="m",
        deployments=[pb.Deployment(upstream="openai", weight=7)],
        policy=policy,
        fallbacks=["cheap"],
        fallback_on=[pb.FALLBACK_CAUSE_CONTENT],
        price=pb.Price(prompt=150, completion=600),
        is_active=False,
    )
    stored = await plane.store.configuration.get(Model, "m")
    assert stored is not None
    assert stored.deployments == (Deployment(upstream="openai", weight=7),)
    assert stored.policy == TrafficPolicy(strategy=Strategy.FAILOVER)
    assert (stored.fallbacks, stored.fallback_on) == (("cheap",), (FallbackCause.CONTENT,))
    assert stored.price == Price(prompt=150, completion=600)
    assert not stored.is_active
    assert (made.policy.strategy, made.deployments[0].weight) == (traffic_pb2.STRATEGY_FAILOVER, 7)
    assert (made.price.prompt, made.price.HasField("cached"), made.is_active) == (150, False, False)
    free = await update(plane, "m", update_mask=FieldMask(paths=["price", "fallbacks", "policy"]))
    assert (free.HasField("price"), list(free.fallbacks)) == (False, [])
    assert free.policy.strategy == traffic_pb2.STRATEGY_ROUND_ROBIN


async def test_a_group_serves_it_instead_of_deployments(plane: Plane) -> None:
    await plane.group("all")
    made = await create(plane, name="m", group="all")
    assert (made.group, len(made.deployments), made.HasField("policy")) == ("all", 0, False)
    moved = await update(plane, "m", deployments=[HERE])
    assert (moved.group, len(moved.deployments)) == ("", 1)
    await update(plane, "m", policy=traffic_pb2.TrafficPolicy(session_header="x-session"))
    back = await update(plane, "m", group="all")
    assert (back.group, len(back.deployments), back.HasField("policy")) == ("all", 0, False)
    stored = await plane.store.configuration.get(Model, "m")
    assert stored is not None
    assert stored.policy == TrafficPolicy()


SESSIONS = traffic_pb2.TrafficPolicy(session_header="x-session")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"deployments": []}, "deployments"),
        ({"deployments": [HERE], "group": "all"}, "group"),
        ({"group": "all", "policy": SESSIONS}, "policy"),
        ({"group": "nope"}, "group"),
        ({"deployments": [pb.Deployment(upstream="openai", weight=0)]}, "deployments[0].weight"),
        ({"deployments": [HERE], "fallbacks": ["nope"]}, "fallbacks[0]"),
        ({"deployments": [HERE], "fallbacks": ["m"]}, "fallbacks"),
        ({"deployments": [HERE], "price": pb.Price(prompt=-1)}, "price.prompt"),
        ({"deployments": [HERE], "policy": {"keep_alive": {"seconds": 1, "nanos": 1}}}, "policy.keep_alive"),
    ],
    ids=str,
)
async def test_what_can_not_be_is_told_by_field(plane: Plane, fields: dict[str, object], field: str) -> None:
    await plane.group("all")
    await plane.model("m2", "alias-of-m2")
    plane.told.clear()
    request = pb.CreateModelRequest(**{"name": "m", **fields})  # type: ignore[arg-type]  # as above
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=field)
    if "fallbacks" in fields:
        fields |= {"fallbacks": [str(it).replace("m", "alias-of-m2") for it in request.fallbacks]}
    change = pb.UpdateModelRequest(
        name="m2",
        **fields,  # type: ignore[arg-type]  # as above
        update_mask=FieldMask(paths=list(fields)),
    )
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field=field)
    assert plane.told == []


async def test_everything_that_can_not_be_is_told_at_once(plane: Plane) -> None:
    unknown = [pb.Deployment(upstream=name) for name in ("nope", "openai", "neither")]
    request = pb.CreateModelRequest(name="m", deployments=unknown, fallbacks=["nothing"])
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="deployments[0].upstream")
    fields = ["deployments[0].upstream", "deployments[2].upstream", "fallbacks[0]"]
    assert [it.field for it in error.violations] == fields
    request = pb.CreateModelRequest(name="m", group="g", deployments=unknown, aliases=["m"])
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="group")
    assert [it.field for it in error.violations] == ["group", "aliases"]


async def test_a_model_without_group_and_deployments_is_not_left(plane: Plane) -> None:
    await plane.group("all")
    await create(plane, name="m", group="all")
    emptied = pb.UpdateModelRequest(name="m", group="", update_mask=FieldMask(paths=["group"]))
    await plane.refuse(emptied, Reason.INVALID_ARGUMENT, field="deployments")


async def test_fallbacks_that_lead_back_are_refused_with_the_circle(plane: Plane) -> None:
    await plane.model("c")
    await create(plane, name="b", deployments=[HERE], fallbacks=["c"])
    await create(plane, name="a", deployments=[HERE], fallbacks=["b"])
    request = pb.UpdateModelRequest(name="c", fallbacks=["a"])
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="fallbacks")
    assert any(it in error.message for it in ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"))
    # Nor by way of a name that is new.
    await plane.model("x-*")
    await create(plane, name="d", deployments=[HERE], fallbacks=["x-1"])
    closing = pb.CreateModelRequest(name="x-1", deployments=[HERE], fallbacks=["d"])
    await plane.refuse(closing, Reason.INVALID_ARGUMENT, field="fallbacks")


async def test_what_others_fall_back_to_stays_and_they_are_named(plane: Plane) -> None:
    await plane.model("a", "alias")
    await create(plane, name="b", deployments=[HERE], fallbacks=["alias"])
    error = await plane.refuse(pb.DeleteModelRequest(name="a"), Reason.IN_USE, field="name")
    assert "models b;" in error.message
    renamed = pb.UpdateModelRequest(name="a", aliases=["other"])
    error = await plane.refuse(renamed, Reason.IN_USE, field="aliases")
    assert "models b;" in error.message
    assert not (await update(plane, "a", is_active=False)).is_active
    await update(plane, "b", update_mask=FieldMask(paths=["fallbacks"]))
    await update(plane, "a", aliases=["other"])
    await plane.call(pb.DeleteModelRequest(name="a"), pb.DeleteModelResponse)


async def test_what_edits_at_the_same_time_left_behind_does_not_stop_other_edits(plane: Plane) -> None:
    await plane.model("a")
    stored = await plane.store.configuration.get(Model, "a")
    assert stored is not None
    left = msgspec.structs.replace(stored, fallbacks=("gone", "a"), revision=2)
    assert await plane.store.configuration.replace(left, expected=1)
    assert not (await update(plane, "a", is_active=False)).is_active
    assert list((await update(plane, "a", fallbacks=["gone", "a"])).fallbacks) == ["gone", "a"]
    assert list((await update(plane, "a", update_mask=FieldMask(paths=["fallbacks"]))).fallbacks) == []


def test_what_describes_a_model_as_it_is_builds_an_equal_one() -> None:
    request = pb.CreateModelRequest(name="m", deployments=[HERE], price=pb.Price(cached=1))
    made = build_model(request, now=NOON)
    assert build_model(request, now=NOON.replace(year=2030), previous=made) == made


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
