"""Which pool serves a request.

| first of these that applies | serves | the model's name |
|---|---|---|
| a rule of the listener matches | the rule's group | as asked for, or as a deployment on that upstream says |
| the named model is known | its deployments, or its group | as its deployments say |
| the listener has a default group | that group | as asked for |
| no model is named | the default upstream | |

A known model's capabilities, and a token's `allowed_models`, hold in every row.
"""

from dataclasses import replace

from msgspec import Struct

from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request import endpoint
from tollkeeper_server.dataplane.request.endpoint import Body
from tollkeeper_server.dataplane.request.peek import Peek, check_model
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.model import matches
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.snapshot.compile import pool_of_one
from tollkeeper_server.snapshot.model import ListenerView, Pool, Route, Target

# Where a write that names no model runs none. Elsewhere one may: a batch by its file, a run by its
# assistant, an endpoint that is not known here by its body.
_RUNS_NO_MODEL = {"containers", "conversations", "files", "responses", "uploads", "vector_stores"}
_NO_POOL_RETRY_SECONDS = 30


class Way(Struct, frozen=True, gc=False):
    """Where a request goes. `route` is the known model it names, `rule` the rule that matched, if any."""

    pool: Pool
    route: Route | None = None
    rule: Rule | None = None


def enter(exchange: Exchange, raw_path: bytes) -> Rule | None:
    """Notes the endpoint on the exchange; returns the rule of its listener that matches.

    Raises as `endpoint.match` does. Paths outside the API are for listeners that have a group for them.
    """
    view = exchange.snapshot.listeners.get(exchange.listener)
    if view is None:
        exchange.matched = endpoint.match(raw_path, exchange.method)
        return None
    rule = view.rules.find(raw_path.decode("latin-1"), exchange.headers)
    if rule is not None and rule.strip_prefix:
        raw_path = _without_prefix(raw_path, rule.strip_prefix.encode())
    anywhere = rule is not None or bool(view.default_group)
    exchange.matched = endpoint.match(raw_path, exchange.method, anywhere=anywhere)
    return rule


def find_way(exchange: Exchange, peek: Peek, rule: Rule | None) -> Way:
    """Returns where the request goes, and notes the model on it.

    Raises INVALID_ARGUMENT, MODEL_REQUIRED, MODEL_NOT_FOUND, MODEL_NOT_ALLOWED, ENDPOINT_NOT_SUPPORTED,
    NOT_FOUND or NO_UPSTREAM.
    """
    assert exchange.matched is not None
    name = peek.model if peek.model is not None else check_model(exchange.matched.path_model or None)
    view = exchange.snapshot.listeners.get(exchange.listener)
    group = rule.group if rule is not None else ""
    if not name:
        return Way(_unnamed(exchange, view, group), rule=rule)
    exchange.model_asked = name
    route = exchange.snapshot.resolve(name)
    if route is None:
        group = group or (view.default_group if view is not None else "")
        if not group:
            raise unknown_model(name)
        exchange.model_served = name
        _check_allowed(exchange, name, name)
        return Way(_group(exchange, group), rule=rule)
    note_model(exchange, route, name)
    _check_allowed(exchange, name, exchange.model_served)
    _check_capability(exchange, route, name)
    if group:
        return Way(_named_there(_group(exchange, group), route), route, rule)
    return Way(route.pool, route)


def note_model(exchange: Exchange, route: Route, name: str) -> None:
    """Notes which model serves a request for `name`."""
    exchange.route_name = route.name
    exchange.model_served = name if route.is_pattern else route.name


def fall_back(exchange: Exchange, name: str) -> Way | None:
    """Returns where a fallback model is served; None if there is none, or the request may not use it."""
    route = exchange.snapshot.resolve(name)
    if route is None:
        return None
    served = name if route.is_pattern else route.name
    try:
        _check_allowed(exchange, name, served)
        _check_capability(exchange, route, name)
    except TollkeeperError:
        return None
    pool = route.pool
    if route.is_pattern:  # the name that was asked for is another model's
        legs = tuple(replace(leg, upstream_model=leg.upstream_model or name) for leg in pool.legs)
        pool = replace(pool, legs=legs)
    return Way(pool, route)


