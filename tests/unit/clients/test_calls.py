"""What is asked of the gateway is what was given, and what it says is read without loss."""

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from inspect import signature

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper import traffic, values
from tollkeeper.calls import listeners, models, projects, tokens, upstreams, usage
from tollkeeper.calls.policies import read_policy, write_policy
from tollkeeper.calls.wire import duration, mask, moment, timestamp
from tollkeeper.traffic import (
    Breaker,
    Deployment,
    FallbackCause,
    HeaderAction,
    HeaderOperation,
    Probe,
    Removal,
    Retry,
    Strategy,
    TrafficPolicy,
    TrafficTimeouts,
)
from tollkeeper.v1 import (
    group_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
from tollkeeper.values import AuthScheme, Capability, Expiry, Provider, Timeouts, UsageGroup

# Timestamps reach from year 1 to year 9999 in UTC.
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda it: timezone(timedelta(minutes=it)))
TIMES = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - the offset is drawn


@given(TIMES)
def test_times_keep_their_moment(written: datetime) -> None:
    sent = timestamp("at", written)

    assert sent is not None
    assert moment(sent) == written
    assert moment(sent).tzinfo is UTC


def test_a_naive_time_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^expires_at: needs a time zone"):
        tokens.create_token(project_id="p", expires_at=datetime(2026, 3, 1))  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match=r"^start_time: needs a time zone"):
        usage.summarize_usage(start_time=datetime(2026, 3, 1))  # noqa: DTZ001 - the point


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=1)))
def test_lengths_of_time_are_exact(length: timedelta) -> None:
    sent = duration(length)

    assert sent is not None
    assert sent.ToTimedelta() == length


def test_the_mask_names_what_is_given_even_if_it_is_empty() -> None:
    assert list(mask(a=None, b="", c=0, d=False, e=()).paths) == ["b", "c", "d", "e"]


def test_an_update_leaves_alone_what_is_not_given() -> None:
    (request,) = [projects.update_project("prj_1", name="new").request]

    assert request == project_service_pb2.UpdateProjectRequest(
        id="prj_1", name="new", update_mask=mask(name=1)
    )


def test_an_update_takes_away_what_is_given_empty() -> None:
    request = tokens.update_token("tok_1", expires_at=Expiry.NEVER, allowed_models=()).request

    assert request == token_service_pb2.UpdateTokenRequest(
        id="tok_1", update_mask=mask(expires_at=1, allowed_models=1)
    )


def test_an_upstreams_update_holds_all_that_is_given() -> None:
    request = upstreams.update_upstream(
        "up",
        provider=Provider.GENERIC,
        auth_scheme=AuthScheme.HEADER,
        api_key="",
        is_default=False,
        timeouts=Timeouts(idle=timedelta(milliseconds=1500)),
        etag="7",
    ).request

    assert request == upstream_service_pb2.UpdateUpstreamRequest(
        name="up",
        provider=upstream_service_pb2.PROVIDER_GENERIC,
        auth_scheme=upstream_service_pb2.AUTH_SCHEME_HEADER,
        api_key="",
        is_default=False,
        timeouts=upstream_service_pb2.Timeouts(idle=duration(timedelta(seconds=1.5))),
        update_mask=mask(provider=1, auth_scheme=1, api_key=1, is_default=1, timeouts=1),
        etag="7",
    )


def test_a_models_deployments_and_capabilities_are_sent() -> None:
    request = models.create_model(
        name="fast",
        deployments=[Deployment("azure", "gpt4o"), Deployment("openai")],
        capabilities=[Capability.CHAT_COMPLETIONS],
    ).request

    assert request == model_service_pb2.CreateModelRequest(
        name="fast",
        deployments=[
            model_service_pb2.Deployment(upstream="azure", upstream_model="gpt4o", weight=1),
            model_service_pb2.Deployment(upstream="openai", weight=1),
        ],
        capabilities=[model_service_pb2.CAPABILITY_CHAT_COMPLETIONS],
        is_active=True,
    )


def test_a_models_update_holds_all_that_is_given() -> None:
    request = models.update_model(
        "fast",
        group="chat",
        fallbacks=["slow"],
        fallback_on=[FallbackCause.CONTENT],
        price=Removal.REMOVE,
        policy=TrafficPolicy(),
    ).request

    assert request == model_service_pb2.UpdateModelRequest(
        name="fast",
        group="chat",
        fallbacks=["slow"],
        fallback_on=[model_service_pb2.FALLBACK_CAUSE_CONTENT],
        policy=traffic_pb2.TrafficPolicy(
            strategy=traffic_pb2.STRATEGY_ROUND_ROBIN, timeouts=traffic_pb2.TrafficTimeouts()
        ),
        update_mask=mask(policy=1, group=1, fallbacks=1, fallback_on=1, price=1),
    )


def test_an_upstreams_traffic_is_sent_and_taken_away() -> None:
    made = upstreams.create_upstream(
        name="up",
        provider=Provider.OPENAI,
        header_operations=[HeaderOperation(HeaderAction.REMOVE, "x-a")],
        breaker=Breaker(threshold=0.25),
        probe=Probe(path="/models", interval=timedelta(seconds=5)),
    ).request
    changed = upstreams.update_upstream(
        "up", header_operations=(), probe=Removal.REMOVE, ca_certificates="", proxy_url=""
    ).request

    assert made == upstream_service_pb2.CreateUpstreamRequest(
        name="up",
        provider=upstream_service_pb2.PROVIDER_OPENAI,
        is_active=True,
        header_operations=[
            upstream_service_pb2.HeaderOperation(action=upstream_service_pb2.HEADER_ACTION_REMOVE, name="x-a")
        ],
        breaker=upstream_service_pb2.Breaker(threshold=0.25),
        probe=upstream_service_pb2.Probe(path="/models", interval=duration(timedelta(seconds=5))),
    )
    assert changed == upstream_service_pb2.UpdateUpstreamRequest(
        name="up",
        ca_certificates="",
        proxy_url="",
        update_mask=mask(header_operations=1, probe=1, ca_certificates=1, proxy_url=1),
    )


