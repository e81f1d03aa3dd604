"""`GET /v1/models`: what a token may use, merged over all upstreams, without calling them."""

import msgspec

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.route import unknown_model
from tollkeeper_server.domain.model import matches
from tollkeeper_server.snapshot.model import Route


def list_models(exchange: Exchange) -> bytes:
    """Returns the list, as OpenAI's or Anthropic's clients know it. Patterns name no model."""
    entries = [
        _entry(exchange, name, route)
        for name, route in sorted(exchange.snapshot.routes.items())
        if route.pool.legs and _may_use(exchange, name, route)
    ]
    if exchange.anthropic:
        return msgspec.json.encode(
            {
                "data": entries,
                "has_more": False,
                "first_id": entries[0]["id"] if entries else None,
                "last_id": entries[-1]["id"] if entries else None,
            }
        )
    return msgspec.json.encode({"object": "list", "data": entries})


def get_model(exchange: Exchange, name: str) -> bytes:
    """Returns one model. Raises MODEL_NOT_FOUND, also for one that the token may not use."""
    route = exchange.snapshot.resolve(name)
    if route is None or not route.pool.legs or not _may_use(exchange, name, route):
        raise unknown_model(name)
    return msgspec.json.encode(_entry(exchange, name, route))


def _may_use(exchange: Exchange, name: str, route: Route) -> bool:
    assert exchange.token is not None
    allowed = exchange.token.allowed_models
    return not allowed or any(matches(p, n) for p in allowed for n in (name, route.name))


def _entry(exchange: Exchange, name: str, route: Route) -> dict[str, object]:
    if exchange.anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": route.created_at}
    return {
        "id": name,
        "object": "model",
        "created": int(route.created_at.timestamp()),
        "owned_by": route.pool.legs[0].target.name,
        "capabilities": sorted(route.capabilities),
        "proxied_by": "tollkeeper",
    }
