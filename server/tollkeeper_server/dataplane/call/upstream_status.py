"""How an upstream is, for people: what its health knows, in times of the calendar."""

from collections.abc import Sequence
from math import ceil

from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import Health, share_of_successes
from tollkeeper_server.domain.status import ProbeStatus, UpstreamStatus


def status_of(health: Health, name: str, process: str) -> UpstreamStatus | None:
    """Return how an upstream is, as this `process` sees it; None if there is no such upstream."""
    upstream = health.find(name)
    if upstream is None:
        return None
    now = health.clock()
    state = upstream.breaker.state(now)
    opened = upstream.breaker.opened_at(now)
    recent = upstream.recent(now)
    durations = sorted(seconds for seconds in recent if seconds is not None)
    probe = None
    if upstream.probe is not None:
        probe = ProbeStatus(
            passed=upstream.probe,
            problem=upstream.probe_problem,
            probed_at=health.moment(upstream.probed_at),
        )
    return UpstreamStatus(
        name=name,
        process=process,
        breaker=state,
        opened_at=None if opened is None else health.moment(opened),
        retry_at=health.moment(upstream.breaker.retry_at(now)) if state is BreakerState.OPEN else None,
        in_flight=upstream.in_flight,
        success_share=share_of_successes(recent),
        recent_calls=len(recent),
        p50_duration_seconds=percentile(durations, 50),
        p95_duration_seconds=percentile(durations, 95),
        last_error=upstream.last_error,
        last_error_at=health.moment(upstream.last_error_at) if upstream.last_error else None,
        connect_failure=upstream.connect_failure,
        last_probe=probe,
    )


def percentile(ordered: Sequence[float], share: int) -> float | None:
    """Return the least value that `share` of 100 do not exceed, None of no values."""
    return ordered[ceil(len(ordered) * share / 100) - 1] if ordered else None
