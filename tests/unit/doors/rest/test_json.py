"""What is written can be read again, and what can't be read is told by field, never by value."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from tollkeeper.v1 import (
    configuration_service_pb2,
    model_service_pb2,
    token_service_pb2,
    traffic_pb2,
    upstream_service_pb2,
    usage_service_pb2,
)
from tollkeeper_server.doors.rest.json import from_json, parse_object, to_json
from tollkeeper_server.errors import Reason, TollkeeperError

from tests.unit.doors.doors import all_messages, messages

each_message = pytest.mark.parametrize("descriptor", all_messages(), ids=lambda it: it.name)


@each_message
@given(data=st.data())
def test_what_is_written_is_read_as_the_same(descriptor: Descriptor, data: st.DataObject) -> None:
    message = data.draw(messages(descriptor))
    text = json.dumps(to_json(message))
    read = GetMessageClass(descriptor)()
    from_json(parse_object(text.encode()), read)
    assert read == message


@each_message
def test_every_field_is_always_there(descriptor: Descriptor) -> None:
    written = to_json(GetMessageClass(descriptor)())
    assert [it.name for it in descriptor.fields] == list(written)


def test_it_is_what_someone_with_curl_expects() -> None:
    token = token_service_pb2.Token(id="tok_1", max_requests=2**53, allowed_models=["gpt-4o"])
    token.expires_at.FromJsonString("2026-03-04T12:00:00.5Z")
    written = to_json(token)
    assert written["max_requests"] == 2**53
    assert written["expires_at"] == "2026-03-04T12:00:00.500Z"
    assert written["last_used_at"] is None
    assert written["is_active"] is False
    upstream = upstream_service_pb2.Upstream(provider=upstream_service_pb2.PROVIDER_OPENAI)
    upstream.timeouts.idle.seconds = 30
    written = to_json(upstream)
    assert (written["provider"], written["auth_scheme"]) == ("openai", None)
    assert written["timeouts"] == {"connect": None, "first_byte": None, "idle": "30s", "total": None}


@pytest.mark.parametrize("word", ["azure", "AZURE", "PROVIDER_AZURE", "provider_azure", 2])
def test_an_enum_is_read_in_any_of_its_spellings(word: str | int) -> None:
    request = upstream_service_pb2.CreateUpstreamRequest()
    from_json({"provider": word}, request)
    assert request.provider == upstream_service_pb2.PROVIDER_AZURE


@pytest.mark.parametrize("word", ["azur", "", "\ud800", "PROVIDER_\ud800", True, 1.5, []])
def test_what_is_no_word_of_an_enum_is_refused_with_its_words(word: Any) -> None:
    with pytest.raises(TollkeeperError, match="must be one") as caught:
        from_json({"provider": word}, upstream_service_pb2.CreateUpstreamRequest())
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, "provider")


@pytest.mark.parametrize("length", ["1.5s", "1s500ms", "1500ms", "0.025m"])
def test_a_length_of_time_is_read_in_any_unit(length: str) -> None:
    timeouts = upstream_service_pb2.Timeouts()
    from_json({"idle": length}, timeouts)
    assert timeouts.idle.ToMilliseconds() == 1500


@pytest.mark.parametrize("length", [1.5, 30, "30", 0, True])
def test_a_length_of_time_without_a_unit_is_refused_with_the_units_named(length: str | float) -> None:
    with pytest.raises(TollkeeperError, match=r"^timeouts\.idle: .*\(ms, s, m, h, d or w\)"):
        from_json({"timeouts": {"idle": length}}, upstream_service_pb2.CreateUpstreamRequest())


@pytest.mark.parametrize("mask", ["name,is_active", " name , is_active ", ["name", "is_active"]])
def test_a_mask_is_read_as_text_or_list(mask: Any) -> None:
    request = token_service_pb2.UpdateTokenRequest()
    from_json({"update_mask": mask}, request)
    assert list(request.update_mask.paths) == ["name", "is_active"]


@pytest.mark.parametrize("number", ["0.25", "1", "1e-2"])
def test_a_number_is_read_as_json_writes_it(number: str) -> None:
    breaker = upstream_service_pb2.Breaker()
    from_json(parse_object(f'{{"threshold": {number}}}'.encode()), breaker)
    assert breaker.threshold == float(number)


def test_lists_of_objects_are_read_in_their_short_forms() -> None:
    request = configuration_service_pb2.Configuration()
    content: Any = {
        "upstreams": [
            {
                "name": "a",
                "provider": "generic",
                "breaker": {"threshold": 0.25, "cooldown": "5s"},
                "header_operations": [{"action": "insert", "name": "x-team", "value": "a"}],
            }
        ],
        "groups": [
            {
                "name": "g",
                "members": [{"upstream": "a", "weight": 3}],
                "policy": {"strategy": "failover", "retry": {"initial": "250ms", "max": "8s"}},
            }
        ],
    }
    from_json(content, request)
    (upstream,), (group,) = request.upstreams, request.groups
    assert (upstream.breaker.threshold, upstream.breaker.cooldown.seconds) == (0.25, 5)
    assert upstream.header_operations[0].action == upstream_service_pb2.HEADER_ACTION_INSERT
    assert group.policy.strategy == traffic_pb2.STRATEGY_FAILOVER
    assert group.policy.retry.initial.ToMilliseconds() == 250
    content["groups"][0]["policy"]["retry"]["initial"] = CANARY
    with pytest.raises(TollkeeperError, match=r"^groups\[0\]\.policy\.retry\.initial: ") as caught:
        from_json(content, configuration_service_pb2.Configuration())
    assert CANARY not in caught.value.message


CANARY = "canary-9f8e7d"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"name": 5}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": {"canary-9f8e7d": 1}}, "name"),
        ({"name": "\ud800canary-9f8e7d"}, "name"),
        ({"is_active": CANARY}, "is_active"),
        ({"is_active": 1}, "is_active"),
        ({"max_requests": CANARY}, "max_requests"),
        ({"max_requests": 1.5}, "max_requests"),
        ({"max_requests": True}, "max_requests"),
        ({"max_requests": 2**63}, "max_requests"),
        ({"max_requests": "9" * 20}, "max_requests"),
        ({"max_requests": 1e300}, "max_requests"),
        ({"expires_at": CANARY}, "expires_at"),
        ({"expires_at": 1767225600}, "expires_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "99999-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": {"seconds": 1}}, "expires_at"),
        ({"allowed_models": CANARY}, "allowed_models"),
        ({"allowed_models": ["a", None]}, "allowed_models[1]"),
        ({"allowed_models": ["a", 5]}, "allowed_models[1]"),
        ({"update_mask": 5}, "update_mask"),
        ({"update_mask": ["name", 5]}, "update_mask"),
        ({"update_mask": "\ud800canary-9f8e7d"}, "update_mask"),
        ({"allowed_models": ["\ud800canary-9f8e7d"]}, "allowed_models[0]"),
        ({"expires_at": "\ud800canary-9f8e7d"}, "expires_at"),
    ],
    ids=str,
)
def test_a_wrong_value_is_told_by_its_field(content: Any, field: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        from_json(content, token_service_pb2.UpdateTokenRequest())
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)
    assert CANARY not in caught.value.message


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"provider": CANARY}, "provider"),
        ({"provider": True}, "provider"),
        ({"provider": 2**40}, "provider"),
        ({"timeouts": "30s"}, "timeouts"),
        ({"timeouts": {"idle": CANARY}}, "timeouts.idle"),
        ({"timeouts": {"idle": 1e300}}, "timeouts.idle"),
        ({"timeouts": {"idle": True}}, "timeouts.idle"),
        ({"timeouts": {"idle": "5"}}, "timeouts.idle"),
        ({"timeouts": {"idle": "5 s"}}, "timeouts.idle"),
        ({"timeouts": {"idle": "1m30"}}, "timeouts.idle"),
        ({"timeouts": {"idel": 1}}, "timeouts.idel"),
        ({"breaker": {"threshold": CANARY}}, "breaker.threshold"),
        ({"breaker": {"threshold": True}}, "breaker.threshold"),
        ({"breaker": {"threshold": math.inf}}, "breaker.threshold"),
        ({"breaker": {"threshold": 10**400}}, "breaker.threshold"),
        ({"header_operations": [{"action": CANARY}]}, "header_operations[0].action"),
    ],
    ids=str,
)
def test_a_wrong_value_within_is_told_by_its_path(content: Any, field: str) -> None:
    with pytest.raises(TollkeeperError) as caught:
        from_json(content, upstream_service_pb2.CreateUpstreamRequest())
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_ARGUMENT, field)
    assert CANARY not in caught.value.message


def test_everything_that_is_wrong_is_told_at_once() -> None:
    content: Any = {
        "nam": 1,
        "provider": "x",
        "header_operations": [{"value": 5}, 7],
        "timeouts": {"idle": "x"},
    }
    with pytest.raises(TollkeeperError) as caught:
        from_json(content, upstream_service_pb2.CreateUpstreamRequest())
    fields = ["nam", "provider", "header_operations[0].value", "header_operations[1]", "timeouts.idle"]
    assert [it.field for it in caught.value.violations] == fields
    assert all(f"{it.field}: {it.description}" in caught.value.message for it in caught.value.violations)


def test_an_unknown_field_is_told_with_the_one_that_was_meant() -> None:
    request = model_service_pb2.CreateModelRequest()
    with pytest.raises(
        TollkeeperError, match=r"^policy\.retry\.totl: .* did you mean policy\.retry\.total\?$"
    ):
        from_json({"policy": {"retry": {"totl": "x"}}}, request)
    with pytest.raises(TollkeeperError, match=r" did you mean deployments\[0\]\.upstream\?$"):
        from_json({"deployments": [{"upstraem": "x"}]}, request)
    with pytest.raises(TollkeeperError, match=r"^zzz: is not known here; these are: group_by, project_id"):
        from_json({"zzz": 1}, usage_service_pb2.SummarizeUsageRequest())


@pytest.mark.parametrize(
    ("body", "reason", "says"),
    [
        (b"{", Reason.INVALID_JSON, "line 1, column 2"),
        (b'{"a": 1,\n "b" 2}', Reason.INVALID_JSON, "line 2, column 6"),
        (b"[1]", Reason.INVALID_ARGUMENT, "object"),
        (b'"a"', Reason.INVALID_ARGUMENT, "object"),
        (b"{}x", Reason.INVALID_JSON, "line 1, column 3"),
        (b'{"a": NaN}', Reason.INVALID_JSON, "NaN"),
        (b'{"a": "\xff"}', Reason.INVALID_JSON, "byte 7"),
        (b'{"a": 1, "a": 2}', Reason.INVALID_ARGUMENT, "a: is given twice"),
        (b"[" * 1_000_000, Reason.INVALID_JSON, "nested too deeply"),
        (b'{"a":' * 100_000, Reason.INVALID_JSON, "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", Reason.INVALID_JSON, "out of range"),
    ],
    ids=lambda it: str(it)[:20],
)
def test_what_is_no_json_object_is_told_by_its_place(body: bytes, reason: Reason, says: str) -> None:
    with pytest.raises(TollkeeperError, match=says) as caught:
        parse_object(body)
    assert caught.value.reason is reason


@given(st.binary(max_size=200))
def test_no_body_is_a_fault_of_ours(body: bytes) -> None:
    # Anything else that it raised would fail this test.
    with suppress(TollkeeperError):
        from_json(parse_object(body), token_service_pb2.CreateTokenRequest())
