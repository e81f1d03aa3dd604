"""Entities to put into stores."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import msgspec
from tollkeeper_server.domain.configuration import KINDS, Configuration, Entity, Kind, key_of
from tollkeeper_server.domain.gateway import GATEWAY, Gateway
from tollkeeper_server.domain.ids import Prefix, new_id
from tollkeeper_server.domain.limit import MOST, Limit, Measure, ScopeKind
from tollkeeper_server.domain.listener import IpLimit, Listener, Rule
from tollkeeper_server.domain.model import Capability, Deployment, FallbackCause, Model, Price
from tollkeeper_server.domain.period import Period
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.price import DatedPrice, PriceRates, PriceTier, ServicePrice
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.repricing import Repricing
from tollkeeper_server.domain.session import Session
from tollkeeper_server.domain.standing import BudgetNotice
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
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails, UsageAttempt, UsageEvent
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import FIELDS

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
        description="Größe\nof searches",
        labels={"team": "Research", "tier": "1"},
        created_at=NOON,
        updated_at=LATER,
        deactivated_at=None if is_active else LATER,
        limits=some_limits(),
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
        ca_only=True,
        client_certificate="-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
        client_key="enc:v1:k:c",
        client_certificate_expires_at=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC),
        proxy_url="enc:v1:k:p",
        proxy_hint="http://proxy:3128",
        omit_stream_options=True,
        request_id_header="X-Correlation-Id",
        keep_path=True,
        list_models=True,
        drain_seconds=12.5,
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
        limits=some_limits(),
        prices=(
            DatedPrice(rates=PriceRates(input=0.0028, request=0.001)),
            DatedPrice(
                start_time=LATER,
                hours="16:30-00:30",
                rates=PriceRates(input=2.5),
                tiers=(PriceTier(above=200_000, rates=PriceRates(input=5)),),
                services=(ServicePrice(tier="flex", is_batch=True, rates=PriceRates(input=1)),),
            ),
        ),
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
        limits=some_limits(),
        head_timeout_seconds=2.5,
        tls=True,
        is_active=False,
        created_at=NOON,
        updated_at=LATER,
    )


def a_gateway(name: str = GATEWAY) -> Gateway:
    """Return a gateway with every field set."""
    return Gateway(name=name, limits=some_limits(), created_at=NOON, updated_at=LATER)


def some_limits() -> tuple[Limit, ...]:
    """Return limits of which each field is set in one at least."""
    return (
        Limit(measure=Measure.TOKEN_RATE, amount=60_000, burst=2_000),
        Limit(measure=Measure.CONCURRENT, amount=5),
        Limit(
            measure=Measure.MONEY,
            amount=MOST,
            period=Period.MONTH,
            zone="Europe/Berlin",
            clamp=True,
            allow_unpriced=True,
        ),
    )


def unsealed(entity: Entity | None) -> Entity | None:
    """Return an entity as the history has it: with marks for secrets and values of headers."""
    if entity is None:
        return None
    marks: dict[str, object] = {
        name: "sealed" for name in FIELDS.get(type(entity), {}) if getattr(entity, name) is not None
    }
    if isinstance(entity, Upstream):
        marks["header_operations"] = tuple(_hidden(it, "value") for it in entity.header_operations)
    if isinstance(entity, Listener):
        marks["rules"] = tuple(_hidden(it, "value", "pattern") for it in entity.rules)
    return msgspec.structs.replace(entity, **marks)


def _hidden(entry: Rule | HeaderOperation, *names: str) -> Rule | HeaderOperation:
    return msgspec.structs.replace(entry, **{name: "****" for name in names if getattr(entry, name)})


def entities_in(found: Configuration) -> dict[tuple[Kind, str], Entity]:
    """Return the entities of a configuration, by kind and key."""
    entities: tuple[Entity, ...] = (
        *found.projects,
        *found.upstreams,
        *found.groups,
        *found.models,
        *found.listeners,
        *found.gateways,
    )
    return {(KINDS[type(it)], key_of(it)): it for it in entities}


MAKERS: dict[type[Entity], Callable[[str], Entity]] = {
    Project: lambda key: msgspec.structs.replace(a_project(), id=key),
    Upstream: an_upstream,
    Group: a_group,
    Model: a_model,
    Listener: a_listener,
    Gateway: a_gateway,
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
        description="in the pipeline",
        labels={"team": "Research"},
        limits=some_limits(),
        created_at=NOON,
        updated_at=updated_at,
    )


def a_placement(
    placement_id: str = "file-1",
    *,
    upstream: str = "openai",
    project_id: str = "prj_1",
    used_at: datetime = NOON,
    pending: UsageEvent | None = None,
) -> Placement:
    """Return a placement."""
    return Placement(
        id=placement_id, upstream=upstream, project_id=project_id, used_at=used_at, pending=pending
    )


async def find_placement(store: Store, placement_id: str) -> Placement | None:
    """Return the placement with that id, None if there is none."""
    return (await store.placements.find_many([placement_id])).get(placement_id)


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
            characters=12,
            pages=4,
            confidence=Confidence.ESTIMATED,
            details=TokenDetails(
                cache_written=5,
                cache_written_hour=2,
                web_searches=1,
                file_searches=3,
                annotated_pages=2,
                service_tier="flex",
            ),
        ),
        cost_nano_dollars=2**53,
        started_at=started_at,
        first_byte_us=120,
        duration_us=4_000_000_000,
        request_bytes=17,
        response_bytes=0,
        attempts=(
            UsageAttempt("azure", error_code="upstream_timeout", milliseconds=30_000, after_milliseconds=0),
            UsageAttempt("openai", 504, milliseconds=7, after_milliseconds=30_012),
        ),
        listener="tenant",
        group="large",
        rule="/v1/* with x-tier: größe",
    )


def a_session(session_id: str = "", mark: str = "mark", *, used_at: datetime = NOON) -> Session:
    """Return a session with every field set, which began at noon."""
    session_id = session_id or new_id(Prefix.SESSION)
    return Session(
        id=session_id,
        digest=f"{session_id}-1",
        next_digest=f"{session_id}-2",
        previous_digest=f"{session_id}-0",
        previous_until=LATER,
        rotated_at=LATER,
        token_mark=mark,
        created_at=NOON,
        last_used_at=used_at,
        address="2001:db8::1",
        user_agent="Mozilla/5.0 größe",
    )


def a_repricing(**more: object) -> Repricing:
    """Return a repricing with every field set."""
    whole = Repricing(
        id=new_id(Prefix.REPRICING),
        repriced_at=LATER,
        caller="management token",
        start_time=NOON - timedelta(days=1),
        end_time=NOON,
        model="gpt-4o",
        requests=3,
        changed_requests=2,
        before_nano_dollars=5,
        after_nano_dollars=70,
        unpriced_requests=1,
    )
    return msgspec.structs.replace(whole, **more)


def a_notice(number: int = 1, *, period: int = 86_400, percent: int = 80) -> BudgetNotice:
    """Return a notice of a budget; those with greater numbers are later ones."""
    return BudgetNotice(
        id=f"ntc_{number:026}",
        noticed_at=NOON + timedelta(seconds=number),
        key="money:day@Europe/Berlin:project:prj_1",
        period=period,
        percent=percent,
        scope=ScopeKind.PROJECT,
        scope_id="prj_1",
        limit=Limit(measure=Measure.MONEY, amount=25_000_000_000, period=Period.DAY, zone="Europe/Berlin"),
        process="host-1",
    )
