"""What each interceptor promises."""

import asyncio
import errno
import logging
import time
from typing import Any, NoReturn

import pytest
from google.protobuf.message import Message
from tollkeeper.v1 import project_service_pb2, token_service_pb2
from tollkeeper_server.domain.project import Project
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.chain.chain import Chain, Invocation, in_hand
from tollkeeper_server.management.chain.interceptors import Handle, Log, authorise, map_errors
from tollkeeper_server.management.chain.registry import methods, new_request, validates_only

from tests.unit.management.plane import MANAGEMENT_TOKEN, Plane, SlowTokens, make_call

LIST = project_service_pb2.ListProjectsRequest()
METHODS = list(methods())


async def reason_of(chain: Chain, request: Message, deadline: float) -> Reason:
    """Make a call that fails and returns why."""
    with pytest.raises(TollkeeperError) as caught:
        await chain.invoke(make_call(request, deadline=deadline), in_hand(request))
    return caught.value.reason


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": MANAGEMENT_TOKEN[:-1]},
        {"authorization": f"Basic {MANAGEMENT_TOKEN}"},
        {"authorization": f"Bearer {MANAGEMENT_TOKEN}x"},
        {"authorization": f"Bearer {MANAGEMENT_TOKEN[:-1]}"},
        {"authorization": "Bearer \udc80"},
        {"x-api-key": MANAGEMENT_TOKEN},
    ],
    ids=str,
)
async def test_strangers_are_refused_before_their_request_is_read(
    plane: Plane, method: object, metadata: dict[str, str]
) -> None:
    async def read() -> NoReturn:
        raise AssertionError("the request was read")

    request = new_request(method)  # type: ignore[arg-type]  # parametrised
    with pytest.raises(TollkeeperError) as caught:
        await plane.chain().invoke(make_call(request, metadata=metadata), read)
    assert caught.value.reason == Reason.INVALID_API_KEY
    assert MANAGEMENT_TOKEN not in caught.value.message


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", "", " "])
async def test_the_scheme_is_read_in_any_case_and_may_be_left_out(plane: Plane, scheme: str) -> None:
    metadata = {"authorization": f"{scheme}{MANAGEMENT_TOKEN}"}
    await plane.chain().invoke(make_call(LIST, metadata=metadata), in_hand(LIST))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
async def test_nobody_may_call_a_method_without_the_role(method: object) -> None:
    call = make_call(new_request(method))  # type: ignore[arg-type]  # parametrised

    async def handler(invocation: Invocation) -> Message:
        raise AssertionError("the handler was reached")

    with pytest.raises(TollkeeperError) as caught:
        await authorise(Invocation(call, in_hand(LIST), roles=frozenset({0})), handler)
    assert caught.value.reason == Reason.PERMISSION_DENIED


async def test_several_broken_rules_are_told_at_once_without_their_values(plane: Plane) -> None:
    request = token_service_pb2.CreateTokenRequest(
        project_id="canary-value", max_requests=-1, allowed_models=["ok", ""]
    )
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="project_id")
    fields = {violation.field for violation in error.violations}
    assert {"project_id", "max_requests", "allowed_models[1]"} == fields
    assert "canary-value" not in error.message


async def test_many_broken_rules_fit_into_a_trailer(plane: Plane) -> None:
    request = token_service_pb2.CreateTokenRequest(
        project_id="prj_" + "0" * 26, allowed_models=[f"not {number} allowed" for number in range(200)]
    )
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="allowed_models[0]")
    assert error.message.endswith("and 190 more")
    assert len(error.violations) == 10


