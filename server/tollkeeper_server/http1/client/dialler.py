"""Connecting to an upstream to see how far that comes, a stage after the other."""

import asyncio

from tollkeeper_server.dataplane.transport import ConnectError, Dialled, Stage
from tollkeeper_server.domain.connect_failure import ConnectReason, ConnectStage
from tollkeeper_server.http1.client.connect import Connector
from tollkeeper_server.http1.client.connection import UpstreamConnection
from tollkeeper_server.http1.client.failure import connect_error
from tollkeeper_server.http1.client.request import parse_base, split_url
from tollkeeper_server.http1.client.tls import ClientContext, client_context
from tollkeeper_server.http1.pace import ReadPace
from tollkeeper_server.snapshot.model import Dial


class Dialler:
    """Opens connections as the transport does, sends nothing on them, and closes them.

    Needs a running loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls: ClientContext | None = None

    async def dial(self, url: str, dial: Dial, seconds: float) -> Dialled:
        """Connect to where a URL leads, within `seconds`, and return how far that came."""
        context = await self._usual_context()
        connection = _WatchedConnection(self, self._loop, ReadPace())
        error: ConnectError | None = None
        try:
            connector = Connector(self._loop, context, dial)
            address = parse_base(split_url(url)[0])
            async with asyncio.timeout(seconds):
                await connector.connect(address, connection)
        except ConnectError as refused:
            error = refused
        except TimeoutError:
            stage = connection.stage
            reason = ConnectReason.NAME if stage is ConnectStage.NAME else ConnectReason.TIMED_OUT
            error = connect_error(reason, at_proxy=connection.at_proxy, detail=stage.value)
        finally:
            connection.drop()
        return Dialled(stages=tuple(connection.ended(self._loop.time())), error=error)

    async def _usual_context(self) -> ClientContext:
        # Reading the system's authorities takes time: it is for who dials, and not for each start.
        if self._tls is None:
            self._tls = await asyncio.to_thread(client_context)
        return self._tls

    def give_back(self, connection: UpstreamConnection) -> None:
        """Take a connection that has answered: none does, as none is asked."""
        connection.drop()

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is closed: none is kept."""


class _WatchedConnection(UpstreamConnection):
    """A connection that notes when each stage of connecting began."""

    __slots__ = ("_began", "_stage")

    def __init__(self, owner: Dialler, loop: asyncio.AbstractEventLoop, pace: ReadPace) -> None:
        self._began: list[tuple[ConnectStage, bool, float]] = []
        self._stage = ConnectStage.ROOM
        super().__init__(owner, loop, pace)

    @property
    def stage(self) -> ConnectStage:
        """What connecting waits for."""
        return self._stage

    @stage.setter
    def stage(self, stage: ConnectStage) -> None:
        self._stage = stage
        if stage is not ConnectStage.ROOM:
            self._began.append((stage, self.at_proxy, self.loop.time()))

    def ended(self, now: float) -> list[Stage]:
        """Return the stages, the last of which has ended now; none if the dial could not be used."""
        ends = [*(began for _, _, began in self._began[1:]), now][: len(self._began)]
        return [
            Stage(stage=stage, at_proxy=at_proxy, seconds=end - began)
            for (stage, at_proxy, began), end in zip(self._began, ends, strict=True)
        ]
