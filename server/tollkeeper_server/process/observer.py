"""What this process knows of itself, for StatusService."""

import asyncio
import socket
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import inf

from tollkeeper_server.dataplane.call.upstream_status import status_of
from tollkeeper_server.domain.listener import CONSOLE, GRPC
from tollkeeper_server.domain.standing import LimitStanding
from tollkeeper_server.domain.status import (
    Attention,
    CertificateStatus,
    JournalStatus,
    ListenerStatus,
    PartState,
    PartStatus,
    ProcessStatus,
    Setting,
    UpstreamStatus,
)
from tollkeeper_server.doors.ops import ABSENT, is_blocking, is_ready
from tollkeeper_server.doors.sockets import name_of
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.management.limit_standings import names_of
from tollkeeper_server.management.usage_names import NO_NAMES, Directory
from tollkeeper_server.process.attention import attention_of, low_budgets
from tollkeeper_server.process.configure import ConfigurationFile
from tollkeeper_server.process.core import Core, process_name
from tollkeeper_server.process.options import described_settings
from tollkeeper_server.process.status import ServerStatus
from tollkeeper_server.process.workers.crew import Crew
from tollkeeper_server.process.workers.messages import Report
from tollkeeper_server.process.workers.seen import seen_together, waiting_together

SLOW_STORING = timedelta(minutes=1)
"""How long usage may wait to be stored until that is a problem."""
_ORDER = (PartState.FAILED, PartState.DEGRADED, PartState.OK, PartState.ABSENT)


class ProcessObserver:
    """Looks at the parts of a running server when it is asked."""

    def __init__(
        self,
        status: ServerStatus,
        version: str,
        console: socket.socket,
        directory: Directory,
        crew: Crew | None = None,
    ) -> None:
        """Take the socket of the console's port, too, and the workers, if there are any."""
        self._directory = directory
        self._crew = crew
        self._status = status
        self._version = version
        self._console = name_of(console)
        self._started_at = datetime.now(UTC)
        self.configuration_file: ConfigurationFile | None = None
        """The file that this process applies, None without one."""
        self._name = process_name()

    async def process(self) -> ProcessStatus:
        """Return how this process is; parts with a problem stand first."""
        status = self._status
        problems = await status.readiness()
        journal = waiting_together(await journal_status(status.core), [it.journal for it in self._reports()])
        parts = [_part(part, problem) for part, problem in problems.items()]
        parts.append(_part("journal", _journal_problem(journal, datetime.now(UTC))))
        age = status.core.watch.age()
        return ProcessStatus(
            process=self._name,
            version=self._version,
            started_at=self._started_at,
            is_ready=is_ready(problems),
            parts=tuple(sorted(parts, key=lambda it: _ORDER.index(it.state))),
            revision=status.core.watch.current.revision,
            snapshot_age_seconds=None if age == inf else age,
            store_engine="mongodb" if status.settings.store.startswith("mongodb") else "sqlite",
            journal=journal,
            certificate=self._certificate(),
        )

    def upstream_names(self) -> Collection[str]:
        """Return the names of the active upstreams."""
        return self._status.core.watch.current.targets.keys()

    def upstream(self, name: str) -> UpstreamStatus | None:
        """Return how an active upstream is, None if there is none of that name."""
        if name not in self._status.core.watch.current.targets:
            return None
        return self._seen(name)

    def upstreams(self, *, after: str, limit: int) -> Sequence[UpstreamStatus]:
        """Return up to `limit` active upstreams with names greater than `after`, by name."""
        names = sorted(name for name in self._status.core.watch.current.targets if name > after)
        seen = (self._seen(name) for name in islice(names, limit))
        return [it for it in seen if it is not None]

    def _seen(self, name: str) -> UpstreamStatus | None:
        own = status_of(self._status.core.data_plane.health, name, self._name)
        if own is None or self._crew is None:
            return own
        return seen_together(own, self._crew.seen(name))

    def _reports(self) -> list[Report]:
        return self._crew.reports() if self._crew is not None else []

    def listeners(self) -> Sequence[ListenerStatus]:
        """Return every port of this process, those that are not open first."""
        status = self._status
        reports = self._reports()
        ports = [
            ListenerStatus(
                name=it.name,
                process=self._name,
                address=it.address,
                is_open=it.problem is None,
                problem=it.problem or "",
                connections=it.connections
                + sum(report.gauges.connections.get(it.name, 0) for report in reports),
                tls=it.tls,
            )
            for it in status.core.listeners.ports()
        ]
        callers, settings = status.grpc_callers, status.settings
        own = (
            (CONSOLE, self._console, status.console_limit.count, settings.uses_tls),
            (GRPC, callers.address, callers.limit.count, settings.grpc_tls),
        )
        ports += [
            ListenerStatus(
                name=name,
                process=self._name,
                address=address,
                is_open=True,
                problem="",
                connections=connections,
                tls=tls,
            )
            for name, address, connections, tls in own
        ]
        return sorted(ports, key=lambda it: it.is_open)

    def settings(self) -> Sequence[Setting]:
        """Return every setting, by name, secrets masked."""
        return described_settings(self._status.settings)

    async def attention(self, process: ProcessStatus, limit: int) -> Sequence[Attention]:
        """Return up to `limit` things that need attention in a process that is so, the most severe first."""
        status = self._status
        try:
            budgets: Sequence[LimitStanding] = low_budgets((await status.standings.all()).standings)
            names = await names_of(self._directory, budgets)
        except StoreUnavailableError:  # that is told as the store's own problem
            budgets, names = (), NO_NAMES
        return await attention_of(
            process,
            status.core.watch.current,
            status.core.data_plane.health,
            status.core.listeners.problems,
            standings=budgets,
            names=names,
            file_problem=None if self.configuration_file is None else await self.configuration_file.problem(),
            limit=limit,
            now=datetime.now(UTC),
        )

    def _certificate(self) -> CertificateStatus | None:
        watch = self._status.core.certificate
        if watch is None:
            return None
        return CertificateStatus(
            expires_at=watch.served.current.not_after, is_self_signed=watch.self_signed is not None
        )


async def journal_status(core: Core) -> JournalStatus:
    """Return how much usage of this process is on its way into the store."""
    journal = core.accounting.journal
    waiting = journal.unstored
    since = core.data_plane.health.moment(core.accounting.drain.caught_up)
    return JournalStatus(
        waiting_events=waiting,
        waiting_bytes=await asyncio.to_thread(journal.unstored_bytes),
        waiting_since=since if waiting else None,
        unwritten_events=journal.waiting,
        skipped_lines=journal.skipped,
    )


def _part(part: str, problem: str | None) -> PartStatus:
    if problem is None:
        return PartStatus(part=part, state=PartState.OK)
    if problem == ABSENT:
        return PartStatus(part=part, state=PartState.ABSENT)
    state = PartState.FAILED if is_blocking(part) else PartState.DEGRADED
    return PartStatus(part=part, state=state, problem=problem)


def _journal_problem(journal: JournalStatus, now: datetime) -> str | None:
    if journal.unwritten_events:
        return f"{journal.unwritten_events:,} events and requests under way are in memory alone"
    if journal.waiting_since is not None and now - journal.waiting_since > SLOW_STORING:
        return f"{journal.waiting_events:,} usage events wait to be stored"
    return None