async def test_the_log_tells_a_check_from_a_change(plane: Plane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tollkeeper.management")
    for validate_only in (True, False):
        request = project_service_pb2.CreateProjectRequest(name="x", validate_only=validate_only)
        await plane.call(request, project_service_pb2.CreateProjectResponse)

    assert [record.getMessage().endswith(" ms, only checked") for record in caplog.records] == [True, False]


async def test_a_fault_is_told_as_an_id_that_the_log_explains(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(invocation: Invocation) -> Message:
        raise RuntimeError("canary-of-the-fault")

    with pytest.raises(TollkeeperError) as caught:
        await Chain((map_errors,), handler).invoke(make_call(LIST), in_hand(LIST))
    assert caught.value.reason == Reason.INTERNAL
    assert "canary-of-the-fault" not in caught.value.message
    (record,) = caplog.records
    error_id = next(word for word in caught.value.message.split() if word.startswith("req_")).rstrip(";")
    assert error_id in record.getMessage()
    assert record.exc_info is not None


async def test_what_this_machine_lacks_is_no_fault_and_passes() -> None:
    async def handler(invocation: Invocation) -> Message:
        raise OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(TollkeeperError) as caught:
        await Chain((map_errors,), handler).invoke(make_call(LIST), in_hand(LIST))
    assert (caught.value.reason, caught.value.retry_after) == (Reason.SHORTAGE, 1)
    assert "file descriptors" in caught.value.message


async def test_a_call_leaves_one_line_without_contents(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tollkeeper.management")
    request = project_service_pb2.CreateProjectRequest(name="canary-name", api_key="canary-key-0123456789abc")
    await plane.call(request, project_service_pb2.CreateProjectResponse, request_id="abc-1")
    missing = project_service_pb2.GetProjectRequest(id="prj_" + "0" * 26)
    await plane.refuse(missing, Reason.NOT_FOUND, field="id")
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("tollkeeper.v1.ProjectService.CreateProject abc-1 ok ")
    assert second.startswith("tollkeeper.v1.ProjectService.GetProject req-of-test not_found ")
    assert "canary" not in caplog.text


async def test_a_flood_of_strangers_leaves_some_lines_and_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse(_: Invocation) -> Message:
        raise TollkeeperError(Reason.INVALID_API_KEY, "who is it?")

    caplog.set_level(logging.INFO, "tollkeeper.management")
    moments = iter([0.5] * 1000 + [1.5] * 6)
    chain = Chain((Log(lambda: next(moments)),), refuse)
    for _ in range(1006):
        with pytest.raises(TollkeeperError):
            await chain.invoke(make_call(LIST), in_hand(LIST))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 10 + 1 + 6
    assert lines[10] == "990 more calls without the management token were refused"
    assert all(" invalid_api_key " in line for line in (*lines[:10], *lines[11:]))


async def test_a_deadline_in_the_past_changes_nothing(plane: Plane) -> None:
    request = project_service_pb2.CreateProjectRequest(name="late")
    assert await reason_of(plane.chain(), request, deadline=time.monotonic() - 1) == Reason.DEADLINE_EXCEEDED
    assert await plane.store.configuration.list(Project, limit=1) == []


async def test_what_was_begun_is_finished_and_announced_after_the_deadline(plane: Plane) -> None:
    minted = await plane.mint((await plane.project()).id)
    slow = plane.store.tokens = SlowTokens(plane.store)
    told_before = len(plane.told)
    request = token_service_pb2.RevokeTokenRequest(id=minted.id)
    told = asyncio.Event()

    async def note(_: object) -> None:
        told.set()

    plane.changes.subscribe(note)
    deadline = time.monotonic() + 0.05
    assert await reason_of(plane.chain(), request, deadline=deadline) == Reason.DEADLINE_EXCEEDED
    await asyncio.wait_for(slow.entered.wait(), 10)
    assert len(plane.told) == told_before
    slow.let_go.set()
    await asyncio.wait_for(told.wait(), 10)
    assert not (await plane.token(minted.id)).is_active


async def test_a_failure_nobody_waits_for_is_not_reported_as_a_fault(plane: Plane) -> None:
    # Warnings are errors here: an exception that nobody retrieves would fail this test.
    begun, fail = asyncio.Event(), asyncio.Event()

    async def handler(_: Message) -> Message:
        begun.set()
        await fail.wait()
        raise TollkeeperError(Reason.INTERNAL, "too late")

    request = project_service_pb2.CreateProjectRequest(name="x")
    call = make_call(request)
    handle = Handle({call.method.full_name: handler}, {})
    waiting = asyncio.create_task(handle(Invocation(call, in_hand(request), request=request)))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    fail.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "request_",
    [LIST, project_service_pb2.CreateProjectRequest(name="x", validate_only=True)],
    ids=["reads", "checks"],
)
async def test_a_call_that_changes_nothing_ends_when_its_caller_leaves(request_: Message) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(_: Message) -> Message:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    call = make_call(request_)
    # Each alone in its place: another one would not be found.
    places: list[dict[str, Any]] = [{}, {}]
    places[validates_only(request_)][call.method.full_name] = handler
    handle = Handle(*places)
    waiting = asyncio.create_task(handle(Invocation(call, in_hand(request_), request=request_)))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
