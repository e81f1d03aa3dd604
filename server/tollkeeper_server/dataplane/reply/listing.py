"""`GET /v1/models`: the models that a token may use, merged over all upstreams, without calling them."""

import msgspec

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.route import unknown_model
from tollkeeper_server.domain.model import matches
from tollkeeper_server.providers.dialect import ListedModel
from tollkeeper_server.snapshot.model import Route


def list_models(exchange: Exchange) -> bytes:
    """Return the list in the form that the caller's clients know. Patterns name no model."""
    models = [
        _listed(name, route)
        for name, route in sorted(exchange.snapshot.routes.items())
        if route.pool.legs and _may_use(exchange, name, route)
    ]
    return msgspec.json.encode(exchange.surface.models(models))


def get_model(exchange: Exchange, name: str) -> bytes:
    """Return one model. Raises MODEL_NOT_FOUND, also for one that the token may not use."""
    route = exchange.snapshot.resolve(name)
    if route is None or not route.pool.legs or not _may_use(exchange, name, route):
        raise unknown_model(name)
    return msgspec.json.encode(exchange.surface.model(_listed(name, route)))


def _may_use(exchange: Exchange, name: str, route: Route) -> bool:
    assert exchange.token is not None
    allowed = exchange.token.allowed_models
    return not allowed or any(matches(p, n) for p in allowed for n in (name, route.name))


def _listed(name: str, route: Route) -> ListedModel:
    return ListedModel(
        name=name,
        owner=route.pool.legs[0].target.name,
        created_at=route.created_at,
        capabilities=route.capabilities,
    )
