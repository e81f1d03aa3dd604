"""Entities to put into stores."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import msgspec
from tollkeeper_server.domain.configuration import Entity
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.listener import IpLimit, Listener, Rule
from tollkeeper_server.domain.model import Capability, Deployment, FallbackCause, Model, Price
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token, digest_secret, new_secret
from tollkeeper_server.domain.traffic import Group, Member, Retry, Strategy, TrafficPolicy
from tollkeeper_server.domain.upstream import (
    AuthScheme,
    Breaker,
    HeaderAction,
    HeaderOperation,
    Probe,
    Provider,
    Upstream,
)
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent

# A whole second and a microsecond: neither may be lost, and both must sort.
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)

E = TypeVar("E", bound=Entity)


def a_project(name: str = "Search", *, is_active: bool = True) -> Project:
    """Return a project with every field set."""
    return Project(
        id=new_id(Prefix.PROJECT),
        name=name,
        is_active=is_active,
        api_key="enc:v1:k:s",
        api_key_hint="sk-...abcd",
        created_at=NOON,
        updated_at=LATER,
        deactivated_at=None if is_active else LATER,
    )


def an_upstream(name: str = "openai") -> Upstream:
    """Return an upstream with every field set."""
    return Upstream(
        name=name,
        provider=Provider.GENERIC,
        base_url="https://llm.example.com/v1",
        full_url="https://llm.example.com/v1/chat?tenant=größe",
        auth_scheme=AuthScheme.HEADER,
        auth_header="x-key",
        username="user",
        api_key="enc:v1:k:s",
        api_key_hint="...abcd",
        organization="org",
        project="proj",
        api_version="2026-01-01",
        is_active=False,
        is_default=True,
        timeouts={"idle": 30.5, "total": 600},
        header_operations=(
            HeaderOperation(action=HeaderAction.REPLACE, name="x-tenant", value="a; b"),
            HeaderOperation(action=HeaderAction.REMOVE, name="cookie"),
        ),
        breaker=Breaker(threshold=0.25, cooldown_seconds=7, window_seconds=12.5, min_calls=3),
        probe=Probe(path="/health", interval_seconds=2.5, timeout_seconds=1),
        ca_certificates="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        proxy_url="enc:v1:k:p",
        proxy_hint="http://proxy:3128",
        omit_stream_options=True,
        request_id_header="X-Correlation-Id",
        keep_path=True,
        list_models=True,
        passed_headers=("Set-Cookie", "openai-organization"),
        created_at=NOON,
        updated_at=LATER,
    )


def a_model(name: str = "gpt-5") -> Model:
    """Return a model with every field set."""
    return Model(
        name=name,
        aliases=("best", "größte"),
        capabilities=(Capability.CHAT_COMPLETIONS, Capability.RESPONSES),
        deployments=(
            Deployment(upstream="openai"),
            Deployment(upstream="azure", upstream_model="gpt5-eu", weight=65_535),
        ),
        policy=a_policy(),
        group="large",
        fallbacks=("gpt-4", "claude-*"),
        fallback_on=(FallbackCause.CONTEXT_LENGTH, FallbackCause.CONTENT),
        price=Price(prompt=1_250, completion=10_000, cached=125),
        is_active=False,
        created_at=NOON,
        updated_at=LATER,
    )


def a_policy() -> TrafficPolicy:
    """Return a policy with every field set."""
    return TrafficPolicy(
        strategy=Strategy.RESPONSE_AWARE,
        user_agent="tollkeeper/1",
        keep_alive_seconds=45,
        timeouts={"connect": 0.5, "request": 20},
        retry=Retry(
            attempts=3,
            initial_ms=250,
            max_ms=4_000,
            total_seconds=12.5,
            only_safe=True,
            budget_percent=10,
        ),
        session_header="x-session",
    )


def a_group(name: str = "large") -> Group:
    """Return a group with every field set."""
    return Group(
        name=name,
        members=(Member(upstream="openai"), Member(upstream="azure", weight=65_535)),
        policy=a_policy(),
        created_at=NOON,
        updated_at=LATER,
    )


def a_listener(name: str = "tenant") -> Listener:
    """Return a listener with every field set."""
    return Listener(
        name=name,
        address="[::1]:3001",
        default_group="large",
        rules=(
            Rule(group="large", path="/v1/{kind:[a-z]+}/:id/*", strip_prefix="/v1"),
            Rule(group="small", header="x-tier", value="größe"),
            Rule(group="small", header="x-tier", pattern="(a|b)+"),
        ),
        ip_limit=IpLimit(per_second=3, burst=4),
        head_timeout_seconds=2.5,
        is_active=False,
        created_at=NOON,
        updated_at=LATER,
    )


MAKERS: dict[type[Entity], Callable[[str], Entity]] = {
    Project: lambda key: msgspec.structs.replace(a_project(), id=key),
    Upstream: an_upstream,
    Group: a_group,
    Model: a_model,
    Listener: a_listener,
}


def an_entity(kind: type[E], key: str) -> E:
    """Return an entity of that kind with every field set."""
    entity = MAKERS[cast("type[Entity]", kind)](key)
    assert isinstance(entity, kind)
    return entity


def a_token(
    *,
    project_id: str = "prj_1",
    max_requests: int = 0,
    is_active: bool = True,
    expires_at: datetime | None = None,
    updated_at: datetime = LATER,
) -> Token:
    """Return a token that was never used."""
    return Token(
        id=new_id(Prefix.TOKEN),
        project_id=project_id,
        name="ci",
        digest=digest_secret(new_secret().encode(), b"key"),
        hint="sk-tk-ab...wxyz",
        is_active=is_active,
        expires_at=expires_at,
        max_requests=max_requests,
        allowed_models=("gpt-5", "claude-*"),
        created_at=NOON,
        updated_at=updated_at,
    )


def a_placement(
    placement_id: str = "file-1",
    *,
    upstream: str = "openai",
    used_at: datetime = NOON,
    pending: UsageEvent | None = None,
) -> Placement:
    """Return a placement."""
    return Placement(id=placement_id, upstream=upstream, project_id="prj_1", used_at=used_at, pending=pending)


def an_event(token: Token | None = None, *, started_at: datetime = NOON, request_id: str = "r") -> UsageEvent:
    """Return an event with every field set."""
    return UsageEvent(
        id=new_id(Prefix.REQUEST),
        request_id=request_id,
        project_id=token.project_id if token else "prj_1",
        token_id=token.id if token else "tok_1",
        model_asked="best",
        model_served="gpt-5",
        upstream="openai",
        endpoint="chat_completions",
        status=504,
        error_code="upstream_timeout",
        streamed=True,
        tokens=TokenCounts(
            prompt=2**40,
            completion=7,
            cached=3,
            reasoning=2,
            audio_milliseconds=1500,
            images=1,
            confidence=Confidence.ESTIMATED,
        ),
        started_at=started_at,
        first_byte_us=120,
        duration_us=4_000_000_000,
        request_bytes=17,
        response_bytes=0,
    )
