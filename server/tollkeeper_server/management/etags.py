"""Concurrent edits: caught by an etag where the caller gives one, tried again where it does not."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from tollkeeper_server.domain.gateway import Gateway
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import SHORTLY_SECONDS, Reason, TollkeeperError

_ATTEMPTS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Entity = TypeVar("Entity", Project, Token, Upstream, Group, Model, Listener, Gateway)
AnyEntity = Project | Token | Upstream | Group | Model | Listener | Gateway


def etag_of(entity: AnyEntity) -> str:
    """Return the etag. The time of creation tells an entity from an earlier one of the same name."""
    created = (entity.created_at - _EPOCH) // datetime.resolution
    return f"{created:x}-{entity.revision:x}"


async def edit(
    read: Callable[[], Awaitable[Entity]],
    change: Callable[[Entity], Awaitable[Entity]],
    write: Callable[..., Awaitable[bool]],
    *,
    etag: str,
    now: datetime,
) -> tuple[Entity, Entity]:
    """Change an entity and return it as it was and as it is; unchanged, it is not written.

    Raises ETAG_MISMATCH if `etag` is given and not the current one, and what `read` and `change` raise.
    """
    for _ in range(_ATTEMPTS):
        current = await read()
        check(current, etag)
        changed = await change(current)
        if changed == current:
            return current, current
        changed = msgspec.structs.replace(
            changed, updated_at=max(now, changed.updated_at), revision=current.revision + 1
        )
        if await write(changed, expected=current.revision):
            return current, changed
    raise _too_many_edits()


async def remove(
    read: Callable[[], Awaitable[Entity]],
    delete: Callable[..., Awaitable[bool]],
    *,
    etag: str,
) -> None:
    """Remove the entity with that name. Raises as `edit` does."""
    for _ in range(_ATTEMPTS):
        current = await read()
        check(current, etag)
        if await delete(current.name, expected=current.revision):
            return
    raise _too_many_edits()


def check(entity: AnyEntity, etag: str) -> None:
    """Raise ETAG_MISMATCH if `etag` is given and is not the entity's."""
    if etag and etag != etag_of(entity):
        raise TollkeeperError(
            Reason.ETAG_MISMATCH,
            "etag: it was changed since this etag was read; read it again and repeat the change",
            field="etag",
        )


def _too_many_edits() -> TollkeeperError:
    return TollkeeperError(
        Reason.ETAG_MISMATCH,
        "others keep changing this at the same time; try again",
        retry_after=SHORTLY_SECONDS,
    )
