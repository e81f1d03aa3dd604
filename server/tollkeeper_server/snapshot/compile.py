"""Turns stored configuration into a snapshot. Pure: the same input gives the same snapshot."""

import base64
from collections.abc import Callable, Iterable
from operator import attrgetter

import msgspec

from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.upstream import AuthScheme, Provider, Timeouts, Upstream
from tollkeeper_server.snapshot.model import Header, Leg, ProjectView, Route, Snapshot, Target
from tollkeeper_server.store.sealed import UnsealError

OpenSecret = Callable[[str, str], str]
"""Opens a sealed text for a context. Raises `UnsealError` if it can't."""


class CompileError(Exception):
    """The stored configuration can't be used; the message says why, and contains no secret."""


ANTHROPIC_VERSION = "2023-06-01"


def compile_snapshot(
    revision: int,
    *,
    projects: Iterable[Project],
    upstreams: Iterable[Upstream],
    models: Iterable[Model],
    open_secret: OpenSecret,
    default_timeouts: Timeouts,
) -> Snapshot:
    """Compiles a snapshot. Raises `CompileError` if a secret can't be opened or a timeout is unknown.

    Where two models claim a name, the name proper wins over an alias and the older model over the
    younger: concurrent edits may let this arise, and every process must decide it alike.
    """
    active = [upstream for upstream in upstreams if upstream.is_active]
    targets = {upstream.name: compile_target(upstream, open_secret, default_timeouts) for upstream in active}
    defaults = sorted((u for u in active if u.is_default), key=attrgetter("updated_at", "name"))
    routes: dict[str, Route] = {}
    patterns: list[Route] = []
    aliases: list[tuple[str, Route]] = []
    for model in sorted(models, key=attrgetter("created_at", "name")):
        if not model.is_active:
            continue
        # An alias is known here alone; only a pattern leaves the name to the caller.
        own_name = "" if model.name.endswith("*") else model.name
        route = Route(
            name=model.name,
            capabilities=frozenset(model.capabilities),
            legs=tuple(
                Leg(targets[deployment.upstream], deployment.upstream_model or own_name)
                for deployment in model.deployments
                if deployment.upstream in targets
            ),
            created_at=model.created_at,
        )
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
        default=targets[defaults[-1].name] if defaults else None,
    )


def compile_target(upstream: Upstream, open_secret: OpenSecret, defaults: Timeouts) -> Target:
    """Makes an upstream ready to be called."""
    key = _open(open_secret, upstream.api_key, "upstream", upstream.name) or ""
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
    """Returns the header that presents a key as RFC 6750 says."""
    return ((b"authorization", b"Bearer " + key.encode()),)


def _view(project: Project, open_secret: OpenSecret) -> ProjectView:
    key = _open(open_secret, project.api_key, "project", project.id)
    return ProjectView(id=project.id, is_active=project.is_active, api_key=key)


def _open(open_secret: OpenSecret, sealed: str | None, kind: str, key: str) -> str | None:
    if sealed is None:
        return None
    try:
        return open_secret(sealed, f"{kind}:{key}:api_key")
    except UnsealError as error:
        raise CompileError(f"the api_key of {kind} {key}: {error}") from error
