"""ListRevisions and DiffRevisions: the history of the configuration."""

from collections.abc import Sequence

import msgspec
from tollkeeper.messages import write
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.author import Door
from tollkeeper_server.domain.configuration import Kind
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.revision import Action, Difference, Revision, RevisionFilter
from tollkeeper_server.errors import Reason, TollkeeperError, invalid_argument
from tollkeeper_server.management.configuration.described import describe
from tollkeeper_server.management.configuration.differences import differences, in_json
from tollkeeper_server.management.paging import (
    last_key,
    next_page,
    page_size,
    page_token,
    wrong_page_token,
)
from tollkeeper_server.store.ports import ConfigurationStore, RevisionStore

_ACTIONS = {
    Action.CREATE: pb.CHANGE_ACTION_CREATE,
    Action.UPDATE: pb.CHANGE_ACTION_UPDATE,
    Action.DELETE: pb.CHANGE_ACTION_DELETE,
}


class _Place(msgspec.Struct, frozen=True):
    """The end of a page of differences: up to which revision, and behind which entity."""

    until: int
    kind: Kind
    id: str


async def list_revisions(store: RevisionStore, request: pb.ListRevisionsRequest) -> pb.ListRevisionsResponse:
    """Answer ListRevisions."""
    if request.entity_id and not request.kind:
        raise invalid_argument("kind", "is missing; say of which kind the entity with this entity_id is")
    where = RevisionFilter(kind=Kind(request.kind) if request.kind else None, id=request.entity_id)
    size, key = page_size(request), last_key(request)
    found = await store.list(where, before=_number(key) if key else None, limit=size + 1)
    page, following = next_page(request, found, size, lambda it: str(it.number))
    return pb.ListRevisionsResponse(revisions=[_message(it) for it in page], next_page_token=following)


async def diff_revisions(
    store: RevisionStore, configuration: ConfigurationStore, request: pb.DiffRevisionsRequest
) -> pb.DiffRevisionsResponse:
    """Answer DiffRevisions. Raises NOT_FOUND for a revision that is not there, or that is forgotten."""
    size, key = page_size(request), last_key(request)
    place = _place(key) if key else None
    present = await configuration.revision()
    until = place.until if place else request.to_revision if request.HasField("to_revision") else present
    if until > present:
        raise _no_such("to_revision", until, f"the latest is {present}")
    if request.from_revision > until:
        raise invalid_argument("from_revision", f"must not be later than revision {until}; swap the two")
    behind = (place.kind, place.id) if place else None
    changes: list[tuple[_Place, pb.ConfigurationChange]] = []
    while len(changes) <= size:
        found = await store.differences(
            after=request.from_revision, until=until, behind=behind, limit=size + 1
        )
        if found is None:
            raise await _forgotten(store, request.from_revision)
        told = [(_Place(until, it.kind, it.id), _change(it)) for it in found]
        changes += [(at, change) for at, change in told if change is not None]
        if len(found) <= size:
            break
        behind = (found[-1].kind, found[-1].id)
    more = len(changes) > size
    page = changes[:size]
    return pb.DiffRevisionsResponse(
        changes=[change for _, change in page],
        next_page_token=page_token(request, msgspec.json.encode(page[-1][0]).decode()) if more else "",
        revision=until,
    )


def _message(revision: Revision) -> pb.Revision:
    author = revision.author
    return write(
        revision,
        pb.Revision(),
        revision=revision.number,
        door=None if author.door is Door.UNKNOWN else author.door,
        method=author.method,
        caller=author.caller,
        source=author.source,
        request_id=author.request_id,
        created_count=revision.created,
        updated_count=revision.updated,
        deleted_count=revision.deleted,
        changes=[write(it, pb.RevisionChange()) for it in revision.changes],
    )


def _change(difference: Difference) -> pb.ConfigurationChange | None:
    """Return a difference as callers see it, None if the entity looks the same."""
    fields = _fields(difference)
    if difference.action is Action.UPDATE and difference.is_detailed and not fields:
        return None
    return pb.ConfigurationChange(
        kind=difference.kind,
        id=difference.id,
        name=difference.name,
        action=_ACTIONS[difference.action],
        fields=fields,
        without_fields=not difference.is_detailed,
    )


def _fields(difference: Difference) -> Sequence[pb.FieldChange]:
    if not difference.is_detailed:
        return ()
    before, after = difference.before, difference.after
    found = differences(
        describe(before) if before else None,
        describe(after) if after else None,
        secrets=sorted(difference.secrets),
    )
    # The name of a project may change, since its id stands for it.
    if isinstance(before, Project) and isinstance(after, Project) and before.name != after.name:
        renamed = pb.FieldChange(field="name", before=in_json(before.name), after=in_json(after.name))
        return [renamed, *found]
    return found


async def _forgotten(store: RevisionStore, wanted: int) -> TollkeeperError:
    oldest = await store.oldest()
    return _no_such("from_revision", wanted, f"the history reaches back to revision {oldest}")


def _no_such(field: str, wanted: int, reached: str) -> TollkeeperError:
    return TollkeeperError(
        Reason.NOT_FOUND, f"{field}: revision {wanted} can't be compared; {reached}", field=field
    )


def _number(key: str) -> int:
    if not key.isdecimal():
        raise wrong_page_token()
    return int(key)


def _place(key: str) -> _Place:
    try:
        return msgspec.json.decode(key, type=_Place)
    except msgspec.DecodeError:
        raise wrong_page_token() from None
