"""Upstreams: the provider endpoints that requests are forwarded to."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Provider(StrEnum):
    """How an upstream wants to be spoken to."""

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


DEFAULT_BASE_URL = {
    Provider.OPENAI: "https://api.openai.com/v1",
    Provider.ANTHROPIC: "https://api.anthropic.com/v1",
}


class Timeouts(Struct, frozen=True, kw_only=True):
    """Time limits of a call, in seconds: to connect, to the first byte, of silence, in all."""

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 300.0
    total: float = 3600.0


class Upstream(Struct, frozen=True, kw_only=True):
    """A provider endpoint. `name` identifies it and never changes. Either `base_url` or `full_url` is set.

    `api_key` is sealed (store/sealed.py); `api_key_hint` is what people are shown.
    `timeouts` holds only those that differ from the defaults, by field name, in seconds.
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
    created_at: datetime
    updated_at: datetime
    revision: int = 1
