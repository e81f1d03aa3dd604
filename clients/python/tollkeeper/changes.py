"""The keywords of the methods that create or change an entity, each name once.

A keyword that is left out or None is not given: a new entity gets the gateway's default, a present one keeps
its value. `Removal.REMOVE` and `Expiry.NEVER` take away what an update could otherwise only replace.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from tollkeeper.values.limits import Limit
from tollkeeper.values.model import Capability
from tollkeeper.values.price import DatedPrice
from tollkeeper.values.token import Expiry
from tollkeeper.values.traffic import (
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
from tollkeeper.values.upstream import AuthScheme, Provider, Timeouts


class ProjectChanges(TypedDict, total=False):
    """The fields of a project that can be changed. `revoke_tokens` also deactivates all of its tokens."""

    name: str | None
    openai_api_key: str | None
    is_active: bool | None
    revoke_tokens: bool | None
    description: str | None
    labels: Mapping[str, str] | None
    limits: Sequence[Limit] | None


class TokenSettings(TypedDict, total=False):
    """The fields of a token. `duration_minutes` counts from now; of it and `expires_at` give one."""

    name: str | None
    max_requests: int | None
    duration_minutes: int | None
    expires_at: datetime | Expiry | None
    allowed_models: Sequence[str] | None
    description: str | None
    labels: Mapping[str, str] | None
    limits: Sequence[Limit] | None


class TokenChanges(TokenSettings, total=False):
    """The fields of a token that can be changed."""

    is_active: bool | None


class UpstreamSettings(TypedDict, total=False):
    """The fields of an upstream besides its name and provider."""

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
    ca_only: bool | None
    client_certificate: str | None
    client_key: str | None
    proxy_url: str | None
    omit_stream_options: bool | None
    request_id_header: str | None
    passed_headers: Sequence[str] | None
    keep_path: bool | None
    list_models: bool | None
    drain: timedelta | None


class UpstreamChanges(UpstreamSettings, total=False):
    """The fields of an upstream that can be changed."""

    provider: Provider | None


class GroupChanges(TypedDict, total=False):
    """The fields of a group that can be changed."""

    members: Sequence[Member] | None
    policy: TrafficPolicy | None


class ModelChanges(TypedDict, total=False):
    """The fields of a model besides its name, all of which can be changed."""

    aliases: Sequence[str] | None
    capabilities: Sequence[Capability] | None
    deployments: Sequence[Deployment] | None
    is_active: bool | None
    policy: TrafficPolicy | None
    group: str | None
    fallbacks: Sequence[str] | None
    fallback_on: Sequence[FallbackCause] | None
    price: Price | Removal | None
    limits: Sequence[Limit] | None
    prices: Sequence[DatedPrice] | None


class ListenerSettings(TypedDict, total=False):
    """The fields of a listener besides its name and address."""

    default_group: str | None
    rules: Sequence[Rule] | None
    ip_limit: IpLimit | Removal | None
    head_timeout: timedelta | None
    is_active: bool | None
    tls: bool | None
    limits: Sequence[Limit] | None


class ListenerChanges(ListenerSettings, total=False):
    """The fields of a listener that can be changed."""

    address: str | None


class GatewayChanges(TypedDict, total=False):
    """What can be changed of the gateway as a whole."""

    limits: Sequence[Limit] | None
