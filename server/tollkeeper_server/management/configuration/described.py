"""Entities as the messages that describe them whole: what a configuration is made of."""

from typing import Any, TypeVar

from google.protobuf.message import Message
from tollkeeper.v1 import (
    configuration_service_pb2,
    group_service_pb2,
    listener_service_pb2,
    model_service_pb2,
    upstream_service_pb2,
)

from tollkeeper_server.domain.listener import Listener
from tollkeeper_server.domain.model import Model
from tollkeeper_server.domain.project import Project
from tollkeeper_server.domain.token import Token
from tollkeeper_server.domain.traffic import Group, TrafficPolicy
from tollkeeper_server.domain.upstream import Breaker, Upstream
from tollkeeper_server.management.listeners import listener_message
from tollkeeper_server.management.model_messages import model_message
from tollkeeper_server.management.traffic_messages import group_message
from tollkeeper_server.management.upstream_messages import upstream_message

_M = TypeVar("_M", bound=Message)
_HEAD_TIMEOUT = 10.0


def describe_upstream(upstream: Upstream) -> upstream_service_pb2.CreateUpstreamRequest:
    """Returns an upstream's description; in the place of its secrets stands what people may see of them."""
    return _copy(upstream_message(upstream), upstream_service_pb2.CreateUpstreamRequest())


def describe_group(group: Group) -> group_service_pb2.CreateGroupRequest:
    """Returns a group's description."""
    return _copy(group_message(group), group_service_pb2.CreateGroupRequest())


def describe_model(model: Model) -> model_service_pb2.CreateModelRequest:
    """Returns a model's description."""
    return _copy(model_message(model), model_service_pb2.CreateModelRequest())


def describe_listener(listener: Listener) -> listener_service_pb2.CreateListenerRequest:
    """Returns a listener's description."""
    return _copy(listener_message(listener), listener_service_pb2.CreateListenerRequest())


def describe_project(project: Project) -> configuration_service_pb2.ConfiguredProject:
    """Returns a project's description, without tokens; its key is masked."""
    return configuration_service_pb2.ConfiguredProject(
        name=project.name, api_key=project.api_key_hint, is_active=project.is_active
    )


def describe_token(token: Token) -> configuration_service_pb2.ConfiguredToken:
    """Returns a token's description, its secret masked."""
    return configuration_service_pb2.ConfiguredToken(
        name=token.name,
        secret=token.hint,
        max_requests=token.max_requests,
        allowed_models=token.allowed_models,
        is_active=token.is_active,
    )


def export_upstream(upstream: Upstream) -> upstream_service_pb2.CreateUpstreamRequest:
    """Returns the shortest description of an upstream, without secrets."""
    described = describe_upstream(upstream)
    described.ClearField("api_key")
    described.ClearField("proxy_url")
    _leave_out(described, is_active=upstream.is_active, timeouts=not upstream.timeouts)
    _leave_out(described, breaker=upstream.breaker == Breaker())
    return described


def export_group(group: Group) -> group_service_pb2.CreateGroupRequest:
    """Returns the shortest description of a group."""
    described = describe_group(group)
    for member in described.members:
        _leave_out(member, weight=member.weight == 1)
    _shorten_policy(described, group.policy)
    return described


def export_model(model: Model) -> model_service_pb2.CreateModelRequest:
    """Returns the shortest description of a model."""
    described = describe_model(model)
    for deployment in described.deployments:
        _leave_out(deployment, weight=deployment.weight == 1)
    _leave_out(described, is_active=model.is_active)
    _shorten_policy(described, model.policy)
    return described


def export_listener(listener: Listener) -> listener_service_pb2.CreateListenerRequest:
    """Returns the shortest description of a listener."""
    described = describe_listener(listener)
    _leave_out(
        described,
        is_active=listener.is_active,
        head_timeout=listener.head_timeout_seconds == _HEAD_TIMEOUT,
    )
    return described


def export_project(project: Project) -> configuration_service_pb2.ConfiguredProject:
    """Returns the shortest description of a project, without secrets and tokens."""
    described = describe_project(project)
    described.ClearField("api_key")
    _leave_out(described, is_active=project.is_active)
    return described


def export_token(token: Token) -> configuration_service_pb2.ConfiguredToken:
    """Returns the shortest description of an active token, without its secret."""
    described = describe_token(token)
    described.ClearField("secret")
    described.ClearField("is_active")
    return described


def _copy(source: Message, target: _M) -> _M:
    """Copies what is set of the fields that both have under one name."""
    wanted = {field.name: field for field in target.DESCRIPTOR.fields}
    for field, value in source.ListFields():
        if field.name not in wanted:
            continue
        if field.is_repeated:
            getattr(target, field.name).extend(value)
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
    if "is_active" in wanted:  # which says false by not being set
        setattr(target, "is_active", getattr(source, "is_active"))  # noqa: B009, B010 - not every message has it
    return target


def _shorten_policy(described: Any, policy: TrafficPolicy) -> None:
    _leave_out(described, policy=policy == TrafficPolicy())
    if described.HasField("policy"):
        _leave_out(described.policy, timeouts=not policy.timeouts)


def _leave_out(message: Message, **is_default: bool) -> None:
    for name, whether in is_default.items():
        if whether:
            message.ClearField(name)
