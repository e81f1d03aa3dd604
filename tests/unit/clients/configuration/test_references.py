"""`${NAME}` stands for a variable in secrets, is refused elsewhere; `$${` is a `${` of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.configuration import ConfigurationError, parse_document, read_document
from tollkeeper.configuration.references import escape, references_in, settle, unescape
from tollkeeper.messages.fields import descriptor_of, is_secret
from tollkeeper.v1 import configuration_service_pb2, upstream_service_pb2

TEXTS = st.text("$${}AB_ ", max_size=12)


def test_these_fields_are_secrets() -> None:
    upstream = upstream_service_pb2.CreateUpstreamRequest()
    project = configuration_service_pb2.ConfiguredProject()
    token = configuration_service_pb2.ConfiguredToken()

    found = {
        field.full_name.removeprefix("tollkeeper.v1.")
        for message in (upstream, project, token)
        for field in descriptor_of(message).fields
        if is_secret(field)
    }

    assert found == {
        "CreateUpstreamRequest.api_key",
        "CreateUpstreamRequest.proxy_url",
        "CreateUpstreamRequest.client_key",
        "ConfiguredProject.api_key",
        "ConfiguredToken.secret",
    }


def test_a_reference_is_what_the_variable_holds() -> None:
    configuration = read_document(
        "upstreams: [{api_key: '${KEY}', proxy_url: 'http://user:${P}@proxy:1$${2}'}]\n"
        "projects: [{api_key: '${KEY}', tokens: [{secret: 'a${P}'}]}]",
        {"KEY": "k${KEY}", "P": "p"},
    )

    assert configuration.upstreams[0].api_key == "k${KEY}", "what a variable holds is not read again"
    assert configuration.upstreams[0].proxy_url == "http://user:p@proxy:1${2}"
    assert configuration.projects[0].api_key == "k${KEY}"
    assert configuration.projects[0].tokens[0].secret == "ap"


def test_every_variable_that_is_missing_is_named_with_its_field() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_document("upstreams: [{api_key: '${ONE}'}, {proxy_url: '${TWO}${ONE}'}]", {"TWO": ""})

    assert [it.partition(",")[0] for it in raised.value.problems] == [
        "upstreams[0].api_key: the environment has no ONE",
        "upstreams[1].proxy_url: the environment has no TWO",
        "upstreams[1].proxy_url: the environment has no ONE",
    ]


@pytest.mark.parametrize("text", ["${A}", "x${", "${1}", "${A", "${a b}"])
def test_no_other_field_may_refer_to_the_environment(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"upstreams\[0\].base_url .* only secrets may"):
        parse_document(f"upstreams: [{{base_url: '{text}'}}]")


@pytest.mark.parametrize("text", ["${", "${1}", "${A", "a${b c}"])
def test_what_only_looks_like_a_reference_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"upstreams\[0\].api_key .* no reference"):
        parse_document(f"upstreams: [{{api_key: '{text}'}}]")


@given(TEXTS)
def test_escaping_is_undone_and_leaves_no_reference(text: str) -> None:
    assert unescape(escape(text)) == text
    assert references_in(escape(text)) == []


@given(TEXTS, TEXTS)
def test_settling_takes_known_references_away_and_keeps_others(secret: str, value: str) -> None:
    try:
        before = references_in(secret)
    except ValueError:
        return

    assert references_in(settle(secret, {"A": value})) == [it for it in before if it != "A"]
