"""Anthropic."""

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.upstream import Provider, Upstream
from tollkeeper_server.providers.provider import Draft, ProviderRecord, with_base_url

VERSION_HEADER = b"anthropic-version"
"""The header that every client of Anthropic's API sends."""
DEFAULT_VERSION = "2023-06-01"

_BASE_URL = "https://api.anthropic.com/v1"
_KEY_HEADER = "x-api-key"


def _complete(draft: Draft) -> Draft:
    return with_base_url(draft, _BASE_URL)


def _credential(_upstream: Upstream, key: str) -> tuple[Header, ...]:
    return ((_KEY_HEADER.encode(), key.encode()),) if key else ()


def _default_headers(upstream: Upstream) -> tuple[Header, ...]:
    return ((VERSION_HEADER, (upstream.api_version or DEFAULT_VERSION).encode()),)


ANTHROPIC = ProviderRecord(
    provider=Provider.ANTHROPIC,
    settings=frozenset({"api_version"}),
    default_base_url=_BASE_URL,
    complete=_complete,
    credential=_credential,
    key_header=_KEY_HEADER,
    default_headers=_default_headers,
    takes_stream_options=False,
)
