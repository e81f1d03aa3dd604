"""What of headers is not told of again: their values."""

import pytest
from tollkeeper_server.domain.hidden_values import changed_unseen, hide
from tollkeeper_server.domain.listener import Rule


@pytest.mark.parametrize("name", ["X-Token", "Authorization", "x-team", "x-tenant", "accept"])
def test_the_name_stays_and_the_value_goes(name: str) -> None:
    """Whatever the header is called: a secret may stand in any."""
    operations = [
        {"action": "replace", "name": name, "value": "canary"},
        {"action": "remove", "name": name, "value": ""},
    ]
    hidden = {"action": "replace", "name": name, "value": "****"}
    assert hide("header_operations", operations) == [hidden, operations[1]]
    assert hide("header_operations[0]", operations[0]) == hidden
    rules = [
        {"group": "a", "header": name, "value": "", "pattern": "can.*"},
        {"group": "a", "header": name, "value": "canary", "pattern": ""},
    ]
    assert hide("rules", rules) == [{**rules[0], "pattern": "****"}, {**rules[1], "value": "****"}]


def test_what_is_no_value_of_a_header_stays() -> None:
    rules = [{"group": "a", "path": "/a/*", "header": "x-team", "value": "", "strip_prefix": "/a"}]
    assert hide("rules", rules) == rules
    assert hide("aliases", ["x-token"]) == ["x-token"]
    assert hide("rules", None) is None


def test_a_change_that_is_not_seen_is_known() -> None:
    def operations(team: str, tier: str) -> list[dict[str, str]]:
        return [{"name": "x-team", "value": team}, {"name": "x-tier", "value": tier}]

    assert changed_unseen("header_operations", operations("a", "1"), operations("b", "1"))
    assert changed_unseen("header_operations", operations("a", "1"), operations("a", "2"))
    assert not changed_unseen("header_operations", operations("a", "1"), operations("a", "1"))
    assert not changed_unseen("header_operations", operations("a", "1"), operations("a", "1")[:1])
    assert not changed_unseen("header_operations", None, operations("a", "1"))
    assert not changed_unseen("fallbacks", ["a"], ["b"])


def test_the_words_of_a_rule_have_no_value() -> None:
    """They stand in usage events and explanations."""
    assert Rule(group="a", path="/a/*", header="x-team", value="canary").words == "/a/* with x-team: ****"
    assert Rule(group="a", header="x-tier", pattern="can.*").words == "x-tier: ****"
    assert Rule(group="a", header="x-team").words == "x-team: *"
    assert Rule(group="a", path="/a/*").words == "/a/*"
