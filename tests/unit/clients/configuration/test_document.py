"""Reading what was written gives the same; what is wrong in a file is said, with its place."""

import pytest
import yaml
from google.protobuf.message import Message
from hypothesis import given, settings
from tollkeeper.configuration import ConfigurationError, parse_document, read_document, write_document
from tollkeeper.v1 import group_service_pb2, upstream_service_pb2
from tollkeeper.v1.configuration_service_pb2 import Configuration

from tests.unit.clients.configuration.messages import CONFIGURATIONS

CANARY = "sk-canary-5f0c1e"
WHOLE = """
upstreams:
  - name: openai
    provider: openai
    api_key: ${OPENAI_API_KEY}
    timeouts: {connect: 1m30s, first_byte: 500ms, idle: 45s, total: 0.25s}
    breaker:
      threshold: 0.4
groups:
  - name: main
    members:
      - upstream: openai
        weight: 3
    policy:
      strategy: weighted_round_robin
      retry: {}
projects:
  - name: no
    is_active: false
    tokens:
      - {name: 0123, secret: "12345", allowed_models: [gpt-4o, "*"]}
"""


@settings(max_examples=300)
@given(CONFIGURATIONS)
def test_what_was_written_is_read_back(configuration: Message) -> None:
    assert isinstance(configuration, Configuration)

    assert read_document(write_document(configuration), {}) == configuration


@given(CONFIGURATIONS)
def test_every_yaml_reader_understands_what_was_written(configuration: Message) -> None:
    assert isinstance(configuration, Configuration)
    text = write_document(configuration)

    names = [it["name"] for it in (yaml.safe_load(text) or {}).get("groups", []) if "name" in it]

    assert [it.replace("$${", "${") for it in names] == [it.name for it in configuration.groups if it.name]


def test_a_file_describes_a_configuration() -> None:
    configuration = read_document(WHOLE, {"OPENAI_API_KEY": CANARY})

    upstream = configuration.upstreams[0]
    assert upstream.provider == upstream_service_pb2.PROVIDER_OPENAI
    assert upstream.api_key == CANARY
    assert [it.ToMilliseconds() for _, it in upstream.timeouts.ListFields()] == [90_000, 500, 45_000, 250]
    assert upstream.breaker.threshold == 0.4
    group = configuration.groups[0]
    assert list(group.members) == [group_service_pb2.Member(upstream="openai", weight=3)]
    assert group.policy.HasField("retry")
    project = configuration.projects[0]
    assert (project.name, project.is_active, project.tokens[0].name) == ("no", False, "0123")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "upstreams:\n", "upstreams: []"])
