"""Where a request goes: the pool of upstreams that serves it.

| first of these that applies | serves | the model's name |
|---|---|---|
| a rule of the listener matches | the rule's group | as asked for, or as a deployment on that upstream says |
| the named model is known | its deployments, or its group | as its deployments say |
| the listener has a default group | that group | as asked for |
| no model is named | the default upstream | |

A known model's capabilities, and a token's `allowed_models`, hold in every row.
"""

from collections.abc import Iterator
from dataclasses import replace

from msgspec import Struct, structs

from tollkeeper_server.dataplane.budget.calls import NO_CALLS, Call
from tollkeeper_server.dataplane.exchange import Exchange
from tollkeeper_server.dataplane.request.endpoint import (
    NONE_OWN,
    OWN_BESIDE_GROUP,
    Body,
    Endpoint,
    Matched,
    match,
)
from tollkeeper_server.dataplane.request.peek import Peek, check_model
from tollkeeper_server.domain.listener import Rule
from tollkeeper_server.domain.model import matches
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import TrafficPolicy
from tollkeeper_server.errors import ADMINISTRATOR_SECONDS, Reason, TollkeeperError
from tollkeeper_server.snapshot.compile import make_pool, pool_of_one
from tollkeeper_server.snapshot.model import ListenerView, Pool, Route, Snapshot, Target

NOWHERE = make_pool("nowhere", "nowhere", "", (), TrafficPolicy())
"""The pool of a request that names no model, where no upstream is the default.

The kept thing that the request is about may lead it to an upstream.
"""


class Destination(Struct, frozen=True, gc=False):
    """Where a request goes. `route` is the known model it names, `rule` the rule that matched, if any.

    `named` are the pools of the models that are named deeper in its body, and may have other names upstream.
    `max_output` is the maximum of the answer that is written into it, 0 if it stays as it is; `passed_over`
    are calls that may not be made, which the pool is without.
    """

    pool: Pool
    route: Route | None = None
    rule: Rule | None = None
    named: dict[str, Pool] | None = None
    max_output: int = 0
    passed_over: frozenset[Call] = NO_CALLS

    @property
    def matched_group(self) -> str:
        """The group that a rule or the listener's default chose, empty if a model did."""
        return self.pool.group if self.rule is not None or self.route is None else ""


def enter(exchange: Exchange, view: ListenerView | None) -> tuple[Matched, Rule | None]:
    """Return the endpoint of a request, and the rule of its listener that matches.

    Raises as `endpoint.match` does. Paths outside the API are for listeners that have a group for them.
    """
    raw_path: bytes = exchange.scope.get("raw_path") or exchange.scope["path"].encode()
    raw_path = raw_path.partition(b"?")[0]
    if view is None:
        return match(raw_path, exchange.method), None
    rule = view.rules.find(raw_path.decode("latin-1"), exchange.headers)
    if rule is not None and rule.strip_prefix:
        raw_path = _without_prefix(raw_path, rule.strip_prefix.encode())
    if rule is not None:
        return match(raw_path, exchange.method, anywhere=True, own=NONE_OWN), rule
    if view.default_group:
        return match(raw_path, exchange.method, anywhere=True, own=OWN_BESIDE_GROUP), None
    return match(raw_path, exchange.method), None


def find_destination(
    exchange: Exchange,
    matched: Matched,
    token: Token,
    peek: Peek,
    rule: Rule | None,
    default_group: str,
) -> Destination:
    """Return where the request goes, and record the model.

    Raises INVALID_ARGUMENT, MODEL_REQUIRED, MODEL_NOT_FOUND, MODEL_NOT_ALLOWED, ENDPOINT_NOT_SUPPORTED,
    NOT_FOUND or NO_UPSTREAM.
    """
    # Azure, too, goes by the deployment in the path, and ignores the body's model.
    name = check_model(matched.path_model) if matched.path_model else peek.model
    group = rule.group if rule is not None else ""
    if not name:
        return Destination(_unnamed(exchange, matched.endpoint, token, group or default_group), rule=rule)
    exchange.model_asked = name
    snapshot = exchange.snapshot
    route = snapshot.routes.get(name) or snapshot.resolve(name)  # only patterns need the call
    if route is None:
        group = group or default_group
        if not group:
            raise unknown_model(name)
        exchange.model_served = name
        _check_allowed(token, name, name)
        return Destination(_group(exchange.snapshot, group), rule=rule)
    record_model(exchange, route, name)
    if token.allowed_models:
        _check_allowed(token, name, exchange.model_served)
    if route.capabilities:
        _check_capability(matched.endpoint, route, name)
    if group:
        return Destination(_named_there(_group(exchange.snapshot, group), route), route, rule)
    return Destination(route.pool, route)


def record_model(exchange: Exchange, route: Route, name: str) -> None:
    """Record which model serves a request for `name`."""
    exchange.route_name = route.name
    exchange.model_served = name if route.is_pattern else route.name


