"""GatewayService: what holds for the gateway as a whole."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from tollkeeper.v1 import gateway_service_pb2 as pb

from tollkeeper_server.coordination.ports import Change, Changes
from tollkeeper_server.domain.gateway import GATEWAY, UNWRITTEN, Gateway
from tollkeeper_server.errors import Reason, TollkeeperError
from tollkeeper_server.management.etags import edit
from tollkeeper_server.management.masks import fields_to_change
from tollkeeper_server.management.messages import fields_of, show
from tollkeeper_server.store.ports import ConfigurationStore


class GatewayService:
    """Implements `tollkeeper.v1.GatewayService`. The gateway is there before it is stored."""

    def __init__(self, store: ConfigurationStore, changes: Changes, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._changes = changes
        self._clock = clock

    async def get_gateway(self, _: pb.GetGatewayRequest) -> pb.GetGatewayResponse:
        """Read the gateway."""
        return pb.GetGatewayResponse(gateway=show(await self._read(), pb.Gateway()))

    async def update_gateway(self, request: pb.UpdateGatewayRequest) -> pb.UpdateGatewayResponse:
        """Change the gateway."""
        fields = fields_of(Gateway, request, only=fields_to_change(request))
        now = self._clock()

        async def change(gateway: Gateway) -> Gateway:
            return changed(gateway, now, **fields)

        before, gateway = await edit(self._read, change, self._write, etag=request.etag, now=now)
        if gateway is not before:
            await self._changes.publish(Change())
        return pb.UpdateGatewayResponse(gateway=show(gateway, pb.Gateway()))

    async def _read(self) -> Gateway:
        return await self._store.get(Gateway, GATEWAY) or UNWRITTEN

    async def _write(self, gateway: Gateway, *, expected: int) -> bool:
        """Write the gateway if its stored revision is `expected`, 0 if it is not stored."""
        if expected:
            return await self._store.replace(gateway, expected=expected)
        try:
            await self._store.add(gateway)
        except TollkeeperError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise
            return False
        return True


def changed(gateway: Gateway, now: datetime, **fields: object) -> Gateway:
    """Return the gateway with other fields; it is created by its first change."""
    after = msgspec.structs.replace(gateway, **fields)
    if after != gateway and not gateway.is_stored:
        return msgspec.structs.replace(after, created_at=now)
    return after
