"""Any other server that speaks OpenAI's API, or one of its endpoints."""

import base64

import msgspec

from tollkeeper_server.domain.headers import FRAMING
from tollkeeper_server.domain.upstream import AuthScheme, Provider, Upstream
from tollkeeper_server.errors import invalid_argument
from tollkeeper_server.providers.provider import Draft, Headers, ProviderRecord, bearer


def _complete(draft: Draft) -> Draft:
    if draft.base_url and draft.full_url:
        raise invalid_argument("full_url", "excludes base_url; give one and leave the other empty")
    if not draft.base_url and not draft.full_url:
        raise invalid_argument("base_url", "required for generic, unless full_url is given")
    if draft.keep_path and draft.full_url:
        raise invalid_argument("keep_path", "only with base_url: full_url takes every path; leave it unset")
    scheme = draft.auth_scheme or (AuthScheme.BEARER if draft.has_key else AuthScheme.NONE)
    if scheme is AuthScheme.HEADER and not draft.auth_header:
        raise invalid_argument("auth_header", "required with auth_scheme header, such as x-api-key")
    if draft.auth_header and scheme is not AuthScheme.HEADER:
        raise invalid_argument(
            "auth_header", f"only with auth_scheme header, not with {scheme}; leave it empty"
        )
    if draft.auth_header.lower() in FRAMING:
        raise invalid_argument(
            "auth_header", "this header belongs to the connection and can't carry a credential"
        )
    if draft.username and scheme is not AuthScheme.BASIC:
        raise invalid_argument("username", f"only with auth_scheme basic, not with {scheme}; leave it empty")
    if scheme is AuthScheme.NONE and draft.has_key:
        raise invalid_argument("api_key", "would never be sent with auth_scheme none; leave it empty")
    if scheme in {AuthScheme.BEARER, AuthScheme.HEADER} and not draft.has_key:
        raise invalid_argument("api_key", f"required with auth_scheme {scheme}")
    if scheme is AuthScheme.BASIC and not draft.has_key and not draft.username:
        raise invalid_argument("username", "required with auth_scheme basic, unless api_key is given")
    return msgspec.structs.replace(draft, auth_scheme=scheme)


def _credential(upstream: Upstream, key: str) -> Headers:
    match upstream.auth_scheme:
        case AuthScheme.BASIC:
            pair = base64.b64encode(f"{upstream.username}:{key}".encode())
            return ((b"authorization", b"Basic " + pair),)
        case AuthScheme.BEARER if key:
            return bearer(key)
        case AuthScheme.HEADER if key:
            return ((upstream.auth_header.lower().encode(), key.encode()),)
        case _:
            return ()


GENERIC = ProviderRecord(
    provider=Provider.GENERIC,
    settings=frozenset({"full_url", "auth_scheme", "auth_header", "username", "keep_path"}),
    complete=_complete,
    credential=_credential,
    key_header="authorization",
)
