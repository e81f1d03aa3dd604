"""OpenAI."""

from tollkeeper_server.domain.upstream import AuthScheme, Provider, Upstream
from tollkeeper_server.providers.provider import Headers, ProviderRecord, bearer, with_base_url

_BASE_URL = "https://api.openai.com/v1"


def _headers(upstream: Upstream) -> Headers:
    named = ((b"openai-organization", upstream.organization), (b"openai-project", upstream.project))
    return tuple((name, value.encode()) for name, value in named if value)


OPENAI = ProviderRecord(
    provider=Provider.OPENAI,
    knows_completion_maximum=True,
    settings=frozenset({"organization", "project"}),
    default_base_url=_BASE_URL,
    complete=with_base_url(_BASE_URL),
    credential=lambda _upstream, key: bearer(key) if key else (),
    key_header="authorization",
    auth_scheme=AuthScheme.BEARER,
    headers=_headers,
    caller_headers=frozenset({"openai-organization", "openai-project"}),
    takes_project_key=True,
)
