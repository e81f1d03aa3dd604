"""GroupService: upstreams that serve the same, and how requests are spread over them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from tollkeeper.v1 import group_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.management import named, uses
from tollkeeper_server.management.etags import check
from tollkeeper_server.management.masks import every_field, fields_to_change
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.management.references import of_group, refuse
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.store.ports import ConfigurationStore


def build_group(request: pb.CreateGroupRequest, *, now: datetime, previous: Group | None = None) -> Group:
    """Return the group that a request describes, whole.

    With `previous` it takes the place of that one: it has its times and revision. Raises INVALID_ARGUMENT.
    """
    group = previous or Group(name=request.name, members=(), created_at=now, updated_at=now)
    return msgspec.structs.replace(group, **_fields(request, every_field(request)))


def _fields(
    request: pb.CreateGroupRequest | pb.UpdateGroupRequest, changing: frozenset[str]
) -> dict[str, Any]:
    """Return the changing fields as a request gives them."""
    fields = fields_of(Group, request, only=changing)
    refusals, members = Refusals(), fields.get("members")
    if members == ():
        refusals.add("members", "a group needs one or more")
    seen: set[str] = set()
    for position, member in enumerate(members or ()):
        if member.upstream in seen:
            refusals.add(
                f"members[{position}].upstream",
                f"{member.upstream!r} is a member already; give it a weight instead",
            )
        seen.add(member.upstream)
    refusals.raise_any()
    return fields


class GroupService:
    """Implements `tollkeeper.v1.GroupService`.

    Upstreams must exist to be members, and a group that is used is not deleted; `references.py` says what
    edits at the same time may let through.
    """

    def __init__(self, store: ConfigurationStore, changes: Changes, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._changes = changes
        self._clock = clock

    async def create_group(self, request: pb.CreateGroupRequest) -> pb.CreateGroupResponse:
        """Add a group."""
        group = build_group(request, now=self._clock())
        await self._check_members(group)
        await self._store.add(group)
        await self._changes.publish(Change())
        return pb.CreateGroupResponse(group=show(group, pb.Group()))

    async def get_group(self, request: pb.GetGroupRequest) -> pb.GetGroupResponse:
        """Read a group."""
        return pb.GetGroupResponse(group=show(await named.find(self._store, Group, request.name), pb.Group()))

    async def list_groups(self, request: pb.ListGroupsRequest) -> pb.ListGroupsResponse:
        """Read a page of groups."""
        listed = await named.page(self._store, Group, request)
        return pb.ListGroupsResponse(
            groups=[show(group, pb.Group()) for group in listed.entries],
            next_page_token=listed.next_page_token,
            total_size=listed.total_size,
        )

    async def update_group(self, request: pb.UpdateGroupRequest) -> pb.UpdateGroupResponse:
        """Change a group."""
        fields = _fields(request, fields_to_change(request))

        async def change(group: Group) -> Group:
            changed = msgspec.structs.replace(group, **fields)
            if "members" in fields:
                await self._check_members(changed)
            return changed

        before, group = await named.edit(
            self._store, Group, request.name, change, etag=request.etag, now=self._clock()
        )
        if group is not before:
            await self._changes.publish(Change())
        return pb.UpdateGroupResponse(group=show(group, pb.Group()))

    async def delete_group(self, request: pb.DeleteGroupRequest) -> pb.DeleteGroupResponse:
        """Remove a group that neither a model nor a listener uses."""
        check(await named.find(self._store, Group, request.name), request.etag)
        users = uses.of_group(
            request.name,
            await named.every(self._store, Model),
            await named.every(self._store, Listener),
        )
        uses.refuse_users(f"group {request.name}", uses.by_kind(users))
        await named.remove(self._store, Group, request.name, etag=request.etag)
        await self._changes.publish(Change())
        return pb.DeleteGroupResponse()

    async def _check_members(self, group: Group) -> None:
        upstreams = {member.upstream for member in group.members}
        refuse(of_group(group, await named.present(self._store, Upstream, upstreams)))
