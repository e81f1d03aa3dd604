"""The rules of an upstream's settings that hold for every provider, and of its URLs and certificates."""

import ipaddress
import re
import ssl
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from tollkeeper_server.domain.upstream import Provider
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.pem import as_file
from tollkeeper_server.providers.provider import Draft
from tollkeeper_server.providers.registry import PROVIDERS

_MASK = "****"
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_MAX_HOST = 253  # RFC 1035, 2.3.4, as text without the last dot


# Settings that only some providers use.
_SETTINGS = (
    "full_url",
    "auth_scheme",
    "auth_header",
    "username",
    "organization",
    "project",
    "api_version",
    "keep_path",
)


def complete(draft: Draft) -> Draft:
    """Return the settings with defaults and normalised URLs. Raises INVALID_ARGUMENT naming the field."""
    for name in ("base_url", "full_url"):
        url = getattr(draft, name)
        if url:
            draft = msgspec.structs.replace(draft, **{name: _url(name, url)})
    _refuse_unused(draft)
    return PROVIDERS[draft.provider].complete(draft)


def _refuse_unused(draft: Draft) -> None:
    """Refuse settings that the provider does not use: they would be ignored without a word."""
    for name in _SETTINGS:
        users = [str(it.provider) for it in PROVIDERS.values() if name in it.settings]
        value = getattr(draft, name)
        if value and draft.provider not in users:
            plural = "s" if len(users) > 1 else ""
            raise invalid_argument(
                name,
                f"only for provider{plural} {' and '.join(users)}, not for {draft.provider}; "
                f"leave it {'unset' if value is True else 'empty'}",
            )


def check_list_models(provider: Provider, base_url: str) -> None:
    """Raise INVALID_ARGUMENT if an upstream can't list its models by the names that callers may use."""
    if not PROVIDERS[provider].models_path:
        raise invalid_argument(
            "list_models",
            f"{provider} does not list the names that its models are called by; leave it unset, and make a "
            "model for each",
        )
    if not base_url:
        raise invalid_argument("list_models", "asks below base_url, which is empty; leave it unset")


def check_proxy_url(url: str) -> None:
    """Raise INVALID_ARGUMENT for a URL that is no outbound proxy's. The message does not show it."""
    example = "http://proxy.example.com:3128"
    parts = _parts("proxy_url", url, example)
    if parts.path not in {"", "/"}:
        raise invalid_argument("proxy_url", f"must not have a path; expected one such as {example}")
    if parts.password == _MASK:
        raise invalid_argument(
            "proxy_url", "holds the mask that is shown instead of the password; give the password"
        )


def proxy_hint(url: str) -> str:
    """Return a proxy's URL as people may see it."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{parts.scheme}://{name}{colon and f':{_MASK}'}{at}{place}"


def check_ca_certificates(pem: str) -> None:
    """Raise INVALID_ARGUMENT for a text that is not certificates as PEM writes them.

    Half a megabyte takes a tenth of a second or more, so a large one is to be checked in a thread.
    """
    if not pem.isascii():
        raise invalid_argument("ca_certificates", "must be ASCII; leave out comments that are not")
    if "PRIVATE KEY" in pem:
        raise invalid_argument(
            "ca_certificates", "holds a private key; give the authorities' certificates alone"
        )
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with as_file(pem) as path:  # other threads run while OpenSSL reads a file
            trust.load_verify_locations(cafile=path)
        has_some = trust.cert_store_stats()["x509"] > 0  # a file may hold revocations alone
    except (ssl.SSLError, ValueError):
        has_some = False
    if not has_some:
        raise invalid_argument(
            "ca_certificates", "can't be read; expected PEM: -----BEGIN CERTIFICATE----- and so on"
        )


def _url(field: str, url: str) -> str:
    """Return the URL in one spelling. Raises INVALID_ARGUMENT; the message does not show the URL."""
    parts = _parts(field, url, "https://api.example.com/v1")
    if "@" in parts.netloc:
        raise invalid_argument(field, "must not contain user name and password; use username and api_key")
    path = parts.path.rstrip("/") if field == "base_url" else parts.path
    return urlunsplit((parts.scheme, parts.netloc.lower().rstrip(":"), path, "", ""))


def _parts(field: str, url: str, example: str) -> SplitResult:
    """Return the parts of an HTTP URL that has a host, and neither query nor fragment."""
    # First of all: urlsplit would quietly remove line breaks and tabs.
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        raise invalid_argument(field, "only visible ASCII characters may stand in a URL, and no backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid_argument(field, f"not a URL; expected one such as {example}") from None
    if parts.scheme not in {"http", "https"}:
        raise invalid_argument(field, "must begin with http:// or https://")
    if "#" in url:
        raise invalid_argument(field, "must not have a fragment (#...)")
    if "?" in url:
        raise invalid_argument(field, "must not have a query (?...)")
    if not _is_host(parts) or port == 0:
        raise invalid_argument(field, f"has no valid host; expected one such as {example}")
    return parts


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if ":" not in host:
        is_short = len(host.removesuffix(".")) <= _MAX_HOST
        return is_short and _HOST.fullmatch(host) is not None and "[" not in parts.netloc
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host
