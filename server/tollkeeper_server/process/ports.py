"""The listening sockets of a process: inherited or bound, and handed on."""

import socket
from contextlib import AsyncExitStack

from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.sockets import bind
from tollkeeper_server.process.takeover import (
    InheritedSockets,
    Port,
    Ports,
    Use,
    take_over_unless_cancelled,
)
from tollkeeper_server.settings import ENV_PREFIX, Settings


async def inherit_sockets(stack: AsyncExitStack, settings: Settings) -> InheritedSockets:
    """Return the sockets of the process that is taken over, none if the settings name no takeover."""
    found = await take_over_unless_cancelled(settings.data_dir) if settings.takeover else None
    inherited = found or InheritedSockets()
    stack.callback(inherited.close)
    return inherited


def bind_port(
    stack: AsyncExitStack, inherited: InheritedSockets, use: Use, address: str, listener: str
) -> socket.socket:
    """Return a listening socket, inherited or bound. Raises `ListenError` naming the listener."""
    bound = inherited.take(use, address) or bind(address, listener, f"{ENV_PREFIX}{use.upper()}_ADDRESS")
    stack.callback(bound.close)
    return bound


def open_ports(
    settings: Settings, listeners: Listeners, console: ConsoleListener, grpc: GrpcCallers
) -> Ports:
    """Return the ports that a process that takes over receives."""
    own, *others = listeners.sockets()
    return [
        (Port(Use.DATA, settings.data_address), own),
        (Port(Use.CONSOLE, settings.console_address), console.bound),
        (Port(Use.GRPC, settings.grpc_address), grpc.bound),
        *((Port(Use.LISTENER), bound) for bound in others),
    ]
