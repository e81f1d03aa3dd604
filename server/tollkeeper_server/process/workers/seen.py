"""What several processes see of an upstream, and of the usage on its way, as one gateway."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tollkeeper_server.domain.status import BreakerState, JournalStatus, UpstreamStatus

_WORST_LAST = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)


def seen_together(own: UpstreamStatus, others: Sequence[UpstreamStatus]) -> UpstreamStatus:
    """Return an upstream as this process and others see it.

    The breaker is the worst. The median of durations is that of the process with most recent calls, the other
    one the greatest.
    """
    if not others:
        return own
    every = (own, *others)
    worst = max(every, key=lambda it: _WORST_LAST.index(it.breaker))
    latest = max(every, key=lambda it: _moment(it.last_error_at))
    busiest = max(every, key=lambda it: it.recent_calls)
    recent = sum(it.recent_calls for it in every)
    good = sum(it.recent_calls * (it.success_share or 0.0) for it in every)
    failures = [it.connect_failure for it in every if it.connect_failure is not None]
    probes = [it.last_probe for it in every if it.last_probe is not None]
    return msgspec.structs.replace(
        own,
        breaker=worst.breaker,
        opened_at=worst.opened_at,
        retry_at=worst.retry_at,
        in_flight=sum(it.in_flight for it in every),
        success_share=good / recent if recent else None,
        recent_calls=recent,
        p50_duration_seconds=busiest.p50_duration_seconds,
        p95_duration_seconds=max(
            (it.p95_duration_seconds for it in every if it.p95_duration_seconds is not None), default=None
        ),
        last_error=latest.last_error,
        last_error_at=latest.last_error_at,
        connect_failure=max(failures, key=lambda it: it.failed_at, default=None),
        last_probe=max(probes, key=lambda it: it.probed_at, default=None),
    )


def waiting_together(own: JournalStatus, others: Sequence[JournalStatus]) -> JournalStatus:
    """Return how much usage of all processes is on its way into the store."""
    every = (own, *others)
    since = [it.waiting_since for it in every if it.waiting_since is not None]
    return JournalStatus(
        waiting_events=sum(it.waiting_events for it in every),
        waiting_bytes=sum(it.waiting_bytes for it in every),
        waiting_since=min(since, default=None),
        unwritten_events=sum(it.unwritten_events for it in every),
        skipped_lines=sum(it.skipped_lines for it in every),
    )


def _moment(then: datetime | None) -> float:
    return then.timestamp() if then is not None else 0.0
