"""What any other upstream needs, and how it is called."""

import base64
from datetime import UTC, datetime

import pytest
from tollkeeper_server.domain.upstream import AuthScheme, Provider, Upstream
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.providers.generic import GENERIC
from tollkeeper_server.providers.provider import Draft

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _draft(scheme: AuthScheme | None, has_key: bool, header: str, username: str) -> Draft:
    return Draft(
        provider=Provider.GENERIC,
        base_url="https://a",
        auth_scheme=scheme,
        has_key=has_key,
        auth_header=header,
        username=username,
    )


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft(provider=Provider.GENERIC), "base_url"),
        (Draft(provider=Provider.GENERIC, base_url="https://a", full_url="https://b"), "full_url"),
    ],
    ids=str,
)
def test_it_needs_one_url(draft: Draft, field: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        GENERIC.complete(draft)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("scheme", "has_key", "header", "username", "expected"),
    [
        (None, True, "", "", AuthScheme.BEARER),
        (None, False, "", "", AuthScheme.NONE),
        (AuthScheme.BEARER, True, "", "", AuthScheme.BEARER),
        (AuthScheme.NONE, False, "", "", AuthScheme.NONE),
        (AuthScheme.HEADER, True, "x-key", "", AuthScheme.HEADER),
        (AuthScheme.BASIC, True, "", "user", AuthScheme.BASIC),
        (AuthScheme.BASIC, True, "", "", AuthScheme.BASIC),
        (AuthScheme.BASIC, False, "", "user", AuthScheme.BASIC),
    ],
)
def test_a_credential_is_presented_as_asked_or_as_it_is_usual(
    scheme: AuthScheme | None, has_key: bool, header: str, username: str, expected: AuthScheme
) -> None:
    assert GENERIC.complete(_draft(scheme, has_key, header, username)).auth_scheme is expected


@pytest.mark.parametrize(
    ("scheme", "has_key", "header", "username", "field"),
    [
        (AuthScheme.NONE, True, "", "", "api_key"),
        (AuthScheme.BEARER, False, "", "", "api_key"),
        (AuthScheme.HEADER, False, "x-key", "", "api_key"),
        (AuthScheme.HEADER, True, "", "", "auth_header"),
        (AuthScheme.BEARER, True, "x-key", "", "auth_header"),
        (AuthScheme.BEARER, True, "", "user", "username"),
        (AuthScheme.BASIC, False, "", "", "username"),
        *(
            (AuthScheme.HEADER, True, name, "", "auth_header")
            for name in ("host", "Content-Length", "transfer-encoding", "Connection", "te", "upgrade")
        ),
    ],
)
def test_a_credential_that_could_not_be_presented_is_told_by_field(
    scheme: AuthScheme, has_key: bool, header: str, username: str, field: str
) -> None:
    with pytest.raises(TollkeeperError) as caught:
        GENERIC.complete(_draft(scheme, has_key, header, username))
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)


@pytest.mark.parametrize(
    ("scheme", "key", "expected"),
    [
        (AuthScheme.BEARER, "k", ((b"authorization", b"Bearer k"),)),
        (AuthScheme.BEARER, "", ()),
        (AuthScheme.HEADER, "k", ((b"x-corp-key", b"k"),)),
        (AuthScheme.HEADER, "", ()),
        (AuthScheme.BASIC, "k", ((b"authorization", b"Basic " + base64.b64encode(b"me:k")),)),
        (AuthScheme.BASIC, "", ((b"authorization", b"Basic " + base64.b64encode(b"me:")),)),
        (AuthScheme.NONE, "k", ()),
    ],
)
def test_its_key_is_presented_by_its_scheme(
    scheme: AuthScheme, key: str, expected: tuple[tuple[bytes, bytes], ...]
) -> None:
    upstream = Upstream(
        name="up",
        provider=Provider.GENERIC,
        auth_scheme=scheme,
        auth_header="X-Corp-Key",
        username="me",
        created_at=NOON,
        updated_at=NOON,
    )
    assert GENERIC.credential(upstream, key) == expected
