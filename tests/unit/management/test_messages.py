"""Every field of every message is held by the domain, and what was written is read as the same."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from tollkeeper.messages import MessageError, read, write
from tollkeeper.messages.fields import changeable, descriptor_of, words_of
from tollkeeper.messages.plans import plan_of
from tollkeeper.v1 import (
    configuration_service_pb2,
    group_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
from tollkeeper_server.domain import (
    explanation,
    listener,
    model,
    project,
    token,
    traffic,
    upstream,
    usage,
)
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.messages import fields_of

from tests.unit.clients.messages.drawn import values_of

# The parts of entities are read of requests and written to answers as they are.
PARTS: dict[type[Any], type[Message]] = {
    traffic.TrafficPolicy: traffic_pb2.TrafficPolicy,
    traffic.Retry: traffic_pb2.Retry,
    traffic.Member: group_service_pb2.Member,
    upstream.HeaderOperation: upstream_service_pb2.HeaderOperation,
    upstream.Breaker: upstream_service_pb2.Breaker,
    upstream.Probe: upstream_service_pb2.Probe,
    model.Deployment: model_service_pb2.Deployment,
    model.Price: model_service_pb2.Price,
    listener.Rule: listener_service_pb2.Rule,
    listener.IpLimit: listener_service_pb2.IpLimit,
    explanation.Query: configuration_service_pb2.ExplainRequestRequest,
}
# What is written of the others without an attribute of its name, or is none of the entity's.
ANSWERS: dict[tuple[type[Any], type[Message]], set[str]] = {
    (project.Project, project_service_pb2.Project): {"etag"},
    (project.Project, configuration_service_pb2.ConfiguredProject): {"tokens"},
    (token.Token, token_service_pb2.Token): {"etag", "token"},
    (token.Token, token_service_pb2.CreateTokenResponse): {"etag", "token"},
    (token.Token, token_service_pb2.RotateTokenResponse): {"etag", "token"},
    (token.Token, configuration_service_pb2.ConfiguredToken): {"secret"},
    (upstream.Upstream, upstream_service_pb2.Upstream): {"etag"},
    (upstream.Upstream, upstream_service_pb2.CreateUpstreamRequest): set(),
    (traffic.Group, group_service_pb2.Group): {"etag"},
    (traffic.Group, group_service_pb2.CreateGroupRequest): set(),
    (model.Model, model_service_pb2.Model): {"etag"},
    (model.Model, model_service_pb2.CreateModelRequest): set(),
    (listener.Listener, listener_service_pb2.Listener): {"etag"},
    (listener.Listener, listener_service_pb2.CreateListenerRequest): set(),
    (explanation.Explanation, configuration_service_pb2.ExplainRequestResponse): set(),
    (explanation.Verdict, configuration_service_pb2.Verdict): set(),
    (explanation.ExplainedMember, configuration_service_pb2.ExplainedMember): {"average_duration"},
    (usage.UsageEvent, usage_service_pb2.UsageEvent): {
        "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "audio_milliseconds",
        "images", "confidence", "first_byte_microseconds", "duration_microseconds",
    },
    (usage.UsageRow, usage_service_pb2.UsageRow): {
        "model", "start_time", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
    },
}  # fmt: skip
# What an update changes without an attribute of its name.
UPDATES: dict[tuple[type[Any], type[Message]], set[str]] = {
    (project.Project, project_service_pb2.UpdateProjectRequest): {"openai_api_key", "revoke_tokens"},
    (token.Token, token_service_pb2.UpdateTokenRequest): {"duration_minutes"},
    (upstream.Upstream, upstream_service_pb2.UpdateUpstreamRequest): set(),
    (traffic.Group, group_service_pb2.UpdateGroupRequest): set(),
    (model.Model, model_service_pb2.UpdateModelRequest): set(),
    (listener.Listener, listener_service_pb2.UpdateListenerRequest): set(),
}


@pytest.mark.parametrize(("kind", "message"), PARTS.items(), ids=lambda it: it.__name__)
@settings(max_examples=30)
@given(data=st.data())
def test_a_part_that_is_written_is_read_as_the_same(
    kind: type[Any], message: type[Message], data: st.DataObject
) -> None:
    plan = plan_of(kind, descriptor_of(message))
    value = data.draw(values_of(kind, descriptor_of(message)))

    assert plan.missing == set()
    assert [it.attribute for it in plan.parts.values()] == list(kind.__struct_fields__)
    assert read(kind, write(value, message())) == value


@pytest.mark.parametrize(("kind", "message"), PARTS.items(), ids=lambda it: it.__name__)
def test_what_is_unset_is_the_default(kind: type[Any], message: type[Message]) -> None:
    texts = dict.fromkeys(kind.__struct_fields__[: -len(kind.__struct_defaults__) or None], "")
    if kind is upstream.HeaderOperation:
        return  # its action is required

    assert read(kind, message()) == kind(**texts)


def _named(pair: tuple[type[Any], type[Message]]) -> str:
    return "-".join(it.__name__ for it in pair)


@pytest.mark.parametrize("pair", ANSWERS | UPDATES, ids=_named)
def test_what_the_domain_does_not_hold_by_name_is_known(pair: tuple[type[Any], type[Message]]) -> None:
    kind, message = pair
    fields = changeable(descriptor_of(message)) if pair in UPDATES else descriptor_of(message).fields_by_name

    assert plan_of(kind, descriptor_of(message)).missing & set(fields) == (ANSWERS | UPDATES)[pair]


@pytest.mark.parametrize("pair", [*PARTS.items(), *ANSWERS], ids=_named)
def test_the_domain_has_the_words_of_protobuf(pair: tuple[type[Any], type[Message]]) -> None:
    for part in plan_of(pair[0], descriptor_of(pair[1])).parts.values():
        if part.field.enum_type is not None:
            assert [it.value for it in part.kind] == list(words_of(part.field.enum_type))


def test_parts_of_units_are_refused_together_by_path() -> None:
    part = Duration(nanos=1)
    retry = traffic_pb2.Retry(initial=part, max=part)
    policy = traffic_pb2.TrafficPolicy(keep_alive=part, retry=retry)
    request = group_service_pb2.CreateGroupRequest(name="g", policy=policy)

    with pytest.raises(TollkeeperError) as refused:
        fields_of(traffic.Group, request)

    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert [(it.field, it.description) for it in refused.value.violations] == [
        ("policy.keep_alive", "give whole seconds"),
        ("policy.retry.initial", "give whole milliseconds"),
        ("policy.retry.max", "give whole milliseconds"),
    ]


def test_a_number_that_is_newer_is_refused() -> None:
    newer = upstream_service_pb2.HeaderOperation.FromString(b"\x08\x63")  # action: 99

    with pytest.raises(MessageError, match=r"^action: has a value that is not known here$"):
        read(upstream.HeaderOperation, newer)
