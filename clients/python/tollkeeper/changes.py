"""What the methods that create or change an entity take as keywords, each name once.

What is left out or None is not given: to create, the gateway's default; to change, what is there stays.
`Removal.REMOVE` and `Expiry.NEVER` take away what an update could otherwise only replace.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from tollkeeper.traffic import (
    Breaker,
    Deployment,
    FallbackCause,
    HeaderOperation,
    IpLimit,
    Member,
    Price,
    Probe,
    Removal,
    Rule,
    TrafficPolicy,
)
from tollkeeper.values import AuthScheme, Capability, Expiry, Provider, Timeouts


class ProjectChanges(TypedDict, total=False):
    """What can be changed of a project. `revoke_tokens` also deactivates all of its tokens."""

    name: str | None
    openai_api_key: str | None
    is_active: bool | None
    revoke_tokens: bool | None


class TokenSettings(TypedDict, total=False):
    """What a token may have. `duration_minutes` counts from now; of it and `expires_at` give one."""

    name: str | None
    max_requests: int | None
    duration_minutes: int | None
    expires_at: datetime | Expiry | None
    allowed_models: Sequence[str] | None


class TokenChanges(TokenSettings, total=False):
    """What can be changed of a token."""

    is_active: bool | None


class UpstreamSettings(TypedDict, total=False):
    """What an upstream may have besides its provider."""

    base_url: str | None
    full_url: str | None
    auth_scheme: AuthScheme | None
    auth_header: str | None
    username: str | None
    api_key: str | None
    organization: str | None
    project: str | None
    api_version: str | None
    is_active: bool | None
    is_default: bool | None
    timeouts: Timeouts | None
    header_operations: Sequence[HeaderOperation] | None
    breaker: Breaker | None
    probe: Probe | Removal | None
    ca_certificates: str | None
    proxy_url: str | None
    omit_stream_options: bool | None


class UpstreamChanges(UpstreamSettings, total=False):
    """What can be changed of an upstream."""

    provider: Provider | None


class GroupChanges(TypedDict, total=False):
    """What can be changed of a group."""

    members: Sequence[Member] | None
    policy: TrafficPolicy | None


class ModelChanges(TypedDict, total=False):
    """What a model may have besides its name, and what can be changed of it."""

    aliases: Sequence[str] | None
    capabilities: Sequence[Capability] | None
    deployments: Sequence[Deployment] | None
    is_active: bool | None
    policy: TrafficPolicy | None
    group: str | None
    fallbacks: Sequence[str] | None
    fallback_on: Sequence[FallbackCause] | None
    price: Price | Removal | None


class ListenerSettings(TypedDict, total=False):
    """What a listener may have besides its address."""

    default_group: str | None
    rules: Sequence[Rule] | None
    ip_limit: IpLimit | Removal | None
    head_timeout: timedelta | None
    is_active: bool | None


class ListenerChanges(ListenerSettings, total=False):
    """What can be changed of a listener."""

    address: str | None
