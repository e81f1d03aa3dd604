"""What is made has a name that can stand in a URL; what has another name already can be read and changed."""

from typing import Any

import msgspec
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tollkeeper.v1 import group_service_pb2, listener_service_pb2, model_service_pb2, upstream_service_pb2
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Deployment, Model
from tollkeeper_server.errors import Reason, TollkeeperError

from tests.unit.management.described import apply
from tests.unit.management.plane import NOON, Plane

DOTS = [".", ".."]
HIDDEN = ["org/../x", "./x", "org/.", r"..\x", "%2e%2E", "org/%2e", "../*"]
MAKING: dict[str, Any] = {
    "upstream": lambda name: upstream_service_pb2.CreateUpstreamRequest(
        name=name, provider=upstream_service_pb2.PROVIDER_OPENAI
    ),
    "group": lambda name: group_service_pb2.CreateGroupRequest(
        name=name, members=[group_service_pb2.Member(upstream="openai")]
    ),
    "model": lambda name: model_service_pb2.CreateModelRequest(
        name=name, deployments=[model_service_pb2.Deployment(upstream="openai")]
    ),
    "listener": lambda name: listener_service_pb2.CreateListenerRequest(name=name, address="127.0.0.1:4000"),
}


@pytest.fixture
async def plane(plane: Plane) -> Plane:
    """A management plane with an upstream."""
    await plane.upstream("openai")
    return plane


@pytest.mark.parametrize("name", DOTS)
@pytest.mark.parametrize("kind", MAKING)
async def test_nothing_is_named_like_a_dot_segment(plane: Plane, kind: str, name: str) -> None:
    await plane.refuse(MAKING[kind](name), Reason.INVALID_ARGUMENT, field="name")


@pytest.mark.parametrize("name", HIDDEN)
async def test_no_part_of_a_models_name_is_one(plane: Plane, name: str) -> None:
    """Nor of an alias, whatever way it comes."""
    error = await plane.refuse(MAKING["model"](name), Reason.INVALID_ARGUMENT, field="name")
    assert "/v1/models/NAME" in error.message
    if "*" in name:
        return
    with_alias = MAKING["model"]("m")
    with_alias.aliases.extend(["good", name])
    await plane.refuse(with_alias, Reason.INVALID_ARGUMENT, field="aliases[1]")
    await plane.model("m")
    change = model_service_pb2.UpdateModelRequest(name="m", aliases=[name])
    await plane.refuse(change, Reason.INVALID_ARGUMENT, field="aliases[0]")
    with pytest.raises(TollkeeperError) as caught:
        await apply(plane, f"models: [{{name: '{name}', deployments: [{{upstream: openai}}]}}]")
    assert caught.value.field == "configuration.models[0].name"


@pytest.mark.parametrize("name", ["...", "a.", ".a", "..a/b", "gpt-4.1", "org/model:free", ".*"])
async def test_dots_in_a_name_are_no_harm(plane: Plane, name: str) -> None:
    made = await plane.call(MAKING["model"](name), model_service_pb2.CreateModelResponse)
    assert made.model.name == name


async def test_what_has_such_a_name_is_read_and_changed(plane: Plane) -> None:
    """It was made by an earlier release."""
    model = Model(
        name="..",
        aliases=(".",),
        deployments=(Deployment(upstream="openai"),),
        created_at=NOON,
        updated_at=NOON,
    )
    await plane.store.configuration.add(model)
    await plane.store.configuration.add(
        Listener(name="grpc", address="127.0.0.1:4000", created_at=NOON, updated_at=NOON)
    )
    read = await plane.call(model_service_pb2.GetModelRequest(name=".."), model_service_pb2.GetModelResponse)
    assert list(read.model.aliases) == ["."]
    change = model_service_pb2.UpdateModelRequest(
        name="..", aliases=[".", "x"], update_mask=FieldMask(paths=["aliases"])
    )
    await plane.call(change, model_service_pb2.UpdateModelResponse)
    await apply(
        plane,
        "models: [{name: .., deployments: [{upstream: openai}]}]\n"
        "listeners: [{name: grpc, address: '127.0.0.1:4001'}]",
    )
    stored = await plane.store.configuration.get(Model, "..")
    assert stored is not None
    assert stored == msgspec.structs.replace(
        model, aliases=(), updated_at=stored.updated_at, revision=stored.revision
    )
    listener = await plane.store.configuration.get(Listener, "grpc")
    assert listener is not None
    assert listener.address == "127.0.0.1:4001"
    deletion = model_service_pb2.DeleteModelRequest(name="..")
    await plane.call(deletion, model_service_pb2.DeleteModelResponse)
