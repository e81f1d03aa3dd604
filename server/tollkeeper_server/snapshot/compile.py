"""Compiles the stored configuration into a snapshot. Pure: the same input gives the same snapshot."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter

import msgspec

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Deployment, Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group, TrafficPolicy
from tollkeeper_server.domain.upstream import AuthScheme, Provider, Timeouts, Upstream
from tollkeeper_server.snapshot.model import (
    Dial,
    Header,
    Leg,
    ListenerView,
    Pool,
    ProjectView,
    Route,
    Snapshot,
    Target,
)
from tollkeeper_server.snapshot.rules import RuleError, compile_rules
from tollkeeper_server.store.sealed import (
    Context,
    UnsealError,
    project_api_key,
    upstream_api_key,
    upstream_proxy_url,
)

OpenSecret = Callable[[str, Context], str]
"""Opens a text that is sealed for a context. Raises `UnsealError` if it can't be opened."""


class CompileError(Exception):
    """The stored configuration can't be used; the message says why, and contains no secret."""


ANTHROPIC_VERSION = "2023-06-01"


def compile_snapshot(
    revision: int,
    *,
    projects: Iterable[Project],
    upstreams: Iterable[Upstream],
    models: Iterable[Model],
    groups: Iterable[Group] = (),
    listeners: Iterable[Listener] = (),
    open_secret: OpenSecret,
    default_timeouts: Timeouts,
) -> Snapshot:
    """Compile a snapshot. Raises `CompileError` if a secret, a timeout or a rule can't be used.

    Where two models claim a name, a model's own name wins over an alias, and the older model over the
    younger. Concurrent edits can cause such a conflict, and every process must decide it alike.
    """
    active = [upstream for upstream in upstreams if upstream.is_active]
    targets = {upstream.name: compile_target(upstream, open_secret, default_timeouts) for upstream in active}
    defaults = sorted((u for u in active if u.is_default), key=attrgetter("updated_at", "name"))
    pools = {group.name: _group_pool(group, targets) for group in groups}
    routes: dict[str, Route] = {}
    patterns: list[Route] = []
    aliases: list[tuple[str, Route]] = []
    for model in sorted(models, key=attrgetter("created_at", "name")):
        if not model.is_active:
            continue
        route = _route(model, targets, pools)
        if route.is_pattern:
            patterns.append(route)
        else:
            routes[model.name] = route
        aliases.extend((alias, route) for alias in model.aliases)
    for alias, route in aliases:
        routes.setdefault(alias, route)
    return Snapshot(
        revision=revision,
        projects={project.id: _view(project, open_secret) for project in projects},
        routes=routes,
        patterns=tuple(sorted(patterns, key=lambda route: (-len(route.name), route.name))),
        default=pool_of_one(targets[defaults[-1].name]) if defaults else None,
        groups=pools,
        listeners={listener.name: _listener(listener) for listener in listeners if listener.is_active},
        targets=targets,
    )


def pool_of_one(target: Target) -> Pool:
    """Return a pool with one target only, called by the default policy."""
    policy = TrafficPolicy()
    return make_pool(f"upstream/{target.name}", target.name, "", (make_leg(target, "", 1, policy),), policy)


def _group_pool(group: Group, targets: Mapping[str, Target]) -> Pool:
    legs = tuple(
        make_leg(targets[member.upstream], "", member.weight, group.policy)
        for member in group.members
        if member.upstream in targets
    )
    return make_pool(f"group/{group.name}", group.name, group.name, legs, group.policy)


def _route(model: Model, targets: Mapping[str, Target], pools: Mapping[str, Pool]) -> Route:
    # An alias is known here alone; only a pattern leaves the name to the caller.
    own_name = "" if model.name.endswith("*") else model.name
    if model.group:
        pool = pools.get(model.group) or make_pool(
            f"group/{model.group}", model.group, model.group, (), model.policy
        )
        # The group's turns and statistics stay its own: they go by its key.
        pool = replace(pool, legs=tuple(replace(leg, upstream_model=own_name) for leg in pool.legs))
    else:
        legs = tuple(
            _deployment_leg(deployment, own_name, targets, model.policy)
            for deployment in model.deployments
            if deployment.upstream in targets
        )
        pool = make_pool(f"model/{model.name}", model.name, "", legs, model.policy)
    return Route(
        name=model.name,
        capabilities=frozenset(model.capabilities),
        pool=pool,
        created_at=model.created_at,
        fallbacks=model.fallbacks,
        fallback_on=frozenset(model.fallback_on),
        price=model.price,
    )


def _deployment_leg(
    deployment: Deployment, own_name: str, targets: Mapping[str, Target], policy: TrafficPolicy
) -> Leg:
    name = deployment.upstream_model or own_name
    return make_leg(targets[deployment.upstream], name, deployment.weight, policy)


