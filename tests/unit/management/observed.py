"""An observer that saw what a test says."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tollkeeper_server.domain.status import (
    Attention,
    BreakerState,
    CertificateStatus,
    JournalStatus,
    ListenerStatus,
    PartState,
    PartStatus,
    ProcessStatus,
    Setting,
    UpstreamStatus,
)

_NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
PROCESS = ProcessStatus(
    process="host-1",
    version="1.2.3",
    started_at=_NOON,
    is_ready=True,
    parts=(
        PartStatus(part="redis", state=PartState.DEGRADED, problem="Redis is not reachable"),
        PartStatus(part="store", state=PartState.OK),
    ),
    revision=7,
    snapshot_age_seconds=0.5,
    store_engine="sqlite",
    journal=JournalStatus(
        waiting_events=0, waiting_bytes=0, waiting_since=None, unwritten_events=0, skipped_lines=0
    ),
    certificate=CertificateStatus(expires_at=_NOON, is_self_signed=True),
)


def upstream_status(name: str) -> UpstreamStatus:
    """Return how an upstream is that was never called."""
    return UpstreamStatus(
        name=name,
        process="host-1",
        breaker=BreakerState.CLOSED,
        opened_at=None,
        retry_at=None,
        in_flight=0,
        success_share=None,
        recent_calls=0,
        p50_duration_seconds=None,
        p95_duration_seconds=None,
        last_error="",
        last_error_at=None,
        connect_failure=None,
        last_probe=None,
    )


@dataclass
class Observed:
    """What the process knows of itself, as a test wants it."""

    told: ProcessStatus = PROCESS
    names: Sequence[str] = ()
    seen: dict[str, UpstreamStatus] = field(default_factory=dict)
    """How upstreams are that were called, by name."""
    looks: int = 0
    """How often the process was looked at."""
    ports: Sequence[ListenerStatus] = ()
    values: Sequence[Setting] = ()
    things: Sequence[Attention] = field(default_factory=list)

    async def process(self) -> ProcessStatus:
        self.looks += 1
        return self.told

    def upstream_names(self) -> Collection[str]:
        return set(self.names)

    def upstream(self, name: str) -> UpstreamStatus | None:
        return self.seen.get(name, upstream_status(name)) if name in self.names else None

    def upstreams(self, *, after: str, limit: int) -> Sequence[UpstreamStatus]:
        names = [name for name in sorted(self.names) if name > after][:limit]
        return [self.seen.get(name, upstream_status(name)) for name in names]

    def listeners(self) -> Sequence[ListenerStatus]:
        return self.ports

    def settings(self) -> Sequence[Setting]:
        return self.values

    async def attention(self, process: ProcessStatus, limit: int) -> Sequence[Attention]:
        return self.things[:limit]
