"""Entities of any kind by name: found, listed, changed and removed."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeVar

from google.protobuf.message import Message
from tollkeeper.messages.fields import descriptor_of

from tollkeeper_server.domain.configuration import KINDS
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.listing import EntityFilter
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management import etags, paging
from tollkeeper_server.management.listing import NAMED_ORDERS, Listed, answer, searched
from tollkeeper_server.store.ports import ConfigurationStore

E = TypeVar("E", Upstream, Group, Model, Listener)


async def find(store: ConfigurationStore, kind: type[E], name: str) -> E:
    """Return the entity of that name. Raises NOT_FOUND."""
    entity = await store.get(kind, name)
    if entity is None:
        raise TollkeeperError(Reason.NOT_FOUND, f"name: there is no {KINDS[kind]} {name!r}", field="name")
    return entity


async def every(store: ConfigurationStore, kind: type[E]) -> list[E]:
    """Return all entities of a kind, by name."""
    return [it async for it in paging.every(partial(store.list, kind), lambda it: it.name)]


async def present(store: ConfigurationStore, kind: type[E], names: Iterable[str]) -> frozenset[str]:
    """Return those of the names that an entity has."""
    return frozenset([name for name in names if await store.get(kind, name) is not None])


async def page(store: ConfigurationStore, kind: type[E], request: Message) -> Listed[E]:
    """Return the page that is asked for. Raises as `listing.answer` does."""
    # Groups are never inactive, and have no such filter.
    is_set = "is_active" in descriptor_of(request).fields_by_name and request.HasField("is_active")
    is_active: bool | None = request.is_active if is_set else None  # type: ignore[attr-defined]
    where = EntityFilter(is_active=is_active, search=searched(request))
    return await answer(
        request,
        NAMED_ORDERS,
        lambda asked: store.page(kind, where, asked),
        lambda most: store.count(kind, where, most=most),
    )


async def edit(
    store: ConfigurationStore,
    kind: type[E],
    name: str,
    change: Callable[[E], Awaitable[E]],
    *,
    etag: str = "",
    now: datetime,
) -> tuple[E, E]:
    """Change an entity and return it as it was and as it is. Raises NOT_FOUND, and as `etags.edit` does."""
    return await etags.edit(lambda: find(store, kind, name), change, store.replace, etag=etag, now=now)


async def remove(store: ConfigurationStore, kind: type[E], name: str, *, etag: str) -> None:
    """Remove an entity. Raises NOT_FOUND, and as `etags.edit` does."""
    await etags.remove(lambda: find(store, kind, name), partial(store.delete, kind), etag=etag)
