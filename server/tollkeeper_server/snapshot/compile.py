"""Compiles the stored configuration into a snapshot. Pure: the same input gives the same snapshot."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import attrgetter

import msgspec

from tollkeeper_server.domain.environment_proxies import NO_PROXIES, EnvironmentProxies
from tollkeeper_server.domain.limit import Limit, Scope, ScopeKind
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Deployment, Model, owners
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.traffic import Group, TrafficPolicy
from tollkeeper_server.domain.upstream import Timeouts, Upstream
from tollkeeper_server.prices.book import shipped_book
from tollkeeper_server.providers.registry import PROVIDERS
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.snapshot.model import (
    Dial,
    ListenerView,
    OwnPrice,
    Pool,
    PoolMember,
    ProjectView,
    Route,
    Snapshot,
    Target,
)
from tollkeeper_server.snapshot.prices import dated_price, own_price_of
from tollkeeper_server.snapshot.rules import RuleError, compile_rules
from tollkeeper_server.store.sealed import (
    Context,
    UnsealError,
    project_api_key,
    upstream_api_key,
    upstream_client_key,
    upstream_proxy_url,
)

OpenSecret = Callable[[str, Context], str]
"""Opens a text that is sealed for a context. Raises `UnsealError` if it can't be opened."""


class CompileError(Exception):
    """The stored configuration can't be used; the message says why, and contains no secret."""


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
    proxies: EnvironmentProxies = NO_PROXIES,
    limits: Iterable[Limit] = (),
) -> Snapshot:
    """Compile a snapshot. Raises `CompileError` if a secret, a timeout or a rule can't be used.

    `proxies` are for upstreams without one of their own. `limits` are those of the whole gateway. Where two
    models claim a name, `domain.model.owners` decides.
    """
    active = [upstream for upstream in upstreams if upstream.is_active]
    targets = {it.name: compile_target(it, open_secret, default_timeouts, proxies) for it in active}
    defaults = sorted((u for u in active if u.is_default), key=attrgetter("updated_at", "name"))
    pools = {group.name: _group_pool(group, targets) for group in groups}
    serving = [model for model in models if model.is_active]
    made = {model.name: _route(model, targets, pools) for model in serving}
    return Snapshot(
        revision=revision,
        projects={project.id: _view(project, open_secret) for project in projects},
        routes={name: made[model.name] for name, model in owners(serving).items()},
        patterns=tuple(
            sorted(
                (route for route in made.values() if route.is_pattern),
                key=lambda route: (-len(route.name), route.name),
            )
        ),
        default=pool_of_one(targets[defaults[-1].name]) if defaults else None,
        groups=pools,
        listeners={listener.name: _listener(listener) for listener in listeners if listener.is_active},
        targets=targets,
        meters=meters_of(Scope(ScopeKind.GATEWAY), limits),
    )


def pool_of_one(target: Target) -> Pool:
    """Return a pool with one target only, called by the default policy."""
    policy = TrafficPolicy()
    return make_pool(
        f"upstream/{target.name}", target.name, "", (make_member(target, "", 1, policy),), policy
    )


def _group_pool(group: Group, targets: Mapping[str, Target]) -> Pool:
    members = tuple(
        make_member(targets[it.upstream], "", it.weight, group.policy)
        for it in group.members
        if it.upstream in targets
    )
    return make_pool(f"group/{group.name}", group.name, group.name, members, group.policy)


def _route(model: Model, targets: Mapping[str, Target], pools: Mapping[str, Pool]) -> Route:
    # Upstreams know no alias; only a pattern leaves the name to the caller.
    own_name = "" if model.name.endswith("*") else model.name
    if model.group:
        pool = pools.get(model.group) or make_pool(
            f"group/{model.group}", model.group, model.group, (), model.policy
        )
        # The group's turns and statistics stay its own: they go by its key.
        pool = replace(
            pool, members=tuple(replace(member, upstream_model=own_name) for member in pool.members)
        )
    else:
        members = tuple(
            _deployment_member(deployment, own_name, targets, model.policy)
            for deployment in model.deployments
            if deployment.upstream in targets
        )
        pool = make_pool(f"model/{model.name}", model.name, "", members, model.policy)
    return Route(
        name=model.name,
        capabilities=frozenset(model.capabilities),
        pool=pool,
        created_at=model.created_at,
        fallbacks=model.fallbacks,
        fallback_on=frozenset(model.fallback_on),
        price=model.price,
        own_price=own_price_of(model),
        deployment_prices=_deployment_prices(model, own_name),
        meters=meters_of(Scope(ScopeKind.MODEL, model.name), model.limits),
    )


