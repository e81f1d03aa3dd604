"""Makes whole upstreams out of requests, secrets sealed."""

from datetime import datetime

import msgspec
from tollkeeper.v1 import upstream_service_pb2 as pb

from tollkeeper_server.domain.token import mask
from tollkeeper_server.domain.upstream import AuthScheme, Probe, Upstream
from tollkeeper_server.errors import invalid
from tollkeeper_server.management.header_rules import check_operations
from tollkeeper_server.management.messages import seconds_by_name
from tollkeeper_server.management.upstream_messages import (
    auth_scheme_of,
    breaker_of,
    operations_of,
    probe_of,
    provider_of,
)
from tollkeeper_server.management.upstream_rules import (
    check_ca_certificates,
    check_proxy_url,
    complete,
    proxy_hint,
)
from tollkeeper_server.providers.provider import Draft
from tollkeeper_server.store.sealed import Sealer, UnsealError

_TEXTS = ("base_url", "full_url", "auth_header", "username", "organization", "project", "api_version")


class UpstreamBuilder:
    """Makes upstreams, or what updates make of them. Raises INVALID_ARGUMENT naming the field."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def build(
        self, request: pb.CreateUpstreamRequest, *, now: datetime, previous: Upstream | None = None
    ) -> Upstream:
        """Returns the upstream that a request describes, whole.

        With `previous` it takes the place of that one: it has its times and revision, and where the
        request gives no `api_key` or `proxy_url`, its secrets. A request that describes the previous one
        gives an equal value.
        """
        provider, scheme = provider_of(request.provider), auth_scheme_of(request.auth_scheme)
        before = previous or Upstream(name=request.name, provider=provider, created_at=now, updated_at=now)
        keeps_key = before.api_key is not None and scheme is not AuthScheme.NONE
        draft = Draft(
            provider=provider,
            auth_scheme=scheme,
            has_key=bool(request.api_key) or keeps_key,
            **{name: getattr(request, name) for name in _TEXTS},
        )
        upstream = msgspec.structs.replace(
            _with_settings(before, complete(draft)),
            is_active=request.is_active if request.HasField("is_active") else True,
            is_default=request.is_default,
            timeouts=seconds_by_name(request.timeouts),
            header_operations=operations_of(request.header_operations),
            breaker=breaker_of(request.breaker),
            probe=_probe_of(request),
            ca_certificates=request.ca_certificates,
        )
        if request.api_key or not keeps_key:
            upstream = self._with_key(upstream, request.api_key)
        if request.proxy_url:
            upstream = self._with_proxy(upstream, request.proxy_url)
        return _checked(upstream)

    def change(
        self, upstream: Upstream, request: pb.UpdateUpstreamRequest, changing: frozenset[str]
    ) -> Upstream:
        """Returns what an upstream becomes when the fields that are changing are as a request says."""
        changed = _with_settings(upstream, complete(_draft(upstream, request, changing)))
        fields: dict[str, object] = {
            name: getattr(request, name)
            for name in ("is_active", "is_default", "ca_certificates")
            if name in changing
        }
        if "timeouts" in changing:
            fields["timeouts"] = seconds_by_name(request.timeouts)
        if "header_operations" in changing:
            fields["header_operations"] = operations_of(request.header_operations)
        if "breaker" in changing:
            fields["breaker"] = breaker_of(request.breaker)
        if "probe" in changing:
            fields["probe"] = _probe_of(request)
        changed = msgspec.structs.replace(changed, **fields)
        if "api_key" in changing:
            changed = self._with_key(changed, request.api_key)
        if "proxy_url" in changing:
            changed = self._with_proxy(changed, request.proxy_url)
        return _checked(changed)

    def _with_key(self, upstream: Upstream, key: str) -> Upstream:
        return msgspec.structs.replace(
            upstream,
            api_key=self._seal(key, f"upstream:{upstream.name}:api_key", upstream.api_key),
            api_key_hint=mask(key) if key else "",
        )

    def _with_proxy(self, upstream: Upstream, url: str) -> Upstream:
        if url:
            check_proxy_url(url)
        return msgspec.structs.replace(
            upstream,
            proxy_url=self._seal(url, f"upstream:{upstream.name}:proxy_url", upstream.proxy_url),
            proxy_hint=proxy_hint(url) if url else "",
        )

    def _seal(self, secret: str, context: str, before: str | None) -> str | None:
        """Returns the secret sealed, None if it is empty. One that is sealed already stays as it is."""
        if not secret:
            return None
        if before is not None:
            try:
                if self._sealer.open(before, context) == secret:
                    return before
            except UnsealError:
                pass  # under a key that is gone: it is replaced
        return self._sealer.seal(secret, context)


def _draft(upstream: Upstream, request: pb.UpdateUpstreamRequest, changing: frozenset[str]) -> Draft:
    """Returns the settings an upstream would have after the update."""
    # Bearer and none follow from whether there is a key; the others were asked for.
    stored = upstream.auth_scheme if upstream.auth_scheme in {AuthScheme.BASIC, AuthScheme.HEADER} else None
    texts = {name: getattr(request, name) if name in changing else getattr(upstream, name) for name in _TEXTS}
    return Draft(
        provider=provider_of(request.provider) if "provider" in changing else upstream.provider,
        auth_scheme=auth_scheme_of(request.auth_scheme) if "auth_scheme" in changing else stored,
        has_key=bool(request.api_key) if "api_key" in changing else upstream.api_key is not None,
        **texts,
    )


def _with_settings(upstream: Upstream, draft: Draft) -> Upstream:
    return msgspec.structs.replace(
        upstream,
        provider=draft.provider,
        auth_scheme=draft.auth_scheme or AuthScheme.NONE,
        **{name: getattr(draft, name) for name in _TEXTS},
    )


def _probe_of(request: pb.CreateUpstreamRequest | pb.UpdateUpstreamRequest) -> Probe | None:
    return probe_of(request.probe) if request.HasField("probe") else None


def _checked(upstream: Upstream) -> Upstream:
    check_operations(upstream.header_operations, upstream.auth_header)
    if upstream.probe and not upstream.base_url:
        raise invalid("probe", "asks a path below base_url, which is empty; leave probe unset")
    if upstream.ca_certificates:
        check_ca_certificates(upstream.ca_certificates)
    return upstream