def pin(way: Way, target: Target) -> Way:
    """Returns the way limited to one upstream: the one that keeps what the request is about."""
    legs = tuple(leg for leg in way.pool.legs if leg.target.name == target.name)
    pool = replace(way.pool, key=f"{way.pool.key}@{target.name}", legs=legs) if legs else pool_of_one(target)
    return Way(pool, way.route, way.rule)


def unknown_model(name: str) -> TollkeeperError:
    """Returns the error for a name that no model has."""
    return TollkeeperError(
        Reason.MODEL_NOT_FOUND,
        f"the model {name!r} does not exist here; GET /v1/models lists those that do",
        field="model",
    )


def _without_prefix(raw_path: bytes, prefix: bytes) -> bytes:
    if raw_path == prefix:
        return b"/"
    if not raw_path.startswith(prefix + b"/"):  # it was matched in another spelling
        raise TollkeeperError(
            Reason.INVALID_ARGUMENT,
            f"the path leads below {prefix.decode()}, but spells it otherwise; write it as it stands there",
            field="path",
        )
    return raw_path.removeprefix(prefix)


def _check_allowed(exchange: Exchange, name: str, served: str) -> None:
    assert exchange.token is not None
    allowed = exchange.token.allowed_models
    if allowed and not any(matches(pattern, one) for pattern in allowed for one in (name, served)):
        raise TollkeeperError(
            Reason.MODEL_NOT_ALLOWED,
            f"the token may not use the model {name!r}; GET /v1/models lists those it may",
            field="model",
        )


def _check_capability(exchange: Exchange, route: Route, name: str) -> None:
    assert exchange.matched is not None
    capability = exchange.matched.endpoint.capability
    if capability is not None and route.capabilities and capability not in route.capabilities:
        raise TollkeeperError(
            Reason.ENDPOINT_NOT_SUPPORTED,
            f"the model {name!r} does not serve {capability}; "
            f"it serves {', '.join(sorted(route.capabilities))}",
            field="model",
        )


def _unnamed(exchange: Exchange, view: ListenerView | None, group: str) -> Pool:
    """Returns what serves a request that names no model."""
    matched = exchange.matched
    assert matched is not None
    assert exchange.token is not None
    group = group or (view.default_group if view is not None else "")
    if not group and matched.endpoint.body in {Body.JSON, Body.FORM} and exchange.method == "POST":
        raise TollkeeperError(Reason.MODEL_REQUIRED, "the request names no model; set `model`", field="model")
    writes = exchange.method not in {"GET", "HEAD", "OPTIONS", "DELETE"}
    if exchange.token.allowed_models and writes and matched.endpoint.name not in _RUNS_NO_MODEL:
        raise TollkeeperError(
            Reason.MODEL_NOT_ALLOWED,
            "the token is limited to some models, and this request may run one without naming it; "
            "use a token without allowed_models",
            field="model",
        )
    if group:
        return _group(exchange, group)
    if exchange.snapshot.default is None:
        raise TollkeeperError(
            Reason.NOT_FOUND,
            "the request names no model, and no upstream is the default for such requests; "
            "name a model, or have an administrator set is_default on an upstream",
            field="path",
        )
    return exchange.snapshot.default


def _group(exchange: Exchange, name: str) -> Pool:
    pool = exchange.snapshot.groups.get(name)
    if pool is None:
        raise TollkeeperError(
            Reason.NO_UPSTREAM,
            f"the group {name!r}, which should serve this, does not exist; have an administrator create it",
            retry_after=_NO_POOL_RETRY_SECONDS,
        )
    return pool


def _named_there(pool: Pool, route: Route) -> Pool:
    """Returns a group's pool with the names that a known model has at its members."""
    names = {leg.target.name: leg.upstream_model for leg in route.pool.legs if leg.upstream_model}
    if not any(leg.target.name in names for leg in pool.legs):
        return pool
    return replace(
        pool,
        legs=tuple(replace(leg, upstream_model=names.get(leg.target.name, "")) for leg in pool.legs),
    )
