"""What makes an upstream's settings whole: the rules across fields, and their defaults."""

import ipaddress
import re
import ssl
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from tollkeeper_server.domain.upstream import DEFAULT_BASE_URL, AuthScheme, Provider
from tollkeeper_server.errors import Reason, TollkeeperError

# A credential in one of these would break the message's framing or its routing.
FRAMING_HEADERS = frozenset(
    {
        "connection", "content-encoding", "content-length", "content-type", "expect", "host",
        "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_MASK = "****"
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")


class Draft(Struct, frozen=True, kw_only=True):
    """An upstream's settings as asked for. `auth_scheme` None leaves it to the rules."""

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


def complete(draft: Draft) -> Draft:
    """Returns the settings with defaults and normalised URLs. Raises INVALID_ARGUMENT naming the field."""
    for name in ("base_url", "full_url"):
        url = getattr(draft, name)
        if url:
            draft = msgspec.structs.replace(draft, **{name: _url(name, url)})
    _refuse_strangers(draft)
    match draft.provider:
        case Provider.GENERIC:
            return _complete_generic(draft)
        case Provider.AZURE:
            return _complete_azure(draft)
        case Provider.OPENAI | Provider.ANTHROPIC:
            base_url = draft.base_url or DEFAULT_BASE_URL[draft.provider]
            if not urlsplit(base_url).path:
                base_url += "/v1"
            return msgspec.structs.replace(draft, base_url=base_url)


def _refuse_strangers(draft: Draft) -> None:
    """Refuses settings that the provider has no use for: they would be ignored without a word."""
    is_generic = draft.provider is Provider.GENERIC
    for name in ("full_url", "auth_scheme", "auth_header", "username"):
        if getattr(draft, name) and not is_generic:
            raise refusal(name, f"only for provider generic, not for {draft.provider}; leave it empty")
    for name in ("organization", "project"):
        if getattr(draft, name) and draft.provider is not Provider.OPENAI:
            raise refusal(name, f"only for provider openai, not for {draft.provider}; leave it empty")
    if draft.api_version and draft.provider not in {Provider.AZURE, Provider.ANTHROPIC}:
        raise refusal(
            "api_version", f"only for providers azure and anthropic, not for {draft.provider}; leave it empty"
        )


def _complete_azure(draft: Draft) -> Draft:
    if not draft.base_url:
        raise refusal("base_url", "required for azure, such as https://NAME.openai.azure.com")
    if not draft.api_version:
        raise refusal("api_version", "required for azure, such as 2024-10-21")
    # The portal shows the endpoint with it; the data plane adds it to every path.
    return msgspec.structs.replace(draft, base_url=draft.base_url.removesuffix("/openai").rstrip("/"))


def _complete_generic(draft: Draft) -> Draft:
    if draft.base_url and draft.full_url:
        raise refusal("full_url", "excludes base_url; give one and leave the other empty")
    if not draft.base_url and not draft.full_url:
        raise refusal("base_url", "required for generic, unless full_url is given")
    scheme = draft.auth_scheme or (AuthScheme.BEARER if draft.has_key else AuthScheme.NONE)
    if scheme is AuthScheme.HEADER and not draft.auth_header:
        raise refusal("auth_header", "required with auth_scheme header, such as x-api-key")
    if draft.auth_header and scheme is not AuthScheme.HEADER:
        raise refusal("auth_header", f"only with auth_scheme header, not with {scheme}; leave it empty")
    if draft.auth_header.lower() in FRAMING_HEADERS:
        raise refusal("auth_header", "this header belongs to the connection and can't carry a credential")
    if draft.username and scheme is not AuthScheme.BASIC:
        raise refusal("username", f"only with auth_scheme basic, not with {scheme}; leave it empty")
    if scheme is AuthScheme.NONE and draft.has_key:
        raise refusal("api_key", "would never be sent with auth_scheme none; leave it empty")
    if scheme in {AuthScheme.BEARER, AuthScheme.HEADER} and not draft.has_key:
        raise refusal("api_key", f"required with auth_scheme {scheme}")
    if scheme is AuthScheme.BASIC and not draft.has_key and not draft.username:
        raise refusal("username", "required with auth_scheme basic, unless api_key is given")
    return msgspec.structs.replace(draft, auth_scheme=scheme)


def check_proxy_url(url: str) -> None:
    """Refuses what is no outbound proxy's URL. Raises INVALID_ARGUMENT, never showing it."""
    example = "http://proxy.example.com:3128"
    parts = _parts("proxy_url", url, example)
    if parts.path not in {"", "/"}:
        raise refusal("proxy_url", f"must not have a path; expected one such as {example}")
    if parts.password == _MASK:
        raise refusal("proxy_url", "holds what is shown instead of the password; give the password")


def proxy_hint(url: str) -> str:
    """Returns what people may see of a proxy's URL."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{parts.scheme}://{name}{colon and f':{_MASK}'}{at}{place}"


def check_ca_certificates(pem: str) -> None:
    """Refuses what is not certificates as PEM writes them. Raises INVALID_ARGUMENT."""
    if not pem.isascii():
        raise refusal("ca_certificates", "must be ASCII; leave out comments that are not")
    if "PRIVATE KEY" in pem:
        raise refusal("ca_certificates", "holds a private key; give the authorities' certificates alone")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise refusal(
            "ca_certificates", "can't be read; expected PEM: -----BEGIN CERTIFICATE----- and so on"
        ) from None


def _url(field: str, url: str) -> str:
    """Returns the URL in one spelling. Raises INVALID_ARGUMENT; the message does not show the URL."""
    parts = _parts(field, url, "https://api.example.com/v1")
    if "@" in parts.netloc:
        raise refusal(field, "must not contain user name and password; use username and api_key")
    path = parts.path.rstrip("/") if field == "base_url" else parts.path
    return urlunsplit((parts.scheme, parts.netloc.lower().rstrip(":"), path, "", ""))


def _parts(field: str, url: str, example: str) -> SplitResult:
    """Returns the parts of an HTTP URL that has a host, and neither query nor fragment."""
    # First of all: urlsplit would quietly remove line breaks and tabs.
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        raise refusal(field, "only visible ASCII characters may stand in a URL, and no backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refusal(field, f"not a URL; expected one such as {example}") from None
    if parts.scheme not in {"http", "https"}:
        raise refusal(field, "must begin with http:// or https://")
    if "#" in url:
        raise refusal(field, "must not have a fragment (#...)")
    if "?" in url:
        raise refusal(field, "must not have a query (?...)")
    if not _is_host(parts) or port == 0:
        raise refusal(field, f"has no valid host; expected one such as {example}")
    return parts


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if ":" not in host:
        return _HOST.fullmatch(host) is not None and "[" not in parts.netloc
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def refusal(field: str, why: str) -> TollkeeperError:
    """Returns INVALID_ARGUMENT for a field."""
    return TollkeeperError(Reason.INVALID_ARGUMENT, f"{field}: {why}", field=field)
