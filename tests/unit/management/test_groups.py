"""Groups have members that exist, each once, and stay while somebody uses them."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import group_service_pb2 as pb
from tollkeeper.v1 import listener_service_pb2, model_service_pb2, traffic_pb2
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.domain.traffic import Group, Member, Retry, Strategy, TrafficPolicy
from tollkeeper_server.errors import Reason
from tollkeeper_server.management.groups import build_group

from tests.unit.management.plane import NOON, Plane


@pytest.fixture
async def plane(plane: Plane) -> Plane:
    """A management plane with two upstreams."""
    await plane.upstream("openai")
    await plane.upstream("other")
    plane.told.clear()
    return plane


async def update(plane: Plane, name: str, **fields: object) -> pb.Group:
    """Change a group."""
    request = pb.UpdateGroupRequest(name=name, **fields)  # type: ignore[arg-type]  # fields of the message
    return (await plane.call(request, pb.UpdateGroupResponse)).group


async def test_a_group_has_what_was_asked_for(plane: Plane) -> None:
    policy = traffic_pb2.TrafficPolicy(
        strategy=traffic_pb2.STRATEGY_RESPONSE_AWARE, retry=traffic_pb2.Retry(attempts=0)
    )
    request = pb.CreateGroupRequest(
        name="g", members=[pb.Member(upstream="openai", weight=3), pb.Member(upstream="other")], policy=policy
    )
    made = (await plane.call(request, pb.CreateGroupResponse)).group
    stored = await plane.store.configuration.get(Group, "g")
    assert stored is not None
    assert stored.members == (Member(upstream="openai", weight=3), Member(upstream="other"))
    assert stored.policy == TrafficPolicy(strategy=Strategy.RESPONSE_AWARE, retry=Retry(attempts=0))
    assert made.policy.retry.budget_percent == 20
    assert plane.told == [Change()]
    assert (await plane.call(pb.GetGroupRequest(name="g"), pb.GetGroupResponse)).group == made
    assert list((await plane.call(pb.ListGroupsRequest(), pb.ListGroupsResponse)).groups) == [made]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ([], "members"),
        ([pb.Member(upstream="openai"), pb.Member(upstream="nope")], "members[1].upstream"),
        ([pb.Member(upstream="openai"), pb.Member(upstream="openai")], "members[1].upstream"),
        ([pb.Member(upstream="openai", weight=0)], "members[0].weight"),
        ([pb.Member(upstream="openai", weight=65536)], "members[0].weight"),
    ],
    ids=str,
)
async def test_members_that_can_not_be_are_told(plane: Plane, members: list[pb.Member], field: str) -> None:
    await plane.group("there")
    plane.told.clear()
    await plane.refuse(pb.CreateGroupRequest(name="g", members=members), Reason.INVALID_ARGUMENT, field=field)
    change = pb.UpdateGroupRequest(name="there", members=members, update_mask=FieldMask(paths=["members"]))
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field=field)
    assert await plane.store.configuration.get(Group, "g") is None
    assert plane.told == []


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"keep_alive": {"seconds": 1, "nanos": 5}}, "policy.keep_alive"),
        ({"retry": {"initial": {"nanos": 1_500_000}}}, "policy.retry.initial"),
        ({"user_agent": "a\r\nb"}, "policy.user_agent"),
        ({"session_header": "no header"}, "policy.session_header"),
        ({"strategy": 99}, "policy.strategy"),
    ],
    ids=str,
)
async def test_a_policy_that_can_not_be_is_told(plane: Plane, policy: dict[str, object], field: str) -> None:
    request = pb.CreateGroupRequest(
        name="g",
        members=[pb.Member(upstream="openai")],
        policy=policy,  # type: ignore[arg-type]  # fields of the message
    )
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field=field)


async def test_an_update_changes_what_it_names(plane: Plane) -> None:
    made = await plane.group("g")
    plane.told.clear()
    assert await update(plane, "g") == made
    assert plane.told == []
    policy = traffic_pb2.TrafficPolicy(session_header="x-session")
    changed = await update(plane, "g", policy=policy, etag=made.etag)
    assert (changed.policy.session_header, len(changed.members)) == ("x-session", 1)
    assert plane.told == [Change()]
    moved = await update(plane, "g", members=[pb.Member(upstream="other")])
    assert (moved.members[0].upstream, moved.policy.session_header) == ("other", "x-session")
    cleared = await update(plane, "g", update_mask=FieldMask(paths=["policy"]))
    assert cleared.policy.session_header == ""


async def test_an_etag_that_is_not_the_current_one_is_refused(plane: Plane) -> None:
    made = await plane.group("g")
    await update(plane, "g", members=[pb.Member(upstream="other")], etag=made.etag)
    for request in (
        pb.UpdateGroupRequest(name="g", members=[pb.Member(upstream="other")], etag=made.etag),
        pb.DeleteGroupRequest(name="g", etag=made.etag),
    ):
        await plane.refuse(request, Reason.ETAG_MISMATCH, field="etag")


async def test_a_group_in_use_is_not_deleted_and_its_users_are_named(plane: Plane) -> None:
    await plane.group("g")
    request = model_service_pb2.CreateModelRequest(name="m", group="g")
    await plane.call(request, model_service_pb2.CreateModelResponse)
    await plane.listener("l", default_group="g")
    delete = pb.DeleteGroupRequest(name="g")
    error = await plane.refuse(delete, Reason.IN_USE, field="name")
    assert "models m and the listeners l;" in error.message
    await plane.call(model_service_pb2.DeleteModelRequest(name="m"), model_service_pb2.DeleteModelResponse)
    await plane.call(
        listener_service_pb2.DeleteListenerRequest(name="l"), listener_service_pb2.DeleteListenerResponse
    )
    plane.told.clear()
    await plane.call(delete, pb.DeleteGroupResponse)
    assert plane.told == [Change()]
    for gone in (delete, pb.GetGroupRequest(name="g"), pb.UpdateGroupRequest(name="g")):
        await plane.refuse(gone, Reason.NOT_FOUND, field="name")


async def test_a_name_is_taken_once(plane: Plane) -> None:
    await plane.group("g")
    request = pb.CreateGroupRequest(name="g", members=[pb.Member(upstream="openai")])
    await plane.refuse(request, Reason.ALREADY_EXISTS, field="name")


def test_what_describes_a_group_as_it_is_builds_an_equal_one() -> None:
    request = pb.CreateGroupRequest(name="g", members=[pb.Member(upstream="openai")])
    made = build_group(request, now=NOON)
    assert build_group(request, now=NOON.replace(year=2030), previous=made) == made
