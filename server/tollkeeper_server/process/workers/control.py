"""The process that controls: all of a gateway but the callers of the data plane, whom workers serve."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from tollkeeper_server.process.core import Core, Duties
from tollkeeper_server.process.table_keeper import table_of
from tollkeeper_server.process.takeover import InheritedSockets
from tollkeeper_server.process.workers.crew import Crew
from tollkeeper_server.process.workers.hints import Hints
from tollkeeper_server.process.workers.line import Linked, Message
from tollkeeper_server.process.workers.messages import Hint
from tollkeeper_server.process.workers.ports import KeptPorts
from tollkeeper_server.process.workers.remembered import Remembered
from tollkeeper_server.process.workers.supervised import Supervised
from tollkeeper_server.settings import Settings
from tollkeeper_server.telemetry.metrics import Gauges, Metrics

_REMEMBER_SECONDS = 1.0


class Control:
    """What the process that controls has besides the parts of any server: its workers, and its supervisor."""

    def __init__(
        self,
        settings: Settings,
        supervised: Supervised,
        inherited: InheritedSockets,
        remembered: Remembered,
        *,
        expected: int,
        buried: Callable[[str], None],
    ) -> None:
        """Take the sockets, and how many processes share the ledger.

        `buried` is told the names of those that have died.
        """
        self.inherited = inherited
        self.handover = supervised
        self.crew = Crew(remembered, self._died, self._heard)
        self.duties = Duties(
            accepts=False,
            push=self.crew.push,
            table=None if settings.redis else table_of(settings.data_dir),
            expected=expected,
            binding=KeptPorts(supervised.line),
            buried=buried,
        )
        self._core: Core | None = None
        self._hints: Hints | None = None
        supervised.listen(self._told)

    def begin(self, core: Core) -> None:
        """Take the parts of this process, once they are there."""
        self._core = core
        self._hints = Hints(core.data_plane.health, core.data_plane.ip_limits, self.crew.tell)

    def remember(self, stack: AsyncExitStack, look: Callable[[], tuple[Metrics, Gauges]]) -> None:
        """Keep what `look` returns for a successor of this process, again and again."""

        async def go_on() -> None:
            while True:
                self.crew.remember(*look())
                await asyncio.sleep(_REMEMBER_SECONDS)

        task = asyncio.create_task(go_on(), name="remembering-metrics")
        stack.callback(task.cancel)

    def _told(self, message: Message, sockets: Sequence[socket.socket]) -> None:
        if isinstance(message, Linked):
            self.crew.join(message.worker, sockets[0])

    def _died(self) -> None:
        if self._core is not None:
            self._core.accounting.drain.adopt_soon()

    def _heard(self, hint: Hint) -> None:
        if self._hints is not None:
            self._hints.hear(hint)
