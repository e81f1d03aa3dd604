"""Rules and limits are read as they are written."""

import pytest
from tollkeeper import IpLimit, Rule
from tollkeeper.cli.listener import header_rule, ip_limit, path_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("/v1/files/*=files", Rule(group="files", path="/v1/files/*")),
        ("/a/{id:x=[0-9]+}=g", Rule(group="g", path="/a/{id:x=[0-9]+}")),
        ("/=g", Rule(group="g", path="/")),
    ],
)
def test_a_path_leads_to_a_group(text: str, rule: Rule) -> None:
    assert path_rule(text) == rule
    assert str(rule) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("x-team=g", Rule(group="g", header="x-team")),
        ("x-team:search=g", Rule(group="g", header="x-team", value="search")),
        ("x-team:a:b=c=g", Rule(group="g", header="x-team", value="a:b=c")),
        ("user-agent:/curl.*/=g", Rule(group="g", header="user-agent", pattern="curl.*")),
        ("x-path:/=g", Rule(group="g", header="x-path", value="/")),
        ("x-path://=g", Rule(group="g", header="x-path", value="//")),
    ],
)
def test_a_header_leads_to_a_group(text: str, rule: Rule) -> None:
    assert header_rule(text) == rule
    assert str(rule) == text


@pytest.mark.parametrize("text", ["", "=", "/a", "/a=", "=g", "a=g"])
def test_what_is_no_path_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rule"):
        path_rule(text)


@pytest.mark.parametrize("text", ["", "=", "a", "a=", ":v=g", "a:=g"])
def test_what_is_no_header_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rule"):
        header_rule(text)


def test_a_limit_has_a_burst_or_the_gateways() -> None:
    assert ip_limit("50/100") == IpLimit(per_second=50, burst=100)
    assert ip_limit("50") == IpLimit(per_second=50)


@pytest.mark.parametrize("text", ["", "/", "50/", "/100", "1/2/3", "-1/2", "a", "\u0661/2"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        ip_limit(text)
