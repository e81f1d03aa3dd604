"""Upstreams: as messages, and their parts out of them."""

from collections.abc import Iterable

from tollkeeper.v1 import upstream_service_pb2

from tollkeeper_server.domain.upstream import (
    AuthScheme,
    Breaker,
    HeaderAction,
    HeaderOperation,
    Probe,
    Provider,
    Upstream,
)
from tollkeeper_server.management.etags import etag_of
from tollkeeper_server.management.messages import duration, number, seconds, timestamp, word
from tollkeeper_server.providers.registry import PROVIDERS

_PROVIDER = upstream_service_pb2.Provider.DESCRIPTOR
_AUTH_SCHEME = upstream_service_pb2.AuthScheme.DESCRIPTOR
_ACTION = upstream_service_pb2.HeaderAction.DESCRIPTOR
_BREAKER = Breaker()


def provider_of(value: int) -> Provider:
    """Returns the provider of that number, which is not that of the unspecified one."""
    provider = word(_PROVIDER, Provider, value)
    assert provider is not None, "the protos' rules require it"
    return provider


def auth_scheme_of(value: int) -> AuthScheme | None:
    """Returns the scheme of that number, or None for the unspecified one."""
    return word(_AUTH_SCHEME, AuthScheme, value)


def operations_of(written: Iterable[upstream_service_pb2.HeaderOperation]) -> tuple[HeaderOperation, ...]:
    """Returns the header operations that messages describe."""
    return tuple(
        HeaderOperation(action=action, name=it.name, value=it.value)
        for it in written
        if (action := word(_ACTION, HeaderAction, it.action))
    )


def breaker_of(written: upstream_service_pb2.Breaker) -> Breaker:
    """Returns the breaker that a message describes; what it leaves unset is the default."""
    return Breaker(
        threshold=written.threshold if written.HasField("threshold") else _BREAKER.threshold,
        cooldown_seconds=seconds(written.cooldown)
        if written.HasField("cooldown")
        else _BREAKER.cooldown_seconds,
        window_seconds=seconds(written.window) if written.HasField("window") else _BREAKER.window_seconds,
        min_calls=written.min_calls if written.HasField("min_calls") else _BREAKER.min_calls,
    )


def probe_of(written: upstream_service_pb2.Probe) -> Probe:
    """Returns the probe that a message describes; what it leaves unset is the default."""
    default = Probe(path=written.path)
    return Probe(
        path=written.path,
        interval_seconds=seconds(written.interval)
        if written.HasField("interval")
        else default.interval_seconds,
        timeout_seconds=seconds(written.timeout) if written.HasField("timeout") else default.timeout_seconds,
    )


def operation_messages(
    operations: Iterable[HeaderOperation],
) -> list[upstream_service_pb2.HeaderOperation]:
    """Returns header operations as callers see them."""
    return [
        upstream_service_pb2.HeaderOperation(
            action=number(_ACTION, it.action),  # type: ignore[arg-type]  # enums are ints here
            name=it.name,
            value=it.value,
        )
        for it in operations
    ]


def breaker_message(breaker: Breaker) -> upstream_service_pb2.Breaker:
    """Returns a breaker as callers see it."""
    return upstream_service_pb2.Breaker(
        threshold=breaker.threshold,
        cooldown=duration(breaker.cooldown_seconds),
        window=duration(breaker.window_seconds),
        min_calls=breaker.min_calls,
    )


def probe_message(probe: Probe) -> upstream_service_pb2.Probe:
    """Returns a probe as callers see it."""
    return upstream_service_pb2.Probe(
        path=probe.path,
        interval=duration(probe.interval_seconds),
        timeout=duration(probe.timeout_seconds),
    )


def timeouts_message(timeouts: dict[str, float]) -> upstream_service_pb2.Timeouts:
    """Returns time-outs, in seconds by name, as callers see them."""
    return upstream_service_pb2.Timeouts(**{name: duration(length) for name, length in timeouts.items()})


def upstream_message(upstream: Upstream) -> upstream_service_pb2.Upstream:
    """Returns an upstream as callers see it, its secrets masked."""
    chooses_scheme = "auth_scheme" in PROVIDERS[upstream.provider].settings
    return upstream_service_pb2.Upstream(
        name=upstream.name,
        provider=number(_PROVIDER, upstream.provider),  # type: ignore[arg-type]  # as above
        base_url=upstream.base_url,
        full_url=upstream.full_url,
        auth_scheme=number(_AUTH_SCHEME, upstream.auth_scheme) if chooses_scheme else 0,  # type: ignore[arg-type]  # as above
        auth_header=upstream.auth_header,
        username=upstream.username,
        api_key=upstream.api_key_hint,
        organization=upstream.organization,
        project=upstream.project,
        api_version=upstream.api_version,
        is_active=upstream.is_active,
        is_default=upstream.is_default,
        timeouts=timeouts_message(upstream.timeouts),
        created_at=timestamp(upstream.created_at),
        updated_at=timestamp(upstream.updated_at),
        etag=etag_of(upstream),
        header_operations=operation_messages(upstream.header_operations),
        breaker=breaker_message(upstream.breaker),
        probe=probe_message(upstream.probe) if upstream.probe else None,
        ca_certificates=upstream.ca_certificates,
        proxy_url=upstream.proxy_hint,
    )
