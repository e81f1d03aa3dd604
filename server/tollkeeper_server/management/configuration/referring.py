"""`ListReferences`: what refers to an entity, a page at a time.

First comes what is configured, of which a deletion reads all as well; then tokens, of which a page is read.
"""

from collections.abc import Iterable

from tollkeeper.messages import write
from tollkeeper.messages.fields import numbers_of
from tollkeeper.v1 import configuration_service_pb2 as pb

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.listing import Page, Place
from tollkeeper_server.domain.model import Model, is_pattern
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.reference import EntityKind, Reference
from tollkeeper_server.domain.token import TokenFilter
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management import named, uses
from tollkeeper_server.management.paging import last_key, next_page, page_size
from tollkeeper_server.store.ports import ConfigurationStore, TokenStore

_KINDS = pb.EntityKind.DESCRIPTOR
_RANKS = {kind: chr(ord("a") + rank) for rank, kind in enumerate(EntityKind)}
_MOST_ENTRIES = 10_000
"""How many different names that begin as a pattern does are looked at."""
_TOKENS = _RANKS[EntityKind.TOKEN]


class References:
    """Finds what refers to an entity."""

    def __init__(self, store: ConfigurationStore, tokens: TokenStore) -> None:
        self._store = store
        self._tokens = tokens

    async def page(self, request: pb.ListReferencesRequest) -> pb.ListReferencesResponse:
        """Return the page that is asked for. Raises NOT_FOUND if there is no such entity."""
        configured, tokens = await self._users(EntityKind(numbers_of(_KINDS)[request.kind]), request.name)
        size, after = page_size(request), last_key(request)
        behind = sorted((it for it in configured if _key(it) > after), key=_key)
        found = behind[: size + 1]
        if tokens is not None and len(found) <= size:
            start = Place("", after.removeprefix(_TOKENS)) if after.startswith(_TOKENS) else None
            some = await self._tokens.page(tokens, Page(after=start, limit=size + 1 - len(found)))
            found += uses.of_allowed(tokens.allowing, some) if tokens.allowing else uses.of_project(some)
        references, following = next_page(request, found, size, _key)
        return pb.ListReferencesResponse(
            references=[write(it, pb.Reference()) for it in references], next_page_token=following
        )

    async def _users(self, kind: EntityKind, name: str) -> tuple[Iterable[Reference], TokenFilter | None]:
        """Return the configured users of an entity, and which tokens use it, None if none can."""
        store = self._store
        match kind:
            case EntityKind.PROJECT:
                if await store.get(Project, name) is None:
                    raise _missing(kind, name)
                return (), TokenFilter(project_id=name)
            case EntityKind.TOKEN:
                if await self._tokens.get(name) is None:
                    raise _missing(kind, name)
                return (), None
            case EntityKind.LISTENER:
                await named.find(store, Listener, name)
                return (), None
            case EntityKind.UPSTREAM:
                await named.find(store, Upstream, name)
                models, groups = await named.every(store, Model), await named.every(store, Group)
                return uses.of_upstream(name, models, groups), None
            case EntityKind.GROUP:
                await named.find(store, Group, name)
                models, listeners = await named.every(store, Model), await named.every(store, Listener)
                return uses.of_group(name, models, listeners), None
            case EntityKind.MODEL:
                model = await named.find(store, Model, name)
                models = await named.every(store, Model)
                allowing = uses.entries_that_allow(model, models)
                if is_pattern(model.name):
                    within = await self._tokens.allowed_models(model.name[:-1], limit=_MOST_ENTRIES)
                    allowing |= uses.entries_within(model, models, within)
                return uses.of_model(name, models), TokenFilter(allowing=allowing)


def _missing(kind: EntityKind, name: str) -> TollkeeperError:
    return TollkeeperError(Reason.NOT_FOUND, f"name: there is no {kind} {name!r}", field="name")


def _key(reference: Reference) -> str:
    """Return the place of a reference in the list, as a page token has it."""
    return _RANKS[reference.kind] + (reference.id or reference.name)
