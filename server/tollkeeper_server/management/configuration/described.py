"""Entities as the messages that describe them whole, which make up a configuration."""

from collections.abc import Iterator
from typing import Any, TypeVar

from google.protobuf.message import Message
from tollkeeper.messages import clear_defaults
from tollkeeper.messages.fields import is_secret
from tollkeeper.v1 import (
    configuration_service_pb2,
    group_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    upstream_service_pb2,
)

from tollkeeper_server.domain.gateway import Gateway
from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group
from tollkeeper_server.domain.upstream import Upstream
from tollkeeper_server.management.etags import AnyEntity
from tollkeeper_server.management.messages import show

M = TypeVar("M", bound=Message)

_DESCRIPTIONS: dict[type, type[Message]] = {
    Upstream: upstream_service_pb2.CreateUpstreamRequest,
    Group: group_service_pb2.CreateGroupRequest,
    Model: model_service_pb2.CreateModelRequest,
    Listener: listener_service_pb2.CreateListenerRequest,
    Project: configuration_service_pb2.ConfiguredProject,
    Token: configuration_service_pb2.ConfiguredToken,
    Gateway: configuration_service_pb2.ConfiguredGateway,
}


def describe(entity: AnyEntity) -> Message:
    """Return an entity's description; hints stand in the place of its secrets. A project's has no tokens."""
    return show(entity, _DESCRIPTIONS[type(entity)]())


def export(entity: AnyEntity, message: M) -> M:
    """Fill a message with the shortest description of an entity, without secrets, and return it."""
    described = show(entity, message)
    for field, _ in described.ListFields():
        if is_secret(field):
            described.ClearField(field.name)
    clear_defaults(entity, described)
    for value, part in _parts(entity, described):
        clear_defaults(value, part)
    return described


def _parts(entity: AnyEntity, described: Any) -> Iterator[tuple[object, Message]]:
    if isinstance(entity, Group):
        yield from zip(entity.members, described.members, strict=True)
    if isinstance(entity, Model):
        yield from zip(entity.deployments, described.deployments, strict=True)
    if isinstance(entity, Group | Model) and described.HasField("policy"):
        yield entity.policy, described.policy