def test_a_file_may_describe_nothing(text: str) -> None:
    assert read_document(text, {}) == Configuration()
    assert write_document(Configuration()) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("upstream: []", r"upstream \(line 1\): is not known here; did you mean upstreams\?"),
        (
            "models:\n- name: a\n  deployments:\n  - upstrem: b",
            r"models\[0\]\.deployments\[0\]\.upstrem \(line 4\): is not known here; .* .*\.upstream\?",
        ),
        (
            "groups: [{zzz: 1}]",
            r"groups\[0\]\.zzz \(line 1\): is not known here; these are: name, members, policy",
        ),
        ("- a", r"the file \(line 1\): must be a mapping"),
        ("upstreams: {}", r"upstreams \(line 1\): must be a list"),
        ("upstreams: [a]", r"upstreams\[0\] \(line 1\): must be a mapping"),
        ("upstreams: [{name: [a]}]", r"upstreams\[0\]\.name \(line 1\): must be one value"),
        (
            "upstreams: [{provider: opena}]",
            r"provider \(line 1\): must be one of openai, azure, anthropic, generic",
        ),
        ("upstreams: [{is_default: 1}]", r"is_default \(line 1\): must be true or false"),
        ("upstreams: [{breaker: {threshold: high}}]", r"threshold \(line 1\): must be a number"),
        ("upstreams: [{breaker: {threshold: .inf}}]", r"threshold \(line 1\): must be a number"),
        ("upstreams: [{breaker: {threshold: 1e999}}]", r"threshold \(line 1\): must be a number"),
        ("upstreams: [{breaker: {min_calls: 0.5}}]", r"min_calls \(line 1\): must be a whole number"),
        (
            "upstreams: [{breaker: {min_calls: 5000000000}}]",
            r"min_calls \(line 1\): has a value that is out of range",
        ),
        ("upstreams: [{timeouts: {idle: soon}}]", r"idle \(line 1\): must be a length of time, such as 30s"),
        ("upstreams: [{timeouts: {idle: 45}}]", r"idle \(line 1\): needs a unit: ms, s, m, h, d or w"),
        ("upstreams: [{timeouts: {idle: 0.25}}]", r"idle \(line 1\): needs a unit"),
        ("upstreams: [{timeouts: {idle: -1}}]", r"idle \(line 1\): must be a length of time"),
        ("upstreams: [{timeouts: {idle: 999999999999s}}]", r"idle \(line 1\): is too long"),
        ("upstreams: [{timeouts: {idle: [1]}}]", r"idle \(line 1\): must be a length of time"),
        ("a: 1\na: 2", "line 2: a is given twice"),
        ("upstreams: [{name: a, name: b}]", "line 1: name is given twice"),
        ("? [a]\n: b", "line 1: a name must be one word"),
        ("upstreams: !!python/object:os.system []", r"line 1: tags \(!\) have no meaning"),
        ("upstreams: *a", "line 1: an alias"),
        ("upstreams: &a [*a]", "line 1: an alias"),
        ("upstreams: []\n---\nupstreams: []", "line 2: another document begins"),
        ("upstreams: [", "line 2, column 1: not valid YAML"),
        ("upstreams:\n\t- a", "line 2, column 1: not valid YAML"),
        ("upstreams: \x00", "not valid YAML"),
        ("a: " + "[" * 100, "nested more than 64 levels"),
        ("upstreams: [{<<: a}]", "line 1: << takes a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        parse_document(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_document("upstreams:\n- {nam: a}\n- {provider: x}\n")

    assert [it.partition(" ")[0] for it in raised.value.problems] == [
        "upstreams[0].nam",
        "upstreams[1].provider",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"upstreams: [{{api_key: [{CANARY}]}}]",
        f"upstreams:\n- api_key: {CANARY}\n  name: b: c",
        f"upstreams:\n- api_key: '{CANARY}\n",
        f"upstreams: [{{api_key: '${{ {CANARY}'}}]",
        f"upstreams: [{{provider: {CANARY}}}]",
        f"upstreams: [{{is_default: {CANARY}}}]",
        f"upstreams: [{{timeouts: {{idle: {CANARY}}}}}]",
        f"upstreams: {{api_key: {CANARY}}}",
    ],
)
def test_no_message_shows_a_value(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_document(text)

    assert CANARY not in str(raised.value)


def test_anchors_and_merges_share_what_is_the_same() -> None:
    configuration = parse_document(
        "groups:\n"
        "- &main {name: a, members: [{upstream: x}], policy: &policy {strategy: random}}\n"
        "- {<<: *main, name: b}\n"
        "- {name: c, policy: {<<: [{user_agent: u}, *policy], strategy: failover}}\n"
    )

    assert [it.name for it in configuration.groups] == ["a", "b", "c"]
    assert configuration.groups[1].members == configuration.groups[0].members
    assert configuration.groups[2].policy.user_agent == "u"
    assert configuration.groups[2].policy.strategy == 5


def test_aliases_can_not_make_a_small_file_a_large_configuration() -> None:
    bomb = "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
    )

    with pytest.raises(ConfigurationError, match="more than 1,000,000 entries"):
        parse_document(bomb)


def test_aliases_can_not_nest_without_end() -> None:
    deep = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))

    with pytest.raises(ConfigurationError, match="nested more than 64 levels"):
        parse_document(deep)


def test_a_large_file_is_refused_unread() -> None:
    with pytest.raises(ConfigurationError, match="more than 10,000,000 bytes"):
        parse_document("#" * 10_000_001)
