"""The knowledge of a provider that the gateway needs: one record for each, listed in `registry.py`."""

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
    keep_path: bool = False


class Address(Protocol):
    """Where an upstream is. `base_url` has no trailing slash."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_version(self) -> str: ...


Headers = tuple[Header, ...]
Complete = Callable[[Draft], Draft]
Credential = Callable[[Upstream, str], Headers]


def _no_headers(_upstream: Upstream) -> Headers:
    return ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ProviderRecord:
    """One provider.

    - `settings` are the fields of an upstream that this provider uses, and not all do.
    - `complete` returns a draft with its defaults. It raises INVALID_ARGUMENT naming a field that is missing
      or wrong.
    - `credential` returns the headers that present an upstream's key, which is empty if there is none.
    - `headers` are sent with every call, `default_headers` if the caller sends none of that name.
    - `caller_headers` are headers by which clients set what an upstream is configured with.
    - `auth_scheme` is how that is done; None if each upstream says so itself.
    - `key_header` is where the provider's clients put their key.
    - `url` returns a call's URL of the upstream's address, the path after `/v1`, the query, the model's name
      at the upstream, and the endpoint's name; without it, path and query follow the base URL.
    - `models_path` is where the models are listed by the names that they are called by, empty if nowhere.
    - `model_in_path` are the endpoints whose URL names the model, so that the body need not.
    - `takes_stream_options`: a stream can be asked for its usage.
    - `knows_completion_maximum`: chat takes `max_completion_tokens`, and some models nothing else.
    - `takes_project_key`: a project's own key is one of this provider.
    """

    provider: Provider
    complete: Complete
    credential: Credential
    key_header: str
    auth_scheme: AuthScheme | None = None
    settings: frozenset[str] = frozenset()
    default_base_url: str = ""
    headers: Callable[[Upstream], Headers] = _no_headers
    default_headers: Callable[[Upstream], Headers] = _no_headers
    caller_headers: frozenset[str] = frozenset()
    url: Callable[[Address, str, str, str, str], str] | None = None
    models_path: str = "/models"
    knows_completion_maximum: bool = False
    model_in_path: frozenset[str] = frozenset()
    takes_stream_options: bool = True
    takes_project_key: bool = False


def with_base_url(default: str) -> Complete:
    """Return how a base URL is completed that has a default, and ends in `/v1` if it has no path."""

    def complete(draft: Draft) -> Draft:
        base_url = draft.base_url or default
        if not urlsplit(base_url).path:
            base_url += "/v1"
        return msgspec.structs.replace(draft, base_url=base_url)

    return complete


def with_header(name: str) -> Credential:
    """Return how a key is presented that is a header's whole value."""
    return lambda _upstream, key: ((name.encode(), key.encode()),) if key else ()


def bearer(key: str) -> Headers:
    """Return the header that presents a key as RFC 6750 says."""
    return ((b"authorization", b"Bearer " + key.encode()),)
