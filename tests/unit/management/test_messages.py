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
    gateway_service_pb2,
    group_service_pb2,
    limit_pb2,
    limit_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    price_pb2,
    price_service_pb2,
    project_service_pb2,
    status_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
from tollkeeper_server.domain import (
    connect_failure,
    explanation,
    gateway,
    limit,
    listener,
    model,
    period,
    price,
    project,
    reference,
    repricing,
    standing,
    status,
    token,
    traffic,
    upstream,
    upstream_testing,
    usage,
    usage_sums,
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
    price.PriceRates: price_pb2.PriceRates,
    price.PriceTier: price_pb2.PriceTier,
    price.ServicePrice: price_pb2.ServicePrice,
    price.DatedPrice: price_pb2.DatedPrice,
    listener.Rule: listener_service_pb2.Rule,
    listener.IpLimit: listener_service_pb2.IpLimit,
    limit.Limit: limit_pb2.Limit,
    explanation.Query: configuration_service_pb2.ExplainRequestRequest,
    usage.UsageAttempt: usage_service_pb2.UsageAttempt,
    usage_sums.UsageSums: usage_service_pb2.UsageSums,
    usage_sums.UsagePercentiles: usage_service_pb2.UsagePercentiles,
}
# Few of all numbers and words go together in a limit.
LIMITS = st.sampled_from(
    [
        limit.Limit(measure=limit.Measure.REQUEST_RATE, amount=60),
        limit.Limit(measure=limit.Measure.TOKEN_RATE, amount=150_000_000, burst=1),
        limit.Limit(measure=limit.Measure.CONCURRENT, amount=1),
        limit.Limit(measure=limit.Measure.TOKENS, amount=1, period=period.Period.TOTAL),
        limit.Limit(
            measure=limit.Measure.MONEY,
            amount=limit.MOST,
            period=period.Period.DAY,
            zone="Asia/Aden",
            clamp=True,
            allow_unpriced=True,
        ),
    ]
)
# What is written of the others without an attribute of its name, or is none of the entity's.
ANSWERS: dict[tuple[type[Any], type[Message]], set[str]] = {
    (project.Project, project_service_pb2.Project): {"etag", "last_used_at"},
    (project.Project, configuration_service_pb2.ConfiguredProject): {"tokens"},
    (token.Token, token_service_pb2.Token): {"etag", "token", "state", "project_name"},
    (token.Token, token_service_pb2.CreateTokenResponse): {"etag", "token"},
    (token.Token, token_service_pb2.RotateTokenResponse): {"etag", "token"},
    (token.Token, configuration_service_pb2.ConfiguredToken): {"secret"},
    (upstream.Upstream, upstream_service_pb2.Upstream): {
        "etag", "connect_failure",
    },
    (connect_failure.ConnectFailure, upstream_service_pb2.ConnectFailure): set(),
    (upstream.Upstream, upstream_service_pb2.CreateUpstreamRequest): {"validate_only"},
    (traffic.Group, group_service_pb2.Group): {"etag"},
    (traffic.Group, group_service_pb2.CreateGroupRequest): {"validate_only"},
    (model.Model, model_service_pb2.Model): {"etag"},
    (model.Model, model_service_pb2.CreateModelRequest): {"validate_only"},
    (listener.Listener, listener_service_pb2.Listener): {"etag"},
    (listener.Listener, listener_service_pb2.CreateListenerRequest): {"validate_only"},
    (gateway.Gateway, gateway_service_pb2.Gateway): {"etag"},
    (gateway.Gateway, configuration_service_pb2.ConfiguredGateway): set(),
    (reference.Reference, configuration_service_pb2.Reference): set(),
    (standing.LimitStanding, limit_service_pb2.LimitStanding): {"scope_name"},
    (standing.BudgetNotice, limit_service_pb2.BudgetNotice): {"scope_name", "period_start"},
    (explanation.ExplainedReservation, configuration_service_pb2.ExplainedReservation): {"scope_name"},
    (explanation.Explanation, configuration_service_pb2.ExplainRequestResponse): set(),
    (price.ModelPrice, price_pb2.ModelPrice): set(),
    (repricing.Repricing, price_service_pb2.Repricing): set(),
    (explanation.Verdict, configuration_service_pb2.Verdict): set(),
    (explanation.ExplainedMember, configuration_service_pb2.ExplainedMember): {"average_duration"},
    (upstream_testing.UpstreamTestResult, upstream_service_pb2.UpstreamTestResult): set(),
    (upstream_testing.UpstreamModel, upstream_service_pb2.UpstreamModel): set(),
    (status.ProcessStatus, status_service_pb2.ProcessStatus): set(),
    (status.PartStatus, status_service_pb2.PartStatus): set(),
    (status.JournalStatus, status_service_pb2.JournalStatus): set(),
    (status.CertificateStatus, status_service_pb2.CertificateStatus): set(),
    (status.UpstreamStatus, status_service_pb2.UpstreamStatus): set(),
    (status.ProbeStatus, status_service_pb2.ProbeStatus): set(),
    (status.ListenerStatus, status_service_pb2.ListenerStatus): set(),
    (status.Setting, status_service_pb2.Setting): set(),
    (status.Attention, status_service_pb2.Attention): set(),
    (usage.UsageEvent, usage_service_pb2.UsageEvent): {
        "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "audio_milliseconds",
        "images", "characters", "pages", "confidence", "first_byte_microseconds", "duration_microseconds",
        "project_name", "token_name", "details",
    },
    (usage_sums.UsageRow, usage_service_pb2.UsageRow): {"model", "start_time", "project_name", "token_name"},
}  # fmt: skip
# What an update changes without an attribute of its name.
UPDATES: dict[tuple[type[Any], type[Message]], set[str]] = {
    (project.Project, project_service_pb2.UpdateProjectRequest): {"openai_api_key", "revoke_tokens"},
    (token.Token, token_service_pb2.UpdateTokenRequest): {"duration_minutes"},
    (upstream.Upstream, upstream_service_pb2.UpdateUpstreamRequest): set(),
    (traffic.Group, group_service_pb2.UpdateGroupRequest): set(),
    (model.Model, model_service_pb2.UpdateModelRequest): set(),
    (listener.Listener, listener_service_pb2.UpdateListenerRequest): set(),
    (gateway.Gateway, gateway_service_pb2.UpdateGatewayRequest): set(),
}


@pytest.mark.parametrize(("kind", "message"), PARTS.items(), ids=lambda it: it.__name__)
@settings(max_examples=30)
@given(data=st.data())
def test_a_part_that_is_written_is_read_as_the_same(
    kind: type[Any], message: type[Message], data: st.DataObject
) -> None:
    plan = plan_of(kind, descriptor_of(message))
    value = data.draw(LIMITS if kind is limit.Limit else values_of(kind, descriptor_of(message)))

    assert plan.missing == set()
    assert [it.attribute for it in plan.parts.values()] == list(kind.__struct_fields__)
    assert read(kind, write(value, message())) == value


@pytest.mark.parametrize(("kind", "message"), PARTS.items(), ids=lambda it: it.__name__)
def test_what_is_unset_is_the_default(kind: type[Any], message: type[Message]) -> None:
    texts = dict.fromkeys(kind.__struct_fields__[: -len(kind.__struct_defaults__) or None], "")
    if kind in {upstream.HeaderOperation, limit.Limit}:
        return  # its action, or what it counts, is required

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
        fields_of(traffic.Group, request, only=["name", "members", "policy"])

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
