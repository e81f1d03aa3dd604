"""An upstream's settings are whole, in one spelling, and say which field is wrong if they are not."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper_server.domain.upstream import AuthScheme, Provider
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.upstream_rules import (
    check_ca_certificates,
    check_proxy_url,
    complete,
    proxy_hint,
)
from tollkeeper_server.providers.provider import Draft

from tests.contract.certificates import Authority

GENERIC = Draft(provider=Provider.GENERIC, base_url="https://example.com/v1")
AZURE = Draft(provider=Provider.AZURE, base_url="https://x.openai.azure.com", api_version="2024-10-21")


def field_of(draft: Draft) -> str | None:
    """Return the field that a draft is refused for."""
    with pytest.raises(TollkeeperError) as caught:
        complete(draft)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    return caught.value.field


def base_url_of(provider: Provider, url: str) -> str:
    """Return what a base URL becomes."""
    version = "2024-10-21" if provider is Provider.AZURE else ""
    return complete(Draft(provider=provider, base_url=url, api_version=version)).base_url


@pytest.mark.parametrize(
    ("provider", "given_url", "url"),
    [
        (Provider.OPENAI, "", "https://api.openai.com/v1"),
        (Provider.ANTHROPIC, "", "https://api.anthropic.com/v1"),
        (Provider.OPENAI, "https://proxy.example.com", "https://proxy.example.com/v1"),
        (Provider.OPENAI, "https://proxy.example.com/", "https://proxy.example.com/v1"),
        (Provider.OPENAI, "https://proxy.example.com/openai/v2/", "https://proxy.example.com/openai/v2"),
        (Provider.ANTHROPIC, "HTTP://Proxy.Example.com:8080", "http://proxy.example.com:8080/v1"),
        (Provider.GENERIC, "https://example.com", "https://example.com"),
        (Provider.GENERIC, "https://example.com//", "https://example.com"),
        (Provider.GENERIC, "http://127.0.0.1:9/V1", "http://127.0.0.1:9/V1"),
        (Provider.GENERIC, "http://[::1]:9/v1", "http://[::1]:9/v1"),
        (Provider.GENERIC, "http://my_service.local:80", "http://my_service.local:80"),
        (Provider.AZURE, "https://x.openai.azure.com/", "https://x.openai.azure.com"),
        (Provider.AZURE, "https://x.openai.azure.com/openai/", "https://x.openai.azure.com"),
    ],
)
def test_a_base_url_has_one_spelling_and_a_default(provider: Provider, given_url: str, url: str) -> None:
    assert base_url_of(provider, given_url) == url
    assert base_url_of(provider, url) == url


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "/v1",
        "//example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///v1",
        "https://:443/v1",
        "https://example.com:0",
        "https://example.com:99999",
        "https://example.com:x",
        "https://user@example.com",
        "https://user:canary@example.com",
        "https://example.com@evil.example",
        "https://example.com/v1?key=canary",
        "https://example.com/v1?",
        "https://example.com/v1#x",
        "https://example.com/v1#",
        "https://exam ple.com",
        "https://example.com/a b",
        "https://example.com\r\nx: y",
        "https://example.com/\tv1",
        "https://example.com\\@evil.example",
        "https://exämple.com",
        "https://[::1",
        "https://[::1%25eth0]",
        "https://[127.0.0.1]",
        "https://a..b",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 126}example",
        "https://%65xample.com",
    ],
)
@pytest.mark.parametrize("field", ["base_url", "full_url"])
def test_what_is_no_plain_http_url_is_refused_without_being_shown(url: str, field: str) -> None:
    draft = msgspec.structs.replace(Draft(provider=Provider.GENERIC), **{field: url})
    with pytest.raises(TollkeeperError) as caught:
        complete(draft)
    assert caught.value.field == field
    assert "canary" not in caught.value.message


@given(st.text(max_size=40))
def test_a_url_is_either_refused_or_stays_as_it_became(rest: str) -> None:
    try:
        url = base_url_of(Provider.GENERIC, f"https://h{rest}")
    except TollkeeperError:
        return
    assert base_url_of(Provider.GENERIC, url) == url
    assert url.isascii()
    assert " " not in url


def test_a_full_url_keeps_its_path_to_the_letter() -> None:
    draft = Draft(provider=Provider.GENERIC, full_url="https://Example.com/Chat/")
    assert complete(draft).full_url == "https://example.com/Chat/"


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (Draft(provider=Provider.OPENAI, full_url="https://a"), "full_url"),
        (Draft(provider=Provider.OPENAI, auth_scheme=AuthScheme.BEARER), "auth_scheme"),
        (Draft(provider=Provider.OPENAI, auth_scheme=AuthScheme.NONE), "auth_scheme"),
        (Draft(provider=Provider.ANTHROPIC, auth_header="x-key"), "auth_header"),
        (Draft(provider=Provider.ANTHROPIC, username="u"), "username"),
        (Draft(provider=Provider.ANTHROPIC, organization="o"), "organization"),
        (Draft(provider=Provider.ANTHROPIC, project="p"), "project"),
        (Draft(provider=Provider.OPENAI, api_version="1"), "api_version"),
        (Draft(provider=Provider.AZURE), "base_url"),
    ],
    ids=str,
)
def test_what_a_provider_needs_or_has_no_use_for_is_told_by_field(draft: Draft, field: str) -> None:
    assert field_of(draft) == field


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("https://Proxy.example.com", "https://Proxy.example.com"),
        ("http://proxy:3128/", "http://proxy:3128"),
        ("http://user@proxy:3128", "http://user@proxy:3128"),
        ("http://user:canary@proxy:3128", "http://user:****@proxy:3128"),
        ("http://user:ca@na:ry@[::1]:3128", "http://user:****@[::1]:3128"),
        ("http://:canary@proxy", "http://:****@proxy"),
    ],
)
def test_a_proxys_url_may_have_a_password_which_is_not_shown(url: str, hint: str) -> None:
    check_proxy_url(url)
    assert proxy_hint(url) == hint


@pytest.mark.parametrize(
    "url",
    [
        "proxy:3128",
        "socks5://canary@proxy:1080",
        "ftp://canary@proxy",
        "http://",
        "http://user:canary@",
        "http://user:canary@:3128",
        "http://user:canary@proxy:0",
        "http://user:canary@proxy/path",
        "http://user:canary@proxy?x=1",
        "http://user:canary@proxy#x",
        "http://user:canary@proxy\r\nx: y",
        "http://user:canary@pro xy",
        "http://user:canary@[::1",
        "http://canary:****@proxy",
    ],
)
def test_what_is_no_proxys_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        check_proxy_url(url)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "proxy_url")
    assert "canary" not in caught.value.message


def test_authorities_are_certificates(tmp_path: Path) -> None:
    pem = Authority(tmp_path).pem
    check_ca_certificates(pem)
    check_ca_certificates(f"# Zurich\n{pem}# Tokyo\n{pem}")
    body = pem.splitlines()[1]
    for wrong in (
        "",
        "no certificate",
        pem.replace(body, body[::-1]),
        pem.replace("-----END CERTIFICATE-----", ""),
        f"{pem}-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
        f"# Z\u00fcrich\n{pem}",
    ):
        with pytest.raises(TollkeeperError) as caught:
            check_ca_certificates(wrong)
        assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "ca_certificates")
        assert "canary" not in caught.value.message