def make_pool(key: str, name: str, group: str, legs: tuple[Leg, ...], policy: TrafficPolicy) -> Pool:
    """Return the pool of legs that a policy chooses among."""
    return Pool(
        key=key,
        name=name,
        group=group,
        legs=legs,
        strategy=policy.strategy,
        retry=policy.retry,
        session_header=policy.session_header.lower().encode(),
    )


def make_leg(target: Target, upstream_model: str, weight: int, policy: TrafficPolicy) -> Leg:
    """Return the leg that calls a target by a policy."""
    own = {name: policy.timeouts[name] for name in ("connect", "idle") if name in policy.timeouts}
    timeouts = msgspec.structs.replace(target.timeouts, **own)
    whole = timeouts
    if "request" in policy.timeouts:
        whole = msgspec.structs.replace(timeouts, total=policy.timeouts["request"])
    dial = (
        replace(target.dial, keep_alive=policy.keep_alive_seconds)
        if policy.keep_alive_seconds
        else target.dial
    )
    return Leg(
        target=target,
        upstream_model=upstream_model,
        timeouts=timeouts,
        whole_timeouts=whole,
        dial=dial,
        user_agent=policy.user_agent.encode(),
        weight=weight,
    )


def _listener(listener: Listener) -> ListenerView:
    try:
        rules = compile_rules(listener.rules)
    except RuleError as error:
        raise CompileError(f"listener {listener.name}: {error}") from error
    return ListenerView(
        name=listener.name,
        address=listener.address,
        rules=rules,
        default_group=listener.default_group,
        ip_limit=listener.ip_limit,
        head_timeout=listener.head_timeout_seconds,
    )


def compile_target(upstream: Upstream, open_secret: OpenSecret, defaults: Timeouts) -> Target:
    """Return the target that calls an upstream."""
    key = _open(open_secret, upstream.api_key, upstream_api_key(upstream.name)) or ""
    headers: list[Header] = []
    fallback: list[Header] = []
    if upstream.provider is Provider.OPENAI:
        if upstream.organization:
            headers.append((b"openai-organization", upstream.organization.encode()))
        if upstream.project:
            headers.append((b"openai-project", upstream.project.encode()))
    if upstream.provider is Provider.ANTHROPIC:
        fallback.append((b"anthropic-version", (upstream.api_version or ANTHROPIC_VERSION).encode()))
    return Target(
        name=upstream.name,
        provider=upstream.provider,
        base_url=upstream.base_url.rstrip("/"),
        full_url=upstream.full_url,
        api_version=upstream.api_version if upstream.provider is Provider.AZURE else "",
        credential=_credential(upstream, key),
        headers=tuple(headers),
        fallback_headers=tuple(fallback),
        timeouts=_timeouts(upstream, defaults),
        operations=tuple(
            (operation.action, operation.name.lower().encode(), operation.value.encode())
            for operation in upstream.header_operations
        ),
        breaker=upstream.breaker,
        probe=upstream.probe,
        dial=Dial(
            ca_certificates=upstream.ca_certificates,
            proxy=_open(open_secret, upstream.proxy_url, upstream_proxy_url(upstream.name)) or "",
        ),
    )


def _timeouts(upstream: Upstream, defaults: Timeouts) -> Timeouts:
    try:
        return msgspec.structs.replace(defaults, **upstream.timeouts)
    except TypeError as error:
        names = ", ".join(sorted(upstream.timeouts))
        raise CompileError(f"the timeouts of upstream {upstream.name} ({names}) are not all known") from error


def _credential(upstream: Upstream, key: str) -> tuple[Header, ...]:
    if not key and upstream.auth_scheme is not AuthScheme.BASIC:
        return ()
    match upstream.provider:
        case Provider.OPENAI:
            return bearer(key)
        case Provider.AZURE:
            return ((b"api-key", key.encode()),)
        case Provider.ANTHROPIC:
            return ((b"x-api-key", key.encode()),)
        case Provider.GENERIC:
            return _generic_credential(upstream, key)


def _generic_credential(upstream: Upstream, key: str) -> tuple[Header, ...]:
    match upstream.auth_scheme:
        case AuthScheme.BEARER:
            return bearer(key)
        case AuthScheme.BASIC:
            pair = base64.b64encode(f"{upstream.username}:{key}".encode())
            return ((b"authorization", b"Basic " + pair),)
        case AuthScheme.HEADER:
            return ((upstream.auth_header.lower().encode(), key.encode()),)
        case AuthScheme.NONE:
            return ()


def bearer(key: str) -> tuple[Header, ...]:
    """Return the header that presents a key as a bearer token (RFC 6750)."""
    return ((b"authorization", b"Bearer " + key.encode()),)


def _view(project: Project, open_secret: OpenSecret) -> ProjectView:
    key = _open(open_secret, project.api_key, project_api_key(project.id))
    return ProjectView(id=project.id, is_active=project.is_active, api_key=key)


def _open(open_secret: OpenSecret, sealed: str | None, context: Context) -> str | None:
    if sealed is None:
        return None
    try:
        return open_secret(sealed, context)
    except UnsealError as error:
        raise CompileError(f"{context.name}: {error}") from error
