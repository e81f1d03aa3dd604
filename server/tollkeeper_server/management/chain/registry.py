"""The management plane's methods, as the descriptors of `proto/` tell of them."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tollkeeper.messages.fields import VALIDATE_ONLY, descriptor_of
from tollkeeper.services import SERVICES
from tollkeeper.v1 import options_pb2

Handler = Callable[[Message], Awaitable[Message]]
StreamHandler = Callable[[Message], AsyncGenerator[Message]]
"""Of a method that streams: yields the messages."""
AnyHandler = Handler | StreamHandler


def methods() -> Iterator[MethodDescriptor]:
    """Return every method of every service, in the order of the protos."""
    for service in SERVICES:
        yield from service.methods


def policy_of(method: MethodDescriptor) -> options_pb2.MethodPolicy:
    """Return who may call a method and how its success looks; the empty policy if it declares none."""
    return method.GetOptions().Extensions[options_pb2.policy]


def changes_nothing(method: MethodDescriptor) -> bool:
    """Return whether a method only reads: REST has it under GET, which is safe (RFC 9110, 9.2.1)."""
    return bool(method.GetOptions().Extensions[annotations_pb2.http].get)


def can_validate_only(method: MethodDescriptor) -> bool:
    """Return whether a caller can have a method check a call, and change nothing."""
    return VALIDATE_ONLY in method.input_type.fields_by_name


def validates_only(request: Message) -> bool:
    """Return whether a call is to be checked alone."""
    return VALIDATE_ONLY in descriptor_of(request).fields_by_name and bool(getattr(request, VALIDATE_ONLY))


def new_request(method: MethodDescriptor) -> Message:
    """Return an empty request of a method."""
    return GetMessageClass(method.input_type)()


def handlers_of(service: ServiceDescriptor, implementation: object) -> dict[str, AnyHandler]:
    """Return the implementation's methods by full RPC name: `CreateToken` is its `create_token`.

    Raises AttributeError if it lacks one: a server that can't answer a method does not start.
    """
    return {
        method.full_name: getattr(implementation, re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower())
        for method in service.methods
    }
