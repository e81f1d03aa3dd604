"""`GET /v1/models`: the models that a token may use, merged over all upstreams, without calling them."""

import msgspec

from tollkeeper_server.dataplane.route import may_use, unknown_model
from tollkeeper_server.domain.token import Token
from tollkeeper_server.providers.dialect import ListedModel, Surface
from tollkeeper_server.snapshot.model import Route, Snapshot


def list_models(snapshot: Snapshot, token: Token, surface: Surface) -> bytes:
    """Return the list in the form of an API. Patterns name no model."""
    models = [
        _listed(name, route)
        for name, route in sorted(snapshot.routes.items())
        if route.pool.members and may_use(token, name, route.name)
    ]
    return msgspec.json.encode(surface.models(models))


def get_model(snapshot: Snapshot, token: Token, surface: Surface, name: str) -> bytes:
    """Return one model. Raises MODEL_NOT_FOUND, also for one that the token may not use."""
    route = snapshot.resolve(name)
    if route is None or not route.pool.members or not may_use(token, name, route.name):
        raise unknown_model(name)
    return msgspec.json.encode(surface.model(_listed(name, route)))


def _listed(name: str, route: Route) -> ListedModel:
    return ListedModel(
        name=name,
        owner=route.pool.members[0].target.name,
        created_at=route.created_at,
        capabilities=route.capabilities,
    )
