"""Makes whole upstreams out of requests, secrets sealed."""

from datetime import datetime

import msgspec
from tollkeeper.v1 import upstream_service_pb2 as pb

from tollkeeper_server.domain.token import mask
from tollkeeper_server.domain.upstream import AuthScheme, Upstream
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.management.client_certificates import check_client_certificate, expiry_of
from tollkeeper_server.management.editors import seal_again
from tollkeeper_server.management.header_rules import (
    check_operations,
    check_passed_headers,
    check_request_id_header,
)
from tollkeeper_server.management.masks import every_field
from tollkeeper_server.management.messages import fields_of
from tollkeeper_server.management.refusals import Refusals
from tollkeeper_server.management.upstream_rules import (
    check_ca_certificates,
    check_list_models,
    check_proxy_url,
    complete,
    proxy_hint,
)
from tollkeeper_server.providers.provider import Draft
from tollkeeper_server.store.sealed import (
    Sealer,
    UnsealError,
    upstream_api_key,
    upstream_client_key,
    upstream_proxy_url,
)

_SECRETS = frozenset({"api_key", "proxy_url", "client_key"})
_TEXTS = ("base_url", "full_url", "auth_header", "username", "organization", "project", "api_version")
# Bearer and none follow from whether there is a key; these were asked for.
_ASKED_FOR = frozenset({AuthScheme.BASIC, AuthScheme.HEADER})


class UpstreamBuilder:
    """Makes upstreams, or what updates make of them. Raises INVALID_ARGUMENT naming the fields.

    A request with certificates takes time, so it is to be done in a thread.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def build(
        self, request: pb.CreateUpstreamRequest, *, now: datetime, previous: Upstream | None = None
    ) -> Upstream:
        """Return the upstream that a request describes, whole.

        With `previous` it takes the place of that one: it has its times and revision, and where the
        request gives no `api_key`, `proxy_url` or `client_key`, its secrets. A request that describes the
        previous one gives an equal value.
        """
        fields = fields_of(Upstream, request, only=["name", "provider"])
        before = previous or Upstream(**fields, created_at=now, updated_at=now)
        stays = {name for name in _SECRETS if not getattr(request, name)}
        if request.auth_scheme == pb.AUTH_SCHEME_NONE:
            stays.discard("api_key")
        if not request.client_certificate:
            stays.discard("client_key")
        return self.change(before, request, every_field(request) - stays)

    def change(
        self,
        upstream: Upstream,
        request: pb.CreateUpstreamRequest | pb.UpdateUpstreamRequest,
        changing: frozenset[str],
    ) -> Upstream:
        """Return what an upstream becomes when the fields that are changing are as a request says."""
        refusals = Refusals()
        asked = msgspec.structs.replace(upstream, **fields_of(Upstream, request, only=changing - _SECRETS))
        if "auth_scheme" in changing:
            scheme = asked.auth_scheme if request.auth_scheme else None
        else:
            scheme = asked.auth_scheme if asked.auth_scheme in _ASKED_FOR else None
        draft = Draft(
            provider=asked.provider,
            auth_scheme=scheme,
            keep_path=asked.keep_path,
            has_key=bool(request.api_key) if "api_key" in changing else upstream.api_key is not None,
            **{name: getattr(asked, name) for name in _TEXTS},
        )
        with refusals.collect():
            whole = complete(draft)
            asked = msgspec.structs.replace(
                asked,
                auth_scheme=whole.auth_scheme or AuthScheme.NONE,
                **{name: getattr(whole, name) for name in _TEXTS},
            )
            if asked.probe and not asked.base_url:
                refusals.add("probe", "asks a path below base_url, which is empty; leave probe unset")
            if asked.list_models:
                check_list_models(asked.provider, asked.base_url)
        with refusals.collect():
            check_operations(asked.header_operations, asked.auth_header)
        with refusals.collect():
            if asked.request_id_header:
                check_request_id_header(asked.request_id_header, asked.auth_header, asked.header_operations)
        with refusals.collect():
            check_passed_headers(asked.passed_headers)
        with refusals.collect():
            if asked.ca_certificates:
                if asked.ca_certificates != upstream.ca_certificates:
                    check_ca_certificates(asked.ca_certificates)
            elif "ca_only" in changing and asked.ca_only:
                refusals.add(
                    "ca_only", "trusts ca_certificates alone, which are empty; give some, or leave it unset"
                )
            else:
                asked = msgspec.structs.replace(asked, ca_only=False)
        client_key: str | None = None
        with refusals.collect():
            if "client_key" in changing or asked.client_certificate != upstream.client_certificate:
                client_key = self._client_key(asked, request.client_key if "client_key" in changing else None)
                expires_at = expiry_of(asked.client_certificate)
                asked = msgspec.structs.replace(asked, client_certificate_expires_at=expires_at)
        with refusals.collect():
            if "proxy_url" in changing and request.proxy_url:
                check_proxy_url(request.proxy_url)
        refusals.raise_any()
        if "api_key" in changing:
            asked = self._with_key(asked, request.api_key)
        if "proxy_url" in changing:
            asked = self._with_proxy(asked, request.proxy_url)
        if client_key is not None:
            asked = self._with_client_key(asked, client_key)
        return asked

    def _client_key(self, asked: Upstream, given: str | None) -> str:
        """Return the key of the client certificate that is asked for, None `given` being the present one."""
        if not asked.client_certificate:
            if given:
                raise invalid_argument(
                    "client_key", "belongs to a client_certificate, which is empty; give both"
                )
            return ""
        key = given
        if key is None and asked.client_key is not None:
            try:
                key = self._sealer.open(asked.client_key, upstream_client_key(asked.name))
            except UnsealError:
                raise invalid_argument(
                    "client_key", "the present one can't be opened with the encryption keys; give it again"
                ) from None
        if not key:
            raise invalid_argument("client_certificate", "needs its private key; give client_key, too")
        check_client_certificate(asked.client_certificate, key)
        return key

    def _with_key(self, upstream: Upstream, key: str) -> Upstream:
        sealed = seal_again(self._sealer, key, upstream_api_key(upstream.name), upstream.api_key)
        return msgspec.structs.replace(upstream, api_key=sealed, api_key_hint=mask(key) if key else "")

    def _with_client_key(self, upstream: Upstream, key: str) -> Upstream:
        sealed = seal_again(self._sealer, key, upstream_client_key(upstream.name), upstream.client_key)
        return msgspec.structs.replace(upstream, client_key=sealed)

    def _with_proxy(self, upstream: Upstream, url: str) -> Upstream:
        sealed = seal_again(self._sealer, url, upstream_proxy_url(upstream.name), upstream.proxy_url)
        return msgspec.structs.replace(upstream, proxy_url=sealed, proxy_hint=proxy_hint(url) if url else "")