def _deployment_prices(model: Model, own_name: str) -> Mapping[tuple[str, str], OwnPrice | None]:
    if not any(it.prices for it in model.deployments):
        return {}
    return {(it.upstream, it.upstream_model or own_name): dated_price(it.prices) for it in model.deployments}


def _deployment_member(
    deployment: Deployment, own_name: str, targets: Mapping[str, Target], policy: TrafficPolicy
) -> PoolMember:
    name = deployment.upstream_model or own_name
    return make_member(targets[deployment.upstream], name, deployment.weight, policy)


def make_pool(
    key: str, name: str, group: str, members: tuple[PoolMember, ...], policy: TrafficPolicy
) -> Pool:
    """Return the pool of members that a policy chooses among."""
    return Pool(
        key=key,
        name=name,
        group=group,
        members=members,
        strategy=policy.strategy,
        retry=policy.retry,
        session_header=policy.session_header.lower().encode(),
    )


def make_member(target: Target, upstream_model: str, weight: int, policy: TrafficPolicy) -> PoolMember:
    """Return the member that calls a target by a policy."""
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
    return PoolMember(
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
        tls=listener.tls,
        meters=meters_of(Scope(ScopeKind.LISTENER, listener.name), listener.limits),
    )


def compile_target(
    upstream: Upstream,
    open_secret: OpenSecret,
    defaults: Timeouts,
    proxies: EnvironmentProxies = NO_PROXIES,
) -> Target:
    """Return the target that calls an upstream."""
    key = _open(open_secret, upstream.api_key, upstream_api_key(upstream.name)) or ""
    provider = PROVIDERS[upstream.provider]
    base_url = upstream.base_url.rstrip("/")
    # Below a URL that ends in /v1, a path with it and one without are the same.
    keep_path = upstream.keep_path and not base_url.endswith("/v1")
    proxy = _open(open_secret, upstream.proxy_url, upstream_proxy_url(upstream.name)) or ""
    shown = f"{upstream.proxy_hint} (proxy_url)" if proxy else ""
    found = None if proxy else proxies.proxy_for(upstream.full_url or base_url)
    if found is not None:
        proxy, shown = found.url, f"{found.shown} ({found.variable})"
    has_list = base_url and provider.models_path
    list_url = f"{base_url}{'/v1' if keep_path else ''}{provider.models_path}" if has_list else ""
    return Target(
        name=upstream.name,
        provider=provider,
        base_url=base_url,
        full_url=upstream.full_url,
        api_version=upstream.api_version,
        credential=provider.credential(upstream, key),
        headers=provider.headers(upstream),
        fallback_headers=provider.default_headers(upstream),
        timeouts=_timeouts(upstream, defaults),
        operations=tuple(
            (operation.action, operation.name.lower().encode(), operation.value.encode())
            for operation in upstream.header_operations
        ),
        breaker=upstream.breaker,
        probe=upstream.probe,
        dial=Dial(
            ca_certificates=upstream.ca_certificates,
            ca_only=upstream.ca_only,
            client_certificate=upstream.client_certificate,
            client_key=_open(open_secret, upstream.client_key, upstream_client_key(upstream.name)) or "",
            proxy=proxy,
        ),
        client_certificate_expires_at=upstream.client_certificate_expires_at,
        prices=shipped_book().provider_of(upstream.provider, base_url or upstream.full_url),
        proxy=shown,
        omit_stream_options=upstream.omit_stream_options,
        request_id_header=upstream.request_id_header.lower().encode(),
        passed_headers=frozenset(name.lower().encode() for name in upstream.passed_headers),
        keep_path=keep_path,
        models_url=list_url if upstream.list_models else "",
        list_url=list_url,
        drain_seconds=upstream.drain_seconds,
    )


def _timeouts(upstream: Upstream, defaults: Timeouts) -> Timeouts:
    try:
        return msgspec.structs.replace(defaults, **upstream.timeouts)
    except TypeError as error:
        names = ", ".join(sorted(upstream.timeouts))
        raise CompileError(f"the timeouts of upstream {upstream.name} ({names}) are not all known") from error


def _view(project: Project, open_secret: OpenSecret) -> ProjectView:
    key = _open(open_secret, project.api_key, project_api_key(project.id))
    meters = meters_of(Scope(ScopeKind.PROJECT, project.id), project.limits)
    return ProjectView(id=project.id, is_active=project.is_active, api_key=key, meters=meters)


def _open(open_secret: OpenSecret, sealed: str | None, context: Context) -> str | None:
    if sealed is None:
        return None
    try:
        return open_secret(sealed, context)
    except UnsealError as error:
        raise CompileError(f"{context.name}: {error}") from error
