"""Anthropic."""

from tollkeeper_server.domain.upstream import AuthScheme, Provider, Upstream
from tollkeeper_server.providers.provider import Headers, ProviderRecord, with_base_url, with_header

VERSION_HEADER = b"anthropic-version"
"""The header that every client of Anthropic's API sends."""
DEFAULT_VERSION = "2023-06-01"

_BASE_URL = "https://api.anthropic.com/v1"
_KEY_HEADER = "x-api-key"


def _default_headers(upstream: Upstream) -> Headers:
    return ((VERSION_HEADER, (upstream.api_version or DEFAULT_VERSION).encode()),)


ANTHROPIC = ProviderRecord(
    provider=Provider.ANTHROPIC,
    settings=frozenset({"api_version"}),
    default_base_url=_BASE_URL,
    complete=with_base_url(_BASE_URL),
    credential=with_header(_KEY_HEADER),
    key_header=_KEY_HEADER,
    auth_scheme=AuthScheme.HEADER,
    default_headers=_default_headers,
    models_path="/models?limit=1000",  # all of them, instead of pages of 20
    takes_stream_options=False,
)
