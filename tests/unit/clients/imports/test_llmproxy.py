"""llmproxy's config.yaml, as its documentation shows it, becomes what means the same here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tollkeeper.configuration import ConfigurationError, parse_document, write_document
from tollkeeper.imports import Imported, import_llmproxy, settled, without_secrets

FILES = Path(__file__).parent / "files"


def imported(name: str) -> Imported:
    return import_llmproxy((FILES / f"llmproxy-{name}.yaml").read_text(encoding="utf-8"), {})


def plain(found: Imported) -> Any:
    """The document that is printed, as Python has it."""
    return yaml.safe_load(write_document(found.configuration, resolved=False))


def of(text: str, environment: Mapping[str, str] = {}) -> Imported:
    return import_llmproxy(text, environment)


def test_the_first_example_is_read_although_it_is_not_quite_yaml() -> None:
    found = imported("first")

    assert plain(found) == {
        "upstreams": [
            {
                "name": "openai_out",
                "provider": "openai",
                "base_url": "https://api.openai.com/v1",
                "api_key": "sk-first-canary",
                "list_models": True,
            }
        ],
        "groups": [
            {
                "name": "main",
                "members": [{"upstream": "openai_out"}],
                "policy": {"strategy": "round_robin", "timeouts": {"request": "5m"}},
            }
        ],
        "listeners": [{"name": "openai_in", "address": "0.0.0.0:3000", "default_group": "main"}],
    }
    assert any("TOLLKEEPER_CONSOLE_ADDRESS=127.0.0.1:9000" in it for it in found.notes)
    assert any(it.startswith("line 24: stood beside") for it in found.notes)
    assert any("callers now need a token" in it for it in found.notes)
    # The listener takes the place of the gateway's own port.
    assert not any("port 3000" in it for it in found.notes)


def test_upstreams_keep_url_credential_headers_and_breaker() -> None:
    upstreams = {it["name"]: it for it in plain(imported("whole"))["upstreams"]}

    assert upstreams["gpt"]["header_operations"] == [
        {"action": "insert", "name": "X-From", "value": "llmproxy"},
        {"action": "replace", "name": "X-Team", "value": "a"},
        {"action": "remove", "name": "X-Debug"},
    ]
    assert upstreams["gpt"]["breaker"] == {"threshold": 0.5, "cooldown": "30s"}
    claude = upstreams["claude"]
    assert (claude["provider"], claude["auth_scheme"]) == ("generic", "bearer"), "what the file says"
    assert (claude["base_url"], claude["keep_path"]) == ("https://api.anthropic.com", True)
    assert claude["header_operations"][0]["value"] == "2023-06-01"
    own = upstreams["own"]
    assert (own["base_url"], own["keep_path"]) == ("http://llm.internal:8080", True)
    assert (own["auth_scheme"], own["username"], own["api_key"]) == ("basic", "user", "whole-canary-3")
    full = upstreams["full"]
    assert full["full_url"] == "https://llm.example.com/openai/v1/chat/completions"
    assert (full["auth_scheme"], "base_url" in full) == ("none", False)
    assert [it.get("list_models", False) for it in upstreams.values() if it is not full] == [True] * (
        len(upstreams) - 1
    )
    assert "list_models" not in full


def test_groups_keep_members_strategy_and_client() -> None:
    groups = {it["name"]: it for it in plain(imported("whole"))["groups"]}

    assert groups["weighted"]["members"] == [
        {"upstream": "gpt", "weight": 8},
        {"upstream": "own", "weight": 1},
    ]
    assert groups["weighted"]["policy"] == {
        "strategy": "weighted_round_robin",
        "user_agent": "LLMProxy/1.0 (test)",
        "keep_alive": "1m30s",
        "timeouts": {"connect": "15s", "request": "6m", "idle": "1m30s"},
        "retry": {"attempts": 3, "initial": "1s"},
    }
    assert groups["special"]["policy"] == {"strategy": "random"}
    assert "weight" not in groups["special"]["members"][0], "to llmproxy's random, weights mean nothing"
    assert groups["aware"]["policy"] == {
        "strategy": "response_aware",
        "retry": {"attempts": 3, "initial": "500ms"},
    }


def test_a_proxy_goes_to_the_members_and_another_one_to_copies_of_them() -> None:
    found = imported("whole")
    upstreams = {it["name"]: it for it in plain(found)["upstreams"]}

    assert upstreams["gpt"]["proxy_url"] == upstreams["own"]["proxy_url"]
    copy = upstreams["gpt-special"]
    assert "proxy_url" not in copy
    assert copy | {"name": "gpt"} == {
        name: it for name, it in upstreams["gpt"].items() if name != "proxy_url"
    }
    assert plain(found)["groups"][1]["members"] == [{"upstream": "gpt-special"}]
    assert any("gpt-special is a copy of gpt" in it for it in found.notes)


def test_forwards_become_listeners() -> None:
    everything, unlimited = plain(imported("whole"))["listeners"]

    assert everything["rules"][0] == {"group": "special", "path": "/api/fixed"}
    assert [it["path"] for it in everything["rules"]][2:] == [
        "/api/items/{id:[0-9]+}",
        "/api/parts/{code:[A-Z][A-Z][0-9]}",
        "/api/*/docs",
        "/files/*",
        "/api/:version/users/{id:[0-9]+}/profile",
    ]
    assert everything["ip_limit"] == {"per_second": 100, "burst": 200}
    assert everything["head_timeout"] == "10s"
    assert unlimited == {"name": "unlimited", "address": "0.0.0.0:3101", "default_group": "aware"}


def test_tenants_have_listeners_limits_and_keys_of_their_own() -> None:
    found = imported("tenants")
    content = plain(found)

    assert [it["address"] for it in content["listeners"]] == ["0.0.0.0:3001", "[::]:3002"]
    assert [it["ip_limit"]["per_second"] for it in content["listeners"]] == [50, 20]
    assert content["groups"][1]["policy"]["strategy"] == "failover"
    assert [it["api_key"] for it in content["upstreams"]] == [
        "sk-tenant-a",
        "sk-tenant-b",
        "sk-tenant-b-backup",
    ]
    assert any("ratelimit: does not say whether it is enabled" in it for it in found.notes)


@pytest.mark.parametrize("name", ["first", "whole", "tenants"])
def test_secrets_are_written_only_when_asked_for(name: str) -> None:
    found = imported(name)

    hidden = without_secrets(found)
    text = write_document(hidden.configuration, resolved=False)

    assert "canary" not in text
    assert "sk-tenant" not in text
    assert parse_document(text) == hidden.configuration
    for upstream in parse_document(text).upstreams:
        if upstream.api_key:
            assert any(upstream.api_key[2:-1] in note for note in hidden.notes)
    assert found.resolved({}) == settled(found).configuration == found.configuration


def test_variables_override_the_file_and_stay_references() -> None:
    environment = {
        "LLMPROXY_UPSTREAMS__0__AUTH__TOKEN": "sk-from-environment",
        "LLMPROXY_HTTP_SERVER__FORWARDS__1__PORT": "4002",
        "LLMPROXY_UPSTREAMS__7__URL": "https://nowhere",
        "LLMPROXY_ADMIN_AUTH_TOKEN": "not a path",
    }
    found = of((FILES / "llmproxy-tenants.yaml").read_text(), environment)

    assert found.configuration.upstreams[0].api_key == "${LLMPROXY_UPSTREAMS__0__AUTH__TOKEN}"
    assert found.configuration.listeners[1].address == "[::]:4002"
    assert found.resolved(environment).upstreams[0].api_key == "sk-from-environment"
    assert any(it.startswith("LLMPROXY_UPSTREAMS__7__URL: the file has nothing there") for it in found.notes)
    assert not any("sk-from-environment" in it for it in found.notes)


def test_a_credential_among_the_headers_is_kept_as_a_secret() -> None:
    found = of(
        "upstreams:\n"
        "- {name: a, url: 'https://a', headers: [{op: insert, key: X-Api-Key, value: canary-1}]}\n"
        "- {name: b, url: 'https://b',"
        " headers: [{op: replace, key: Authorization, value: Bearer canary-2}]}\n"
    )
    one, two = plain(found)["upstreams"]

    assert (one["auth_scheme"], one["auth_header"], one["api_key"]) == ("header", "X-Api-Key", "canary-1")
    assert (two["auth_scheme"], two["api_key"]) == ("bearer", "canary-2")
    assert "canary" not in write_document(without_secrets(found).configuration, resolved=False)
    assert not any("canary" in it for it in found.notes)


@pytest.mark.parametrize(
    ("header", "note"),
    [
        ("{op: insert, key: X-Api-Key, value: canary}", "sets x-api-key beside auth; left out"),
        ("{op: remove, key: Authorization}", "authorization of callers never passes; left out"),
        ("{op: insert, key: Api-Key}", "sets api-key to nothing; left out"),
        ("{op: replace, key: Content-Type, value: application/json}", "the gateway's own to set; left out"),
        ("{op: replace, key: Host, value: example.com}", "the gateway's own to set; left out"),
        ("{op: insert, key: X-A}", "sets X-A to nothing; left out"),
    ],
)
def test_operations_that_can_not_be_ours_are_left_out_and_told_of(header: str, note: str) -> None:
    found = of(
        "upstreams: [{name: a, url: 'https://a', auth: {type: bearer, token: t},"
        f" headers: [{{op: remove, key: X-B, value: x}}, {header}]}}]"
    )

    assert plain(found)["upstreams"][0]["header_operations"] == [{"action": "remove", "name": "X-B"}]
    (told,) = found.notes
    assert told.startswith("upstreams[0].headers[1]: ")
    assert note in told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("url", "field", "ours"),
    [
        ("https://h", "base_url", "https://h"),
        ("https://h/", "base_url", "https://h"),
        ("https://h/api/", "base_url", "https://h/api"),
        ("https://h/v1/", "base_url", "https://h/v1"),
        ("https://h/api/v3", "base_url", "https://h/api/v3"),
        ("https://h/v1/embeddings", "full_url", "https://h/v1/embeddings"),
        ("https://h/v1/messages", "full_url", "https://h/v1/messages"),
        ("https://h/v1/completions?x=1", "full_url", "https://h/v1/completions"),
        ("https://u:p@h/v1", "base_url", "https://h/v1"),
    ],
)
def test_a_url_is_full_if_it_ends_in_an_endpoint(url: str, field: str, ours: str) -> None:
    (upstream,) = plain(of(f"upstreams: [{{name: a, url: '{url}'}}]"))["upstreams"]

    assert upstream[field] == ours
    assert ({"base_url", "full_url"} & set(upstream)) == {field}


@pytest.mark.parametrize(
    ("url", "keeps"),
    [
        ("https://h", True),
        ("https://h/api", True),
        ("https://h/vendor", True),
        ("https://h/v1", False),
        ("https://h/V1/", False),
        ("https://h/api/paas/v4", False),
        ("https://h/v1beta/openai", False),
        ("https://h/v1/embeddings", False),
        ("https://api.openai.com", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_paths_go_on_as_they_came_unless_the_url_has_a_version(url: str, keeps: bool) -> None:
    found = of(f"upstreams: [{{name: a, url: '{url}', auth: {{type: bearer, token: t}}}}]")

    assert plain(found)["upstreams"][0].get("keep_path", False) is keeps
    assert any("make it full_url" in note for note in found.notes) is (keeps and url != "https://h")


def test_what_is_openai_is_below_its_version() -> None:
    found = of("upstreams: [{name: a, url: 'https://api.openai.com', auth: {type: bearer, token: t}}]")

    assert plain(found)["upstreams"][0]["base_url"] == "https://api.openai.com/v1"


def test_credentials_in_a_url_are_what_basic_sends() -> None:
    (upstream,) = plain(of("upstreams: [{name: a, url: 'https://u:p%20q@h'}]"))["upstreams"]

    assert (upstream["auth_scheme"], upstream["username"], upstream["api_key"]) == ("basic", "u", "p q")


def test_names_that_can_not_be_ours_are_changed_everywhere() -> None:
    found = of(
        "http_server: {forwards: [{name: 'in?', port: 1, default_group: 'my group', "
        "routing: [{path: /a, target_group: 'my group'}]}]}\n"
        "upstreams: [{name: 'über a', url: 'https://h'}, {name: 'über-a', url: 'https://h'}]\n"
        "upstream_groups: [{name: 'my group', upstreams: [{name: 'über a'}, {name: 'über-a'}]}]\n"
    )
    content = plain(found)

    assert [it["name"] for it in content["upstreams"]] == ["ber-a", "ber-a-2"]
    assert [it["upstream"] for it in content["groups"][0]["members"]] == ["ber-a", "ber-a-2"]
    assert (
        content["listeners"][0]["default_group"] == content["listeners"][0]["rules"][0]["group"] == "my-group"
    )
    assert sum("characters that names can't have" in it for it in found.notes) == 4


def test_what_has_no_counterpart_is_named() -> None:
    found = of(
        "http_server: {forwards: [], tls: 1}\nupstreams: [{name: a, url: 'https://h', priority: 3}]\nx: {}"
    )

    assert {it.partition(":")[0] for it in found.notes} == {"http_server.tls", "upstreams[0].priority", "x"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "the file: must be a mapping"),
        ("upstreams: {}", "upstreams: must be a list"),
        ("upstreams: [{url: 'https://h'}]", r"upstreams\[0\]\.name: is required"),
        ("upstreams: [{name: a}]", r"upstreams\[0\]\.url: is required"),
        ("upstreams: [{name: a, url: ftp://h}]", r"upstreams\[0\]\.url: must be one such as"),
        ("upstreams: [{name: a, url: 'https://[::'}]", r"upstreams\[0\]\.url: is not a URL"),
        ("upstreams: [{name: a, url: 'https://h', auth: {type: bearer}}]", r"auth\.token: is required"),
        (
            "upstreams: [{name: a, url: 'https://h', auth: {type: oauth}}]",
            r"auth\.type: must be bearer, basic or none",
        ),
        ("upstreams: [{name: a, url: 'https://h', breaker: {threshold: x}}]", "threshold: must be a number"),
        (
            "upstreams: [{name: a, url: 'https://h', headers: [{op: add, key: k}]}]",
            "op: must be one of insert",
        ),
        ("upstreams: [{name: a, url: 'https://h'}, {name: a, url: 'https://h'}]", "another upstream, too"),
        ("upstream_groups: [{name: a, upstreams: []}]", "a group needs at least one"),
        (
            "upstream_groups: [{name: a, upstreams: [{name: b}], balance: {strategy: x}}]",
            "must be one of roundrobin",
        ),
        ("http_server: {forwards: [{name: a, port: x}]}", "port: must be a whole number"),
        (
            "http_server: {forwards: [{name: a, ratelimit: {enabled: maybe}}]}",
            "enabled: must be true or false",
        ),
        ("http_server: {forwards: [{name: a, routing: [{path: /}]}]}", "target_group: is required"),
        ("upstreams: [", "not valid YAML"),
    ],
)
def test_a_file_that_llmproxy_could_not_use_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        of(text)


def test_lists_that_are_not_indented_are_no_strays() -> None:
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        of("upstreams:\n- name: a\nupstream_groups:\n- name: [")


def test_weights_variables_and_limits_without_a_counterpart_are_said() -> None:
    found = of(
        """
        upstreams: [{name: a, url: "http://a"}]
        upstream_groups: [{name: g, balance: {strategy: random}, upstreams: [{name: a, weight: 3}]}]
        http_server: {admin: {timeout: {connect: 5}}}
        """,
        {"LLMPROXY_ADMIN_AUTH_TOKEN": "canary"},
    )

    places = [it.partition(":")[0] for it in found.notes]
    assert "upstream_groups[0].upstreams[0].weight" in places
    assert "http_server.admin.timeout" in places
    assert "LLMPROXY_ADMIN_AUTH_TOKEN" in places
    assert "canary" not in "".join(found.notes)
