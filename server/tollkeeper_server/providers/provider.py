"""What the gateway must know of a provider: one record for each, listed in `registry.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tollkeeper_server.domain.headers import Header
from tollkeeper_server.domain.upstream import AuthScheme, Provider, Upstream


class Draft(Struct, frozen=True, kw_only=True):
    """An upstream's settings as asked for. `auth_scheme` None leaves it to the provider's rules."""

    provider: Provider
    base_url: str = ""
    full_url: str = ""
    auth_scheme: AuthScheme | None = None
    auth_header: str = ""
    username: str = ""
    has_key: bool = False
    organization: str = ""
    project: str = ""
    api_version: str = ""


class Address(Protocol):
    """Where an upstream is."""

    @property
    def base_url(self) -> str:
        """The URL that paths are appended to, without a trailing slash."""

    @property
    def full_url(self) -> str:
        """The URL of every call, whatever its path; empty if there is a base URL."""

    @property
    def api_version(self) -> str:
        """The version of the API that the upstream is configured with, empty for none."""


def _no_headers(_upstream: Upstream) -> tuple[Header, ...]:
    return ()


def plain_url(address: Address, path: str, query: str, _model: str, _endpoint: str) -> str:
    """Return the URL of a call whose path is the caller's own, as OpenAI's clients write it."""
    return f"{address.base_url}{path}?{query}" if query else f"{address.base_url}{path}"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ProviderRecord:
    """One provider.

    - `settings` are the fields of an upstream that only some providers use, and this one does.
    - `complete` returns a draft with defaults. It raises INVALID_ARGUMENT naming the field that is missing
      or wrong.
    - `credential` returns the headers that present an upstream's key, which is empty if it has none.
    - `headers` are sent with every call, `default_headers` if the caller sends none of that name.
    - `caller_headers` are names that callers use for settings of this provider. They are the
      administrator's to say, and never pass.
    - `key_header` is where the provider's clients put their key, so that callers may put a token there.
    - `url` returns a call's URL of the upstream's address, the path after `/v1`, the query, the model's name
      at the upstream, and the endpoint's name.
    - `model_in_path`: the URL names the model, so that the body need not.
    - `takes_stream_options`: a stream can be asked for its usage by `stream_options`.
    - `takes_project_key`: a project's own key is one of this provider.
    """

    provider: Provider
    complete: Callable[[Draft], Draft]
    credential: Callable[[Upstream, str], tuple[Header, ...]]
    key_header: str
    settings: frozenset[str] = frozenset()
    default_base_url: str = ""
    headers: Callable[[Upstream], tuple[Header, ...]] = _no_headers
    default_headers: Callable[[Upstream], tuple[Header, ...]] = _no_headers
    caller_headers: frozenset[str] = frozenset()
    url: Callable[[Address, str, str, str, str], str] = plain_url
    model_in_path: bool = False
    takes_stream_options: bool = True
    takes_project_key: bool = False


def with_base_url(draft: Draft, default: str) -> Draft:
    """Return the draft with a base URL that has a path: without one of its own, `/v1`."""
    base_url = draft.base_url or default
    if not urlsplit(base_url).path:
        base_url += "/v1"
    return msgspec.structs.replace(draft, base_url=base_url)


def bearer(key: str) -> tuple[Header, ...]:
    """Return the header that presents a key as RFC 6750 says."""
    return ((b"authorization", b"Bearer " + key.encode()),)
