"""Rules and limits are read as they are written."""

import pytest
from tollkeeper import IpLimit, Rule
from tollkeeper.cli.listener import ip_limit, rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/v1/files/*=files", Rule(group="files", path="/v1/files/*")),
        ("/a/{id:x=[0-9]+}=g", Rule(group="g", path="/a/{id:x=[0-9]+}")),
        ("/=g", Rule(group="g", path="/")),
        ("x-team=g", Rule(group="g", header="x-team")),
        ("x-team:search=g", Rule(group="g", header="x-team", value="search")),
        ("x-team:a:b=c=g", Rule(group="g", header="x-team", value="a:b=c")),
        ("x-team:a b=g", Rule(group="g", header="x-team", value="a b")),
        ("user-agent:/curl.*/=g", Rule(group="g", header="user-agent", pattern="curl.*")),
        ("x-path:/=g", Rule(group="g", header="x-path", value="/")),
        ("x-path://=g", Rule(group="g", header="x-path", value="//")),
        ("/a/* x-team=g", Rule(group="g", path="/a/*", header="x-team")),
        ("/a=b x-team:c=d=g", Rule(group="g", path="/a=b", header="x-team", value="c=d")),
        ("/a/* user-agent:/a b=./=g", Rule(group="g", path="/a/*", header="user-agent", pattern="a b=.")),
        ("/a/*=g strip /a", Rule(group="g", path="/a/*", strip_prefix="/a")),
        ("x-team:b=g strip /a", Rule(group="g", header="x-team", value="b", strip_prefix="/a")),
        ("x-team:b=c strip /a=g", Rule(group="g", header="x-team", value="b=c strip /a")),
        (
            "/a/* x-team:/b+/=g strip /a",
            Rule(group="g", path="/a/*", header="x-team", pattern="b+", strip_prefix="/a"),
        ),
    ],
)
def test_a_rule_is_read_as_it_is_shown(text: str, expected: Rule) -> None:
    assert rule(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "=", "a", "a=", "=g", "/a", "/a=", ":v=g", "a:=g", " a=g", "/a  b=g", "/a b :c=g",
        "/a=g strip", "/a=g strip a", "/a=g strip /a b", "/a=g h", "/a h:v",
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rule"):
        rule(text)


def test_a_limit_has_a_burst_or_the_gateways() -> None:
    assert ip_limit("50/100") == IpLimit(per_second=50, burst=100)
    assert ip_limit("50") == IpLimit(per_second=50)


@pytest.mark.parametrize("text", ["", "/", "50/", "/100", "1/2/3", "-1/2", "a", "\u0661/2"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        ip_limit(text)
