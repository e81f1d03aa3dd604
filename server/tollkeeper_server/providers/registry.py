"""Every provider, and what follows from all of them together."""

from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.providers.anthropic import ANTHROPIC
from tollkeeper_server.providers.azure import AZURE
from tollkeeper_server.providers.generic import GENERIC
from tollkeeper_server.providers.openai import OPENAI
from tollkeeper_server.providers.provider import ProviderRecord

PROVIDERS: dict[Provider, ProviderRecord] = {
    record.provider: record for record in (OPENAI, ANTHROPIC, AZURE, GENERIC)
}

KEY_HEADERS = tuple(dict.fromkeys(record.key_header for record in PROVIDERS.values()))
"""Where callers may put their token, in the order in which the headers are looked at."""

CREDENTIAL_HEADERS = frozenset({*KEY_HEADERS, "cookie", "proxy-authorization"})
"""Headers that carry a credential: a caller's never passes, and no header operation may set one."""

SETTING_HEADERS = frozenset().union(*(record.caller_headers for record in PROVIDERS.values()))
"""Headers that say what upstreams are configured with; a caller's never passes."""
