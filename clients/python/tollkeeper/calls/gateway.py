"""The calls of GatewayService."""

from typing import Unpack

from tollkeeper.calls.rpc import Rpc, change, rpc
from tollkeeper.changes import GatewayChanges
from tollkeeper.messages import fill
from tollkeeper.v1 import gateway_service_pb2 as pb
from tollkeeper.values.limits import Gateway


def get_gateway() -> Rpc[Gateway]:
    """Read what holds for the gateway as a whole."""
    return rpc(pb.GetGatewayRequest(), Gateway)


def update_gateway(
    *, etag: str = "", validate_only: bool = False, **changes: Unpack[GatewayChanges]
) -> Rpc[Gateway]:
    """Change the fields that are given; None leaves a field alone.

    Limits are replaced as a whole; an empty list removes them. With `etag`, raises `Aborted` if the gateway
    was changed since it was read.
    """
    request = fill(pb.UpdateGatewayRequest(), etag=etag, validate_only=validate_only)
    return rpc(change(request, changes), Gateway)
