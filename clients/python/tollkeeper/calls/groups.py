"""The calls of GroupService."""

from collections.abc import Sequence
from typing import Unpack

from tollkeeper.calls.rpc import Pages, Rpc, change, pages, rpc, rpc_without_answer
from tollkeeper.changes import GroupChanges
from tollkeeper.messages import fill
from tollkeeper.v1 import group_service_pb2 as pb
from tollkeeper.values.traffic import Group, Member, TrafficPolicy


def create_group(
    *, name: str, members: Sequence[Member], policy: TrafficPolicy | None = None, validate_only: bool = False
) -> Rpc[Group]:
    """Add a group: upstreams that serve the same, and the policy by which they are called."""
    return rpc(
        fill(pb.CreateGroupRequest(), name=name, members=members, policy=policy, validate_only=validate_only),
        Group,
    )


def get_group(name: str, /) -> Rpc[Group]:
    """Read one group."""
    return rpc(fill(pb.GetGroupRequest(), name=name), Group)


def list_groups(
    *,
    search: str = "",
    order_by: str = "",
    with_total: bool = False,
    page_size: int = 0,
) -> Pages[Group]:
    """Iterate over groups by name, fetching pages of `page_size` (the gateway's choice if 0).

    `search` leaves out those that have it in none of: name, members. `order_by` is name,
    created_at or updated_at, with " desc" behind it for the reverse.
    `with_total` makes the iterator know the length of the list.
    """
    request = fill(
        pb.ListGroupsRequest(),
        search=search,
        order_by=order_by,
        with_total=with_total,
        page_size=page_size,
    )
    return pages(request, Group)


def update_group(
    name: str, /, *, etag: str = "", validate_only: bool = False, **changes: Unpack[GroupChanges]
) -> Rpc[Group]:
    """Change the fields that are given; None leaves a field alone.

    Members and policy are replaced as a whole. With `etag`, raises `Aborted` if the group was changed
    since it was read.
    """
    return rpc(
        change(fill(pb.UpdateGroupRequest(), name=name, etag=etag, validate_only=validate_only), changes),
        Group,
    )


def delete_group(name: str, /, *, etag: str = "", validate_only: bool = False) -> Rpc[None]:
    """Remove a group. Raises `FailedPrecondition`, naming the users, while a model or a listener uses it."""
    return rpc_without_answer(
        fill(pb.DeleteGroupRequest(), name=name, etag=etag, validate_only=validate_only)
    )
