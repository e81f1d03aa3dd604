"""The calls of GroupService."""

from collections.abc import Sequence

from tollkeeper.calls.call import Call, Page, Pages, call, nothing
from tollkeeper.calls.policies import read_policy, write_policy
from tollkeeper.calls.wire import mask, moment
from tollkeeper.traffic import Group, Member, TrafficPolicy
from tollkeeper.v1 import group_service_pb2 as pb

SERVICE = "GroupService"


def read_group(group: pb.Group) -> Group:
    """Reads a group."""
    return Group(
        name=group.name,
        members=tuple(Member(it.upstream, it.weight) for it in group.members),
        policy=read_policy(group.policy),
        created_at=moment(group.created_at) if group.HasField("created_at") else None,
        updated_at=moment(group.updated_at) if group.HasField("updated_at") else None,
        etag=group.etag,
    )


def _write_members(members: Sequence[Member] | None) -> list[pb.Member] | None:
    if members is None:
        return None
    return [pb.Member(upstream=it.upstream, weight=it.weight) for it in members]


def create_group(*, name: str, members: Sequence[Member], policy: TrafficPolicy | None = None) -> Call[Group]:
    """Adds a group: upstreams that serve the same, and the policy by which they are called."""
    request = pb.CreateGroupRequest(name=name, members=_write_members(members), policy=write_policy(policy))
    return call(
        SERVICE, "CreateGroup", request, pb.CreateGroupResponse, lambda answer: read_group(answer.group)
    )


def get_group(name: str, /) -> Call[Group]:
    """Reads one group."""
    return call(
        SERVICE,
        "GetGroup",
        pb.GetGroupRequest(name=name),
        pb.GetGroupResponse,
        lambda answer: read_group(answer.group),
    )


def list_groups(*, page_size: int = 0) -> Pages[Group]:
    """Iterates over groups by name, fetching pages of `page_size` (the gateway's choice if 0)."""

    def at(page_token: str) -> Call[Page[Group]]:
        return call(
            SERVICE,
            "ListGroups",
            pb.ListGroupsRequest(page_size=page_size, page_token=page_token),
            pb.ListGroupsResponse,
            lambda answer: Page(tuple(map(read_group, answer.groups)), answer.next_page_token),
        )

    return Pages(at)


def update_group(
    name: str,
    /,
    *,
    members: Sequence[Member] | None = None,
    policy: TrafficPolicy | None = None,
    etag: str = "",
) -> Call[Group]:
    """Changes what is given and leaves alone what is None; members and policy are replaced as a whole.

    With `etag`, raises `Aborted` if the group was changed since it was read.
    """
    request = pb.UpdateGroupRequest(
        name=name,
        members=_write_members(members),
        policy=write_policy(policy),
        update_mask=mask(members=members, policy=policy),
        etag=etag,
    )
    return call(
        SERVICE, "UpdateGroup", request, pb.UpdateGroupResponse, lambda answer: read_group(answer.group)
    )


def delete_group(name: str, /, *, etag: str = "") -> Call[None]:
    """Removes a group. Raises `FailedPrecondition`, naming the users, while a model or a listener uses it."""
    return call(
        SERVICE,
        "DeleteGroup",
        pb.DeleteGroupRequest(name=name, etag=etag),
        pb.DeleteGroupResponse,
        nothing,
    )
