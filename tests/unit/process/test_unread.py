"""Variables of other gateways that are set in vain are told by name, without their values."""

import pytest
from tollkeeper_server.process.unread import unread


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, []),
        ({"LISTEN_ADDR": ""}, []),
        ({"LISTEN_ADDR": ":8080"}, ["LISTEN_ADDR (use TOLLKEEPER_DATA_ADDRESS)"]),
        ({"REDIS_ADDR": "canary", "TOLLKEEPER_REDIS": "redis://r"}, []),
        (
            {"HTTP_CACHE_ENABLED": "true", "DB_DRIVER": "postgres", "PATH": "/bin"},
            ["DB_DRIVER (use TOLLKEEPER_STORE)", "HTTP_CACHE_ENABLED"],
        ),
        ({"AUTH_METHOD": "jwt"}, ["AUTH_METHOD (use `tollkeeper import llamaxing`)"]),
        ({"AUTH_METHOD_JWT_ISSUER": "https://i"}, ["AUTH_METHOD_JWT_ISSUER"]),
        ({"MANAGEMENT_TOKEN": "canary", "OPENAI_API_KEY": "canary", "TOLLKEEPER_REDIS": "canary"}, []),
        ({"ADMIN_PASSWORD": "canary"}, ["ADMIN_PASSWORD"]),
    ],
)
def test_what_is_set_in_vain_is_told(environment: dict[str, str], told: list[str]) -> None:
    assert unread(environment) == told


def test_proxies_are_told_unless_they_are_used() -> None:
    environment = {
        "HTTPS_PROXY": "http://u:canary@p",
        "all_proxy": "http://p",
        "http_proxy": "",
        "NO_PROXY": "x",
    }
    assert unread(environment) == [
        "HTTPS_PROXY (set TOLLKEEPER_PROXY_FROM_ENVIRONMENT to use it)",
        "all_proxy (set TOLLKEEPER_PROXY_FROM_ENVIRONMENT to use it)",
    ]
    assert unread(environment, reads_proxies=True) == []
