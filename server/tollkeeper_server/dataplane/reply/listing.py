"""`GET /v1/models`: the models that a token may use, merged over all upstreams.

Those that are configured by name are known here. Of patterns, and of the groups of a listener that serve any
name, the models are those that their upstreams list.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.reply.own import OwnAnswer
from tollkeeper_server.dataplane.request.authenticate import Identity
from tollkeeper_server.dataplane.request.endpoint import Matched
from tollkeeper_server.dataplane.route import may_use, unknown_model
from tollkeeper_server.domain.token import Token
from tollkeeper_server.providers.dialect import ListedModel, Surface
from tollkeeper_server.providers.model_list import ModelTimes
from tollkeeper_server.snapshot.model import Pool, ProjectView, Route, Snapshot, Target

ReadLists = Callable[[Iterable[Target], ProjectView], Awaitable[Mapping[str, ModelTimes]]]
"""Returns the models of upstreams, by upstream, as they list them to a project."""

# Longer lists are put together in a thread.
_MANY = 200
_NO_LISTS: Mapping[str, ModelTimes] = {}


async def own_models(
    exchange: Exchange, matched: Matched, identity: Identity, groups: Sequence[str], read_lists: ReadLists
) -> OwnAnswer:
    """Return the gateway's own answer: all models, or the one that the path names.

    `groups` are those of the listener that serve any name. Raises as `get_model` does.
    """
    snapshot, token, surface = exchange.snapshot, identity.token, exchange.surface
    name = unquote(matched.path.removeprefix("/models").strip("/"))
    targets = listing_targets(snapshot, groups, name)
    lists = await read_lists(targets.values(), identity.project) if targets else {}
    if name:
        body = get_model(snapshot, token, surface, name, lists, groups)
    elif sum(map(len, lists.values())) > _MANY:
        body = await asyncio.to_thread(list_models, snapshot, token, surface, lists, groups)
    else:
        body = list_models(snapshot, token, surface, lists, groups)
    about = "the gateway answers by itself, with the models that the token may use"
    if targets:
        about = f"{about}; {', '.join(sorted(targets))} may list further ones"
    return OwnAnswer(body, about)


def listing_targets(snapshot: Snapshot, groups: Sequence[str], name: str = "") -> dict[str, Target]:
    """Return the upstreams, by name, whose own lists count: for the model of that name, or for all."""
    if not name:
        pools = [*(route.pool for route in snapshot.patterns), *_pools(snapshot, groups)]
    else:
        pools = [] if name in snapshot.routes else _serving(snapshot, groups, name)
    return {target.name: target for pool in pools for target in _listing(pool)}


def list_models(
    snapshot: Snapshot,
    token: Token,
    surface: Surface,
    lists: Mapping[str, ModelTimes] = _NO_LISTS,
    groups: Sequence[str] = (),
) -> bytes:
    """Return the list in the form of an API.

    `lists` are the models of upstreams, by upstream; `groups` are those of the listener that serve any name.
    """
    models = {
        name: _listed(name, route)
        for name, route in snapshot.routes.items()
        if route.pool.members and may_use(token, name, route.name)
    } | _offered(snapshot, token, lists, groups)
    return msgspec.json.encode(surface.models([models[name] for name in sorted(models)]))


def get_model(
    snapshot: Snapshot,
    token: Token,
    surface: Surface,
    name: str,
    lists: Mapping[str, ModelTimes] = _NO_LISTS,
    groups: Sequence[str] = (),
) -> bytes:
    """Return one model. Raises MODEL_NOT_FOUND, also for one that the token may not use."""
    named = {upstream: {name: models[name]} for upstream, models in lists.items() if name in models}
    listed = _offered(snapshot, token, named, groups).get(name)
    if listed is None:
        route = snapshot.resolve(name)
        if route is None or not route.pool.members or not may_use(token, name, route.name):
            raise unknown_model(name)
        listed = _listed(name, route)
    return msgspec.json.encode(surface.model(listed))


def _offered(
    snapshot: Snapshot, token: Token, lists: Mapping[str, ModelTimes], groups: Sequence[str]
) -> dict[str, ListedModel]:
    """Return the models of upstreams that requests with that name reach there, and the token may use."""
    found: dict[str, ListedModel] = {}
    listing: dict[str, frozenset[str]] = {}
    for upstream, models in lists.items():
        for name, time in models.items():
            if name in snapshot.routes or name in found or not may_use(token, name, name):
                continue
            for pool in _serving(snapshot, groups, name):
                if pool.key not in listing:
                    listing[pool.key] = frozenset(target.name for target in _listing(pool))
                if upstream in listing[pool.key]:
                    route = snapshot.by_pattern.match(name)
                    capabilities = route.capabilities if route is not None else frozenset()
                    found[name] = ListedModel(name, upstream, time, capabilities)
                    break
    return found


def _serving(snapshot: Snapshot, groups: Sequence[str], name: str) -> list[Pool]:
    """Return the pools that may serve a name that no model has."""
    route = snapshot.by_pattern.match(name)
    return [route.pool] if route is not None else _pools(snapshot, groups)


def _pools(snapshot: Snapshot, groups: Sequence[str]) -> list[Pool]:
    return [snapshot.groups[group] for group in groups if group in snapshot.groups]


def _listing(pool: Pool) -> Iterator[Target]:
    """Yield the upstreams that list their models, and get the name that was asked for."""
    for member in pool.members:
        if member.target.models_url and not member.upstream_model:
            yield member.target


def _listed(name: str, route: Route) -> ListedModel:
    return ListedModel(
        name=name,
        owner=route.pool.members[0].target.name,
        created_at=route.created_at,
        capabilities=route.capabilities,
    )
