"""OpenAI."""

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.upstream import Provider, Upstream
from tollkeeper_server.providers.provider import Draft, ProviderRecord, bearer, with_base_url

_BASE_URL = "https://api.openai.com/v1"


def _complete(draft: Draft) -> Draft:
    return with_base_url(draft, _BASE_URL)


def _credential(_upstream: Upstream, key: str) -> tuple[Header, ...]:
    return bearer(key) if key else ()


def _headers(upstream: Upstream) -> tuple[Header, ...]:
    named = ((b"openai-organization", upstream.organization), (b"openai-project", upstream.project))
    return tuple((name, value.encode()) for name, value in named if value)


OPENAI = ProviderRecord(
    provider=Provider.OPENAI,
    settings=frozenset({"organization", "project"}),
    default_base_url=_BASE_URL,
    complete=_complete,
    credential=_credential,
    key_header="authorization",
    headers=_headers,
    caller_headers=frozenset({"openai-organization", "openai-project"}),
    takes_project_key=True,
)