def test_a_listeners_limit_is_taken_away() -> None:
    request = listeners.update_listener("edge", ip_limit=Removal.REMOVE, rules=()).request

    assert request == listener_service_pb2.UpdateListenerRequest(
        name="edge", update_mask=mask(rules=1, ip_limit=1)
    )


@pytest.mark.parametrize(
    "policy",
    [
        TrafficPolicy(),
        TrafficPolicy(
            strategy=Strategy.FAILOVER,
            user_agent="gateway",
            keep_alive=timedelta(seconds=5),
            timeouts=TrafficTimeouts(connect=timedelta(seconds=1), request=timedelta(minutes=1)),
            retry=Retry(attempts=0, initial=timedelta(seconds=0.25), only_safe=True, budget_percent=5),
            session_header="x-session",
        ),
    ],
)
def test_a_policy_is_read_as_it_was_written(policy: TrafficPolicy) -> None:
    written = write_policy(policy)

    assert written is not None
    assert read_policy(written) == policy


def test_sums_are_grouped_in_the_order_given() -> None:
    request = usage.summarize_usage(group_by=[UsageGroup.MODEL, UsageGroup.DAY]).request

    assert request == usage_service_pb2.SummarizeUsageRequest(
        group_by=[usage_service_pb2.USAGE_GROUP_MODEL, usage_service_pb2.USAGE_GROUP_DAY]
    )


@pytest.mark.parametrize(
    ("words", "enum"),
    [
        (values.Provider, upstream_service_pb2.Provider.DESCRIPTOR),
        (values.AuthScheme, upstream_service_pb2.AuthScheme.DESCRIPTOR),
        (values.Capability, model_service_pb2.Capability.DESCRIPTOR),
        (values.Confidence, usage_service_pb2.Confidence.DESCRIPTOR),
        (values.UsageGroup, usage_service_pb2.UsageGroup.DESCRIPTOR),
        (traffic.Strategy, traffic_pb2.Strategy.DESCRIPTOR),
        (traffic.HeaderAction, upstream_service_pb2.HeaderAction.DESCRIPTOR),
        (traffic.FallbackCause, model_service_pb2.FallbackCause.DESCRIPTOR),
    ],
)
def test_the_enums_have_the_words_of_protobuf(words: type[StrEnum], enum: EnumDescriptor) -> None:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = [it.name.removeprefix(prefix) for it in enum.values if it.number]

    assert [it.name for it in words if it.name != "UNKNOWN"] == names
    assert [it.value for it in words] == [it.name.lower() for it in words]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (values.Project, project_service_pb2.Project),
        (values.RevokedTokens, project_service_pb2.RevokeProjectTokensResponse),
        (values.Token, token_service_pb2.Token),
        (values.MintedToken, token_service_pb2.CreateTokenResponse),
        (values.RotatedToken, token_service_pb2.RotateTokenResponse),
        (values.Timeouts, upstream_service_pb2.Timeouts),
        (values.Upstream, upstream_service_pb2.Upstream),
        (traffic.HeaderOperation, upstream_service_pb2.HeaderOperation),
        (traffic.Breaker, upstream_service_pb2.Breaker),
        (traffic.Probe, upstream_service_pb2.Probe),
        (traffic.TrafficPolicy, traffic_pb2.TrafficPolicy),
        (traffic.TrafficTimeouts, traffic_pb2.TrafficTimeouts),
        (traffic.Retry, traffic_pb2.Retry),
        (traffic.Member, group_service_pb2.Member),
        (traffic.Group, group_service_pb2.Group),
        (traffic.Rule, listener_service_pb2.Rule),
        (traffic.IpLimit, listener_service_pb2.IpLimit),
        (traffic.Listener, listener_service_pb2.Listener),
        (traffic.Price, model_service_pb2.Price),
        (traffic.Deployment, model_service_pb2.Deployment),
        (values.Model, model_service_pb2.Model),
        (values.UsageEvent, usage_service_pb2.UsageEvent),
        (values.UsageRow, usage_service_pb2.UsageRow),
    ],
)
def test_the_values_have_the_fields_of_protobuf(value: type, message: type[Message]) -> None:
    assert list(signature(value).parameters) == [it.name for it in message.DESCRIPTOR.fields]


def test_a_word_that_this_client_is_too_old_for_is_unknown() -> None:
    newer = model_service_pb2.Model.FromString(b"\x1a\x01\x63")  # capabilities: [99]

    assert models.read_model(newer).capabilities == (Capability.UNKNOWN,)
    assert upstreams.read_upstream(upstream_service_pb2.Upstream()).provider is Provider.UNKNOWN


def test_unknown_can_not_be_sent() -> None:
    with pytest.raises(ValueError, match="PROVIDER_UNKNOWN"):
        upstreams.create_upstream(name="up", provider=Provider.UNKNOWN)


def test_times_that_are_unset_are_none() -> None:
    assert tokens.read_token(token_service_pb2.Token()).expires_at is None
    assert usage.read_row(usage_service_pb2.UsageRow()).start_time is None
    assert upstreams.read_upstream(upstream_service_pb2.Upstream()).timeouts == Timeouts()
