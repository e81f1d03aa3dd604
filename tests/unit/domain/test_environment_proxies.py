"""The proxies of an environment, and what NO_PROXY names, are read as other programs read them."""

import pytest
from tollkeeper_server.domain.environment_proxies import read_proxies

P = "http://p:3128"


def proxy(url: str, **environment: str) -> str:
    """Return the URL of the proxy for a URL; empty without one."""
    found = read_proxies(environment).proxy_for(url)
    return found.url if found else ""


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://a", {}, ""),
        ("https://a", {"HTTPS_PROXY": P}, P),
        ("http://a", {"HTTPS_PROXY": P}, ""),
        ("http://a", {"HTTP_PROXY": P}, P),
        ("https://a", {"HTTP_PROXY": P}, ""),
        ("https://a", {"ALL_PROXY": P}, P),
        ("http://a", {"all_proxy": P}, P),
        ("https://a", {"ALL_PROXY": "http://q", "HTTPS_PROXY": P}, P),
        ("https://a", {"ALL_PROXY": "socks5://q", "HTTPS_PROXY": P, "HTTP_PROXY": P}, P),
        ("https://a", {"https_proxy": P, "HTTPS_PROXY": "http://q"}, P),
        ("https://a", {"https_proxy": "", "HTTPS_PROXY": P}, P),
        ("https://a", {"HTTPS_PROXY": "p:3128"}, P),
        ("https://a", {"HTTPS_PROXY": f" {P}/ "}, P),
        ("https://a", {"HTTPS_PROXY": "https://u:p%40ss@p"}, "https://u:p%40ss@p"),
        ("https://127.0.0.1:8000", {"HTTPS_PROXY": P}, P),
    ],
    ids=str,
)
def test_the_scheme_decides_which_variable_counts(
    url: str, environment: dict[str, str], expected: str
) -> None:
    assert proxy(url, **environment) == expected


@pytest.mark.parametrize(
    ("exceptions", "direct", "proxied"),
    [
        ("example.com", ["example.com", "a.b.EXAMPLE.com", "example.com."], ["notexample.com"]),
        (".example.com", ["example.com", "a.example.com"], ["notexample.com", "example.com.evil.test"]),
        ("*.example.com", ["a.example.com"], ["notexample.com"]),
        ("Example.COM.", ["example.com"], ["example.org"]),
        ("a.test, b.test", ["a.test", "b.test"], ["c.test"]),
        ("a.test b.test", ["a.test", "b.test"], ["c.test"]),
        (",, a.test,", ["a.test"], ["b.test"]),
        ("*", ["a.test", "127.0.0.1", "[::1]"], []),
        ("a.test,*", ["b.test"], []),
        ("a.test:8443", ["a.test:8443", "b.a.test:8443"], ["a.test", "a.test:443"]),
        ("a.test:443", ["a.test", "a.test:443"], ["a.test:8443"]),
        ("10.0.0.0/8", ["10.1.2.3", "10.255.0.1:8000"], ["11.0.0.1", "10.example.test", "a10.0.0.0"]),
        ("10.1.2.3/8", ["10.9.9.9"], ["11.0.0.1"]),
        ("192.168.1.1", ["192.168.1.1", "192.168.1.1:80"], ["192.168.1.10", "a.192.168.1.1.test"]),
        ("192.168.1.1:8000", ["192.168.1.1:8000"], ["192.168.1.1"]),
        ("192.168.1", [], ["192.168.1.1"]),
        (".1", [], ["192.168.1.1"]),
        ("::1", ["[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]"], ["[::2]"]),
        ("[::1]", ["[::1]"], ["[::2]"]),
        ("[::1]:8000", ["[::1]:8000"], ["[::1]"]),
        ("fd00::/8", ["[fd12::1]"], ["[fe80::1]"]),
        ("127.0.0.0/8", ["[::ffff:127.0.0.1]"], ["[::1]"]),
        ("localhost", ["localhost", "a.localhost"], ["127.0.0.1", "localhost.test"]),
        ("::ffff:10.0.0.1", ["10.0.0.1", "[::ffff:10.0.0.1]", "[::ffff:a00:1]"], ["10.0.0.2"]),
        ("[::ffff:10.0.0.1]:8000", ["10.0.0.1:8000"], ["10.0.0.1"]),
        ("::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.1.2.3"]),
        ("[fd00::]/8", ["[fd12::1]"], ["[fe80::1]"]),
        ("10.0.0.0/8:443", ["10.1.2.3"], ["10.1.2.3:8000", "11.1.2.3"]),
        ("127.0.0.1/", ["127.0.0.1", "127.0.0.1:8000"], ["127.0.0.2"]),
        ("a.test/, b.test/v1", ["a.test", "b.test"], ["c.test"]),
        ("https://a.test, http://b.test:8000/", ["a.test", "a.test:8000", "b.test:8000"], ["b.test"]),
        ("a.test;b.test|c.test", ["a.test", "b.test", "c.test"], ["d.test"]),
        ('"a.test,b.test"', ["a.test", "b.test"], ["c.test"]),
        ("'a.test'", ["a.test"], ["b.test"]),
        ("*:8000", ["a.test:8000", "10.0.0.1:8000"], ["a.test", "10.0.0.1"]),
        ("bücher.test", ["xn--bcher-kva.test", "bücher.test", "a.bücher.test"], ["bucher.test"]),
        ("xn--bcher-kva.test", ["bücher.test"], ["bucher.test"]),
        ("a_b.test", ["a_b.test"], ["ab.test"]),
        ("300.1.1.1/99, a:b:c, [, :80, .", [], ["a.test"]),
    ],
)  # fmt: skip
def test_no_proxy_names_hosts_networks_and_ports(
    exceptions: str, direct: list[str], proxied: list[str]
) -> None:
    for host in direct:
        assert proxy(f"https://{host}/v1", HTTPS_PROXY=P, NO_PROXY=exceptions) == "", host
    for host in proxied:
        assert proxy(f"https://{host}/v1", HTTPS_PROXY=P, NO_PROXY=exceptions) == P, host
    for host in direct:
        assert proxy(f"https://{host}/v1", HTTPS_PROXY=P, no_proxy=exceptions, NO_PROXY="x.test") == "", host


def test_what_no_host_can_match_is_told() -> None:
    usual = "a.test,*.b.test,.c.test:80,10.0.0.0/8,[::1]:80,fe80::1%eth0,*,*:443,intranet"
    assert read_proxies({"NO_PROXY": usual}).unread == ()
    odd = (
        "192.168.1.*",
        "10.",
        "api.*.test",
        "<local>",
        "300.1.1.1/99",
        "a:b:c",
        "[",
        ":80",
        ".",
        "10.0.0.1/64",
    )
    assert read_proxies({"NO_PROXY": f"{usual},{','.join(odd)}"}).unread == odd


@pytest.mark.parametrize(
    "url",
    ["socks5://canary@h:1", "http://", "http://u:canary@", "http://h:canary", "http://h/canary", "http://[h"],
)
def test_a_proxy_that_can_not_be_used_is_told_without_its_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: .*http://HOST:PORT") as caught:
        read_proxies({"HTTPS_PROXY": url})
    assert "canary" not in str(caught.value)


def test_what_is_shown_has_no_credentials() -> None:
    found = read_proxies({"HTTPS_PROXY": "http://us-canary:pw-canary@p:1"}).proxy_for("https://a")
    assert found is not None
    assert (found.shown, found.variable) == ("http://p:1", "HTTPS_PROXY")
    assert "canary" not in repr(found)
