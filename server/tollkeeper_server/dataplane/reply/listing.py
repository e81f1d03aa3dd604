"""`GET /v1/models`: the models that a token may use, merged over all upstreams, without calling them."""

import msgspec

from tollkeeper_server.dataplane.route import may_use, unknown_model
from tollkeeper_server.domain.token import Token
from tollkeeper_server.snapshot.model import Route, Snapshot


def list_models(snapshot: Snapshot, token: Token, *, anthropic: bool) -> bytes:
    """Return the list in OpenAI's or Anthropic's form. Patterns name no model."""
    entries = [
        _entry(name, route, anthropic=anthropic)
        for name, route in sorted(snapshot.routes.items())
        if route.pool.legs and may_use(token, name, route.name)
    ]
    if anthropic:
        return msgspec.json.encode(
            {
                "data": entries,
                "has_more": False,
                "first_id": entries[0]["id"] if entries else None,
                "last_id": entries[-1]["id"] if entries else None,
            }
        )
    return msgspec.json.encode({"object": "list", "data": entries})


def get_model(snapshot: Snapshot, token: Token, name: str, *, anthropic: bool) -> bytes:
    """Return one model. Raises MODEL_NOT_FOUND, also for one that the token may not use."""
    route = snapshot.resolve(name)
    if route is None or not route.pool.legs or not may_use(token, name, route.name):
        raise unknown_model(name)
    return msgspec.json.encode(_entry(name, route, anthropic=anthropic))


def _entry(name: str, route: Route, *, anthropic: bool) -> dict[str, object]:
    if anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": route.created_at}
    return {
        "id": name,
        "object": "model",
        "created": int(route.created_at.timestamp()),
        "owned_by": route.pool.legs[0].target.name,
        "capabilities": sorted(route.capabilities),
        "proxied_by": "tollkeeper",
    }
