"""Upstreams: the provider endpoints that requests are forwarded to."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Provider(StrEnum):
    """The API that an upstream speaks."""

    OPENAI = "openai"
    AZURE = "azure"
    ANTHROPIC = "anthropic"
    GENERIC = "generic"


class AuthScheme(StrEnum):
    """How a credential is presented to a generic upstream."""

    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    NONE = "none"


class Timeouts(Struct, frozen=True, kw_only=True):
    """Time limits of a call, in seconds: until connected, until the first byte, between bytes, in total."""

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 300.0
    total: float = 3600.0


class HeaderAction(StrEnum):
    """The kinds of changes to a header."""

    INSERT = "insert"
    """Set the header if it is absent."""
    REPLACE = "replace"
    """Set the header, in place of any former value."""
    REMOVE = "remove"


class HeaderOperation(Struct, frozen=True, kw_only=True):
    """A change to the headers of a request before it is sent. REMOVE has no `value`."""

    action: HeaderAction
    name: str
    value: str = ""


class Breaker(Struct, frozen=True, kw_only=True):
    """When an upstream gets no more calls: if, of at least `min_calls` in the last `window_seconds`, the
    share `threshold` (0.01 to 1) has failed. After `cooldown_seconds` one call at a time tries it again.
    """

    threshold: float = 0.5
    cooldown_seconds: float = 30.0
    window_seconds: float = 30.0
    min_calls: int = 10


class Probe(Struct, frozen=True, kw_only=True):
    """A health check: a GET of `path` below the upstream's base URL, every `interval_seconds`.

    An answer with a status below 500 within `timeout_seconds` is a success.
    """

    path: str
    interval_seconds: float = 10.0
    timeout_seconds: float = 5.0


class Upstream(Struct, frozen=True, kw_only=True):
    """A provider endpoint. `name` identifies it and never changes. Either `base_url` or `full_url` is set.

    `api_key` is sealed (store/sealed.py); `api_key_hint` is the masked key that people see.
    `timeouts` holds only those that differ from the defaults, by field name, in seconds.
    `header_operations` are done in order. `ca_certificates` is PEM text with the authorities to trust beside
    the system's, with `ca_only` alone. `client_certificate` (PEM, with its intermediates) is shown to it if
    asked for; `client_key` is sealed, None without one. `proxy_url` is sealed, as it may hold a password;
    `proxy_hint` is the masked URL.
    With `omit_stream_options` the gateway does not ask for the usage of streams. `request_id_header` is the
    header in which it gives its request id, empty for none. `passed_headers` of its answers pass to callers,
    though they stay here otherwise. With `keep_path` paths are appended to `base_url` as they came, else
    without `/v1`. With `list_models` the models that it lists are listed where a pattern or a listener's
    group leads to it. `drain_seconds` is for how long an answer is
    read on whose caller has left, 0 for not at all.
    """

    name: str
    provider: Provider
    base_url: str = ""
    full_url: str = ""
    auth_scheme: AuthScheme = AuthScheme.NONE
    auth_header: str = ""
    username: str = ""
    api_key: str | None = None
    api_key_hint: str = ""
    organization: str = ""
    project: str = ""
    api_version: str = ""
    is_active: bool = True
    is_default: bool = False
    timeouts: dict[str, float] = {}
    header_operations: tuple[HeaderOperation, ...] = ()
    breaker: Breaker = Breaker()
    probe: Probe | None = None
    ca_certificates: str = ""
    ca_only: bool = False
    client_certificate: str = ""
    client_key: str | None = None
    client_certificate_expires_at: datetime | None = None
    proxy_url: str | None = None
    proxy_hint: str = ""
    omit_stream_options: bool = False
    request_id_header: str = ""
    passed_headers: tuple[str, ...] = ()
    keep_path: bool = False
    list_models: bool = False
    drain_seconds: float = 0.0
    created_at: datetime
    updated_at: datetime
    revision: int = 1
