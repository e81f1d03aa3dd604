"""What is asked of the gateway is what was given."""

from datetime import datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.calls import listeners, models, projects, tokens, upstreams, usage
from tollkeeper.v1 import (
    listener_service_pb2,
    model_service_pb2,
    project_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
from tollkeeper.values.model import Capability
from tollkeeper.values.token import Expiry, TokenState
from tollkeeper.values.traffic import (
    Breaker,
    Deployment,
    FallbackCause,
    HeaderAction,
    HeaderOperation,
    Probe,
    Removal,
    TrafficPolicy,
)
from tollkeeper.values.upstream import AuthScheme, Provider, Timeouts
from tollkeeper.values.usage import UsageGroup


def mask(**fields: object) -> FieldMask:
    """Return a mask of those fields."""
    return FieldMask(paths=list(fields))


def duration(length: timedelta) -> Duration:
    """Return a length of time as a message."""
    written = Duration()
    written.FromTimedelta(length)
    return written


def test_a_naive_time_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^expires_at: needs a time zone"):
        tokens.create_token(project_id="p", expires_at=datetime(2026, 3, 1))  # noqa: DTZ001 - the point
    with pytest.raises(ValueError, match=r"^start_time: needs a time zone"):
        usage.summarize_usage(start_time=datetime(2026, 3, 1))  # noqa: DTZ001 - the point


def test_every_argument_that_can_not_be_sent_is_named() -> None:
    with pytest.raises(ValueError, match=r"^start_time: needs .*; end_time: needs"):
        usage.list_usage_events(start_time=datetime(2026, 3, 1), end_time=datetime(2026, 3, 1))  # noqa: DTZ001 - the point


def test_an_argument_that_is_none_of_the_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="no field 'bas_url'"):
        upstreams.update_upstream("a", bas_url="x")  # type: ignore[call-arg]  # the point
    with pytest.raises(TypeError, match="no field 'update'"):
        upstreams.create_upstream(name="a", provider=Provider.OPENAI, update=1)  # type: ignore[call-arg]  # the point


def test_the_mask_names_what_is_given_even_if_it_is_empty() -> None:
    request = upstreams.update_upstream(
        "a", base_url=None, full_url="", is_active=False, header_operations=()
    ).request

    assert request == upstream_service_pb2.UpdateUpstreamRequest(
        name="a",
        full_url="",
        is_active=False,
        update_mask=mask(full_url=1, is_active=1, header_operations=1),
    )


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


def test_labels_are_sent_and_taken_away() -> None:
    made = projects.create_project(name="p", labels={"a": "b"}).request
    changed = tokens.update_token("tok_1", labels={}).request

    assert made == project_service_pb2.CreateProjectRequest(name="p", labels={"a": "b"})
    assert changed == token_service_pb2.UpdateTokenRequest(id="tok_1", update_mask=mask(labels=1))
    with pytest.raises(ValueError, match=r"^labels: must be a dict of str to str, not list"):
        projects.create_project(name="p", labels=["a"])  # type: ignore[arg-type]  # the point
    with pytest.raises(ValueError, match=r"^labels: must be a dict of str to str"):
        projects.create_project(name="p", labels={"a": 1})  # type: ignore[dict-item]  # the point


def test_a_list_is_counted_with_its_first_page_alone() -> None:
    listed = tokens.list_tokens(with_total=True, states=[TokenState.EXPIRING], labels={"a": "b"})
    first, second = listed.at("").request, listed.at("t").request

    assert first == token_service_pb2.ListTokensRequest(
        with_total=True, states=[token_service_pb2.TOKEN_STATE_EXPIRING], labels={"a": "b"}
    )
    assert second == token_service_pb2.ListTokensRequest(
        page_token="t", states=[token_service_pb2.TOKEN_STATE_EXPIRING], labels={"a": "b"}
    )


def test_sums_are_grouped_in_the_order_given() -> None:
    request = usage.summarize_usage(group_by=[UsageGroup.MODEL, UsageGroup.DAY]).request

    assert request == usage_service_pb2.SummarizeUsageRequest(
        group_by=[usage_service_pb2.USAGE_GROUP_MODEL, usage_service_pb2.USAGE_GROUP_DAY]
    )


def test_unknown_can_not_be_sent() -> None:
    with pytest.raises(ValueError, match="PROVIDER_UNKNOWN"):
        upstreams.create_upstream(name="up", provider=Provider.UNKNOWN)
