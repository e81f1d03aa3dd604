"""The gauges of the parts that each process has."""

import asyncio

from tollkeeper_server.process.core import Core
from tollkeeper_server.process.loop import NamesLoop
from tollkeeper_server.telemetry.metrics import Gauges
from tollkeeper_server.telemetry.shortages import shortages


def gauges_of(core: Core) -> Gauges:
    """Return the gauges of a process's parts as they are at this moment."""
    snapshot = core.watch.current
    upstreams = core.data_plane.health.views()
    certificate = core.served.current if core.served is not None else None
    return Gauges(
        snapshot_revision=snapshot.revision,
        snapshot_age=core.watch.age(),
        journal_waiting=core.accounting.journal.waiting,
        journal_skipped=core.accounting.journal.skipped,
        drain_lag=core.accounting.drain.lag,
        ledger_is_shared=core.accounting.is_shared,
        certificate_end=certificate.not_after.timestamp() if certificate is not None else None,
        breakers={name: view.breaker.value for name, view in upstreams.items()},
        calls={name: view.in_flight for name, view in upstreams.items()},
        connections=core.listeners.connections(),
        look_ups=_look_ups(),
        refused={("data", reason): count for reason, count in core.listeners.refused().items()},
        shortages={str(kind): count for kind, count in shortages.counts.items()},
        urls={
            name: (target.full_url or target.base_url).partition("?")[0]
            for name, target in snapshot.targets.items()
        },
        certificates={
            name: target.client_certificate_expires_at.timestamp()
            for name, target in snapshot.targets.items()
            if target.client_certificate_expires_at is not None
        },
    )


def _look_ups() -> dict[str, int]:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, NamesLoop):
        return {}
    return {result.value: count for result, count in loop.names.counts.items()}