def fallbacks(exchange: Exchange, route: Route | None, token: Token) -> Iterator[tuple[str, Destination]]:
    """Yield the fallbacks of a model that a request may use, with the names they are asked for by."""
    for name in route.fallbacks if route is not None else ():
        found = _find_fallback(exchange.snapshot, exchange.endpoint, token, name)
        if found is not None:
            yield name, found


def _find_fallback(snapshot: Snapshot, endpoint: Endpoint, token: Token, name: str) -> Destination | None:
    """Return where a fallback model is served; None if there is none, or the request may not use it."""
    route = snapshot.resolve(name)
    if route is None:
        return None
    served = name if route.is_pattern else route.name
    try:
        _check_allowed(token, name, served)
        _check_capability(endpoint, route, name)
    except TollkeeperError:
        return None
    pool = route.pool
    if route.is_pattern:  # the name that was asked for is another model's
        members = tuple(
            replace(member, upstream_model=member.upstream_model or name) for member in pool.members
        )
        pool = replace(pool, members=members)
    return Destination(pool, route)


def pin(destination: Destination, target: Target) -> Destination:
    """Return the destination limited to one upstream: the one that keeps the things a request is about."""
    pool = destination.pool
    members = tuple(member for member in pool.members if member.target.name == target.name)
    pool = replace(pool, key=f"{pool.key}@{target.name}", members=members) if members else pool_of_one(target)
    return structs.replace(destination, pool=pool)


def no_default() -> TollkeeperError:
    """Return the error for a request that names no model, where no upstream is the default."""
    return TollkeeperError(
        Reason.NOT_FOUND,
        "the request names no model, and no upstream is the default for such requests; "
        "name a model, or have an administrator set is_default on an upstream",
        field="path",
    )


def unknown_model(name: str) -> TollkeeperError:
    """Return the error for a name that no model has."""
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


def may_use(token: Token, name: str, served: str) -> bool:
    """Return whether a token may use the model that is asked for as `name` and served as `served`."""
    allowed = token.allowed_models
    return not allowed or any(matches(pattern, one) for pattern in allowed for one in (name, served))


def served_name(snapshot: Snapshot, name: str) -> str:
    """Return the name under which a model is served that may be asked for by an alias."""
    route = snapshot.resolve(name)
    return name if route is None or route.is_pattern else route.name


def _check_allowed(token: Token, name: str, served: str) -> None:
    if token.allowed_models and not may_use(token, name, served):
        raise not_allowed(name, "model")


def not_allowed(name: str, field: str) -> TollkeeperError:
    """Return the error for a model that the token may not use, and that a field names."""
    return TollkeeperError(
        Reason.MODEL_NOT_ALLOWED,
        f"the token may not use the model {name!r}; GET /v1/models lists those it may",
        field=field,
    )


def _check_capability(endpoint: Endpoint, route: Route, name: str) -> None:
    capability = endpoint.capability
    if capability is not None and route.capabilities and capability not in route.capabilities:
        raise TollkeeperError(
            Reason.ENDPOINT_NOT_SUPPORTED,
            f"the model {name!r} does not serve {capability}; "
            f"it serves {', '.join(sorted(route.capabilities))}",
            field="model",
        )


def _unnamed(exchange: Exchange, endpoint: Endpoint, token: Token, group: str) -> Pool:
    """Return the pool that serves a request that names no model."""
    posts_model = exchange.method == "POST" and endpoint.body in {Body.JSON, Body.FORM}
    if not group and posts_model and (endpoint.needs_model or exchange.snapshot.default is None):
        raise TollkeeperError(Reason.MODEL_REQUIRED, "the request names no model; set `model`", field="model")
    writes = exchange.method not in {"GET", "HEAD", "OPTIONS", "DELETE"}
    if token.allowed_models and writes and endpoint.runs_models:
        raise TollkeeperError(
            Reason.MODEL_NOT_ALLOWED,
            "the token is limited to some models, and this request may run one without naming it; "
            "name the model, or use a token without allowed_models",
            field="model",
        )
    if group:
        return _group(exchange.snapshot, group)
    if exchange.snapshot.default is None:
        if endpoint.may_keep or not writes:
            return NOWHERE
        raise no_default()
    return exchange.snapshot.default


def _group(snapshot: Snapshot, name: str) -> Pool:
    pool = snapshot.groups.get(name)
    if pool is None:
        raise TollkeeperError(
            Reason.NO_UPSTREAM,
            f"the group {name!r}, which should serve this, does not exist; have an administrator create it",
            retry_after=ADMINISTRATOR_SECONDS,
        )
    return pool


def _named_there(pool: Pool, route: Route) -> Pool:
    """Return a group's pool with the names that a known model has at its members."""
    names = {
        member.target.name: member.upstream_model for member in route.pool.members if member.upstream_model
    }
    if not any(member.target.name in names for member in pool.members):
        return pool
    return replace(
        pool,
        members=tuple(
            replace(member, upstream_model=names.get(member.target.name, "")) for member in pool.members
        ),
    )
