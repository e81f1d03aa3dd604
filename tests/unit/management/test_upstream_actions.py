"""Testing upstreams, resetting their breakers, and listing their models."""

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tollkeeper.v1 import upstream_service_pb2 as pb
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.errors import Reason
from tollkeeper_server.store.sealed import upstream_api_key

from tests.unit.management.called import FAILED, PASSED
from tests.unit.management.plane import Plane

KEY = "sk-canary-of-tests"


def described(*, api_key: str = "", base_url: str = "") -> pb.CreateUpstreamRequest:
    """Return a description of an upstream of OpenAI's."""
    return pb.CreateUpstreamRequest(
        name="openai", provider=pb.PROVIDER_OPENAI, api_key=api_key, base_url=base_url
    )


async def test_a_saved_upstream_is_tested_by_its_name(plane: Plane) -> None:
    await plane.upstream("openai")
    plane.called.results = (PASSED, FAILED)

    answer = await plane.call(pb.TestUpstreamRequest(name="openai"), pb.TestUpstreamResponse)

    assert not answer.passed
    assert [(it.step, it.outcome) for it in answer.steps] == [
        (pb.UPSTREAM_TEST_STEP_DNS, pb.UPSTREAM_TEST_OUTCOME_PASSED),
        (pb.UPSTREAM_TEST_STEP_CONNECT, pb.UPSTREAM_TEST_OUTCOME_FAILED),
    ]
    assert answer.steps[0].duration.ToMilliseconds() == 250
    assert (answer.steps[1].detail, answer.steps[1].remedy) == ("refused", "see that it runs")
    assert [it.name for it in plane.called.tested] == ["openai"]


async def test_one_that_is_not_saved_is_tested_and_stays_unsaved(plane: Plane) -> None:
    request = pb.TestUpstreamRequest(upstream=described(api_key=KEY))

    assert (await plane.call(request, pb.TestUpstreamResponse)).passed

    (tested,) = plane.called.tested
    assert plane.sealer.open(tested.api_key or "", upstream_api_key("openai")) == KEY
    await plane.refuse(pb.GetUpstreamRequest(name="openai"), Reason.NOT_FOUND, field="name")
    assert plane.told == []


async def test_an_edit_is_tested_with_the_saved_key(plane: Plane) -> None:
    await plane.call(described(api_key=KEY), pb.CreateUpstreamResponse)

    request = pb.TestUpstreamRequest(upstream=described(base_url="http://other.test/v1"))
    await plane.call(request, pb.TestUpstreamResponse)

    (tested,) = plane.called.tested
    assert tested.base_url == "http://other.test/v1"
    assert plane.sealer.open(tested.api_key or "", upstream_api_key("openai")) == KEY


@pytest.mark.parametrize(
    "request_", [pb.TestUpstreamRequest(), pb.TestUpstreamRequest(name="openai", upstream=described())]
)
async def test_it_is_one_of_both(plane: Plane, request_: pb.TestUpstreamRequest) -> None:
    error = await plane.refuse(request_, Reason.INVALID_ARGUMENT)
    assert "give name or upstream" in error.message


async def test_a_test_finds_no_fault_with_what_can_not_be_an_upstream(plane: Plane) -> None:
    wrong = pb.CreateUpstreamRequest(name="local", provider=pb.PROVIDER_GENERIC)

    await plane.refuse(pb.TestUpstreamRequest(upstream=wrong), Reason.INVALID_ARGUMENT, field="base_url")
    await plane.refuse(pb.TestUpstreamRequest(name="none"), Reason.NOT_FOUND, field="name")
    checked = pb.CreateUpstreamRequest(name="a", provider=pb.PROVIDER_OPENAI, validate_only=True)
    request = pb.TestUpstreamRequest(upstream=checked)
    await plane.refuse(request, Reason.INVALID_ARGUMENT, field="upstream.validate_only")
    assert plane.called.tested == []


async def test_resetting_a_breaker_is_told_to_every_process(plane: Plane) -> None:
    await plane.upstream("openai")
    plane.told.clear()

    await plane.call(pb.ResetBreakerRequest(name="openai"), pb.ResetBreakerResponse)

    assert plane.told == [Change(breaker="openai")]
    await plane.refuse(pb.ResetBreakerRequest(name="none"), Reason.NOT_FOUND, field="name")
    inactive = pb.UpdateUpstreamRequest(name="openai", is_active=False)
    await plane.call(inactive, pb.UpdateUpstreamResponse)
    await plane.refuse(pb.ResetBreakerRequest(name="openai"), Reason.NOT_FOUND, field="name")


async def test_the_models_of_an_upstream_are_listed_by_name(plane: Plane) -> None:
    await plane.upstream("openai")
    made = datetime(2026, 1, 2, tzinfo=UTC)
    plane.called.lists = {"openai": {"b": None, "a": made}}

    answer = await plane.call(pb.ListUpstreamModelsRequest(name="openai"), pb.ListUpstreamModelsResponse)

    written = Timestamp()
    written.FromDatetime(made)
    assert list(answer.models) == [pb.UpstreamModel(name="a", created_at=written), pb.UpstreamModel(name="b")]
