"""One of llmproxy's upstreams: where it is, its credential, header operations and breaker."""

import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from tollkeeper.imports.imported import as_secret
from tollkeeper.imports.llmproxy_headers import read_headers
from tollkeeper.imports.section import Section, wrong
from tollkeeper.v1 import upstream_service_pb2 as pb

# The ends of URLs that name an endpoint, not the place below which endpoints are.
_ENDPOINTS = (
    "/completions", "/embeddings", "/responses", "/messages", "/moderations", "/rerank", "/chat", "/generate",
    "/images/generations", "/images/edits", "/images/variations", "/audio/speech", "/audio/transcriptions",
    "/audio/translations",
)  # fmt: skip
_VERSION = re.compile(r"/v\d", re.IGNORECASE)


def read_upstream(section: Section, name: str) -> tuple[pb.CreateUpstreamRequest, list[str]]:
    """Return the upstream and notes about it. Raises `ConfigurationError`."""
    notes: list[str] = []
    upstream = pb.CreateUpstreamRequest(name=name, provider=pb.PROVIDER_GENERIC)
    parts = _url(section, notes)
    _auth(section.section("auth"), upstream, parts)
    if parts.username is not None and upstream.auth_scheme != pb.AUTH_SCHEME_BASIC:
        notes.append(f"{section.where('url')}: its user name and password were left out; auth says otherwise")
    notes += read_headers(section, upstream)
    _place(upstream, parts)
    if upstream.keep_path and parts.path.rstrip("/"):
        notes.append(
            f"{section.where('url')}: the paths of requests are appended to it; "
            "if it is an endpoint itself, make it full_url"
        )
    breaker = section.section("breaker")
    threshold, cooldown = breaker.number("threshold"), breaker.integer("cooldown")
    if threshold is not None:
        upstream.breaker.threshold = threshold
    if cooldown is not None:
        upstream.breaker.cooldown.FromSeconds(cooldown)
    return upstream, notes


def _url(section: Section, notes: list[str]) -> SplitResult:
    url = section.required("url")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise wrong(section.where("url"), "is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise wrong(section.where("url"), "must be one such as https://api.example.com/v1")
    if parts.query or parts.fragment:
        notes.append(
            f"{section.where('url')}: its query was left out: URLs have none here; Azure's is api_version"
        )
    return parts


def _place(upstream: pb.CreateUpstreamRequest, parts: SplitResult) -> None:
    """Set the URL: full if its path ends in an endpoint, else the base.

    Paths go on below a base as they came, and without `/v1` if it has a version of its own.
    """
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/")
    if path.lower().endswith(_ENDPOINTS):
        upstream.full_url = urlunsplit((parts.scheme, host, path, "", ""))
        return
    is_openai = parts.hostname == "api.openai.com" and upstream.auth_scheme == pb.AUTH_SCHEME_BEARER
    if is_openai:
        upstream.provider = pb.PROVIDER_OPENAI
        upstream.ClearField("auth_scheme")
        path = path or "/v1"
    upstream.base_url = urlunsplit((parts.scheme, host, path, "", ""))
    upstream.list_models = True  # llmproxy asked the upstream for what there is
    upstream.keep_path = not is_openai and not _VERSION.search(path)


def _auth(auth: Section, upstream: pb.CreateUpstreamRequest, parts: SplitResult) -> None:
    kind = auth.text("type", "none").lower()
    if kind == "bearer":
        upstream.auth_scheme = pb.AUTH_SCHEME_BEARER
        upstream.api_key = as_secret(auth.required("token"))
    elif kind == "basic":
        upstream.auth_scheme = pb.AUTH_SCHEME_BASIC
        upstream.username = auth.required("username")
        upstream.api_key = as_secret(auth.required("password"))
    elif kind != "none":
        raise wrong(auth.where("type"), "must be bearer, basic or none")
    elif parts.username:
        upstream.auth_scheme = pb.AUTH_SCHEME_BASIC
        upstream.username = unquote(parts.username)
        upstream.api_key = as_secret(unquote(parts.password or ""))
    else:
        upstream.auth_scheme = pb.AUTH_SCHEME_NONE
