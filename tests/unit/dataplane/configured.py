"""The configurations of the data plane's tests, and the tokens that they know."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tollkeeper_server.domain.model import Capability
from tollkeeper_server.domain.token import Token, digest_secret
from tollkeeper_server.domain.traffic import TrafficPolicy
from tollkeeper_server.domain.upstream import Provider, Timeouts
from tollkeeper_server.providers.registry import PROVIDERS
from tollkeeper_server.snapshot.compile import make_member, make_pool, pool_of_one
from tollkeeper_server.snapshot.model import Pool, PoolMember, ProjectView, Route, Snapshot, Target

SECRET = b"sk-tk-caller-canary-0123456789"
PROVIDER_KEY = b"sk-provider-canary-0123456789"
PROJECT_KEY = "sk-project-canary-0123456789"
DIGEST_KEY = b"k" * 32
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def target(name: str = "openai", provider: Provider = Provider.OPENAI, **changes: Any) -> Target:
    """Return an upstream that presents PROVIDER_KEY."""
    fields: dict[str, Any] = {
        "base_url": "http://upstream.test/v1",
        "full_url": "",
        "api_version": "",
        "credential": ((b"authorization", b"Bearer " + PROVIDER_KEY),),
        "headers": (),
        "fallback_headers": (),
        "timeouts": Timeouts(),
        **changes,
    }
    return Target(name=name, provider=PROVIDERS[provider], **fields)


AZURE = target(
    "azure",
    Provider.AZURE,
    base_url="http://azure.test",
    api_version="2024-10-21",
    credential=((b"api-key", PROVIDER_KEY),),
)


ANTHROPIC = target(
    "anthropic",
    Provider.ANTHROPIC,
    base_url="http://anthropic.test/v1",
    credential=((b"x-api-key", PROVIDER_KEY),),
    fallback_headers=((b"anthropic-version", b"2023-06-01"),),
)


def member_on(upstream: Target, upstream_model: str = "", weight: int = 1, **policy: Any) -> PoolMember:
    """Return a deployment on an upstream, called by a policy with these fields."""
    return make_member(upstream, upstream_model, weight, TrafficPolicy(**policy))


def pool(*members: PoolMember, name: str = "pool", **policy: Any) -> Pool:
    """Return a group of these, called by a policy with these fields."""
    return make_pool(f"group/{name}", name, name, members, TrafficPolicy(**policy))


def route(name: str, *members: PoolMember, capabilities: Sequence[Capability] = (), **fields: Any) -> Route:
    """Return a model served by these deployments."""
    own = make_pool(f"model/{name}", name, "", members, fields.pop("policy", TrafficPolicy()))
    return Route(name=name, capabilities=frozenset(capabilities), pool=own, created_at=NOW, **fields)


def snapshot(
    *routes: Route,
    aliases: dict[str, str] | None = None,
    default: Target | None = None,
    project: ProjectView | None = None,
    **fields: Any,
) -> Snapshot:
    """Return a configuration with these models and the project `prj_1`."""
    by_name = {r.name: r for r in routes if not r.is_pattern}
    own = project or ProjectView(id="prj_1", is_active=True, api_key=None)
    return Snapshot(
        revision=1,
        projects={own.id: own},
        routes=by_name | {alias: by_name[name] for alias, name in (aliases or {}).items()},
        patterns=tuple(sorted((r for r in routes if r.is_pattern), key=lambda r: -len(r.name))),
        default=pool_of_one(default) if default is not None else None,
        **fields,
    )


def snapshot_of(*targets: Target, groups: Sequence[Pool] = ()) -> Snapshot:
    """Return a configuration with these upstreams and groups."""
    return Snapshot(
        revision=1,
        projects={},
        routes={},
        patterns=(),
        default=None,
        groups={group.name: group for group in groups},
        targets={upstream.name: upstream for upstream in targets},
    )


def token(**changes: Any) -> Token:
    """Return the token that SECRET is the secret of."""
    fields: dict[str, Any] = {
        "id": "tok_1",
        "project_id": "prj_1",
        "digest": digest_secret(SECRET, DIGEST_KEY),
        "hint": "sk-tk-ca...6789",
        "created_at": NOW,
        "updated_at": NOW,
        **changes,
    }
    return Token(**fields)
