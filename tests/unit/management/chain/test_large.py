"""How large a request may be, and where a large one is looked through."""

import asyncio
import threading

import pytest
from google.protobuf.descriptor import MethodDescriptor
from tollkeeper.v1 import model_service_pb2, token_service_pb2
from tollkeeper_server.errors import Reason
from tollkeeper_server.management.chain.large import (
    LARGE,
    USUAL,
    WHOLE_CONFIGURATION,
    largest_request,
    looked_through,
)
from tollkeeper_server.management.chain.registry import methods

from tests.unit.management.plane import Plane


@pytest.mark.parametrize("method", list(methods()), ids=lambda it: it.full_name)
def test_a_whole_configuration_may_be_large_and_nothing_else(method: MethodDescriptor) -> None:
    expected = WHOLE_CONFIGURATION if method.name == "ApplyConfiguration" else USUAL
    assert largest_request(method) == expected


async def test_what_is_large_is_looked_through_in_one_thread_and_errors_come_back() -> None:
    assert await looked_through(LARGE, threading.get_ident) == threading.get_ident()
    others = await asyncio.gather(*(looked_through(LARGE + 1, threading.get_ident) for _ in range(5)))
    assert len({*others}) == 1
    assert threading.get_ident() not in others
    with pytest.raises(ZeroDivisionError):
        await looked_through(LARGE + 1, lambda: 1 // 0)


async def test_a_list_beyond_its_rule_is_told_without_its_items(plane: Plane) -> None:
    request = model_service_pb2.CreateModelRequest(
        name="a", deployments=[model_service_pb2.Deployment() for _ in range(65)]
    )
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="deployments")
    assert error.message == "deployments: must have 64 items at the most"


async def test_thousands_of_problems_are_counted(plane: Plane) -> None:
    request = token_service_pb2.CreateTokenRequest(
        project_id="prj_" + "0" * 26, allowed_models=[f"not {number} allowed" for number in range(256)]
    )
    error = await plane.refuse(request, Reason.INVALID_ARGUMENT, field="allowed_models[0]")
    assert error.message.endswith("and 246 more")
