"""What needs attention: problems of this process, and what it sees of upstreams, listeners and models."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from tollkeeper_server.dataplane.budget.refusal import limit_words
from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.expiry import WARNED_BEFORE
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.domain.connect_failure import ConnectFailure
from tollkeeper_server.domain.limit import THRESHOLDS, Scope, ScopeKind
from tollkeeper_server.domain.standing import LimitStanding
from tollkeeper_server.domain.status import Attention, AttentionKind, PartState, ProcessStatus, Severity
from tollkeeper_server.management.usage_names import NO_NAMES, Names
from tollkeeper_server.snapshot.model import Snapshot, Target
from tollkeeper_server.snapshot.prices import is_unpriced

# So many upstreams or models are looked at before others are served.
_AT_ONCE = 500
_SEVEREST_FIRST = list(reversed(Severity))
_KINDS = list(AttentionKind)
# The kinds of a call's or probe's failure, for people.
_ERRORS = {
    "connect": "the upstream can't be connected to",
    "timeout": "the upstream did not answer in time",
    "cut": "the upstream broke off its answer",
    "garbage": "the upstream answered with what is not HTTP",
    "redirect": "the upstream redirected to where the gateway does not follow",
}
_HAS_PROBLEM = {PartState.DEGRADED, PartState.FAILED}
# Of each part that is not told in another way: the kind, the severity and the remedy of its problem.
_PARTS = {
    "store": (
        AttentionKind.STORE,
        Severity.ERROR,
        "see that the store runs and that this process reaches it; meanwhile only known tokens are served",
    ),
    "redis": (
        AttentionKind.REDIS,
        Severity.WARNING,
        "see that Redis runs, evicts nothing, and is reached from here; meanwhile changes are polled for",
    ),
    "configuration": (
        AttentionKind.CONFIGURATION,
        Severity.WARNING,
        "correct what it names; meanwhile the last good configuration is in force",
    ),
    "snapshot": (
        AttentionKind.CONFIGURATION,
        Severity.ERROR,
        "see that this process reaches the store; it should get no traffic meanwhile",
    ),
    "certificate": (
        AttentionKind.CERTIFICATE,
        Severity.ERROR,
        "put a valid certificate and its key where tls_cert and tls_key are; they are read when they change",
    ),
    "journal": (
        AttentionKind.JOURNAL,
        Severity.ERROR,
        "see that the disk of the data directory has room, and that this process reaches the store",
    ),
}


async def attention_of(
    process: ProcessStatus,
    snapshot: Snapshot,
    health: Health,
    not_open: Mapping[str, str],
    *,
    standings: Sequence[LimitStanding] = (),
    names: Names = NO_NAMES,
    file_problem: str | None = None,
    limit: int,
    now: datetime,
) -> list[Attention]:
    """Return up to `limit` things that need attention, the most severe first.

    `not_open` says why the ports of listeners are not open, by name; `standings` how limits stand, `names`
    how the projects and tokens that they stand on are called; `file_problem` why the configuration may not be
    as the configuration file describes it.
    """
    finder = _Finder(process, now)
    found = [*finder.in_process(), *finder.in_listeners(not_open), *finder.in_budgets(standings, names)]
    if file_problem is not None:
        found.append(finder.in_file(file_problem))
    if not snapshot.targets:
        found.append(finder.no_upstream())
    for count, target in enumerate(snapshot.targets.values()):
        found += finder.in_upstream(target, health)
        if count % _AT_ONCE == 0:
            await asyncio.sleep(0)
    unpriced = {it.name for it in (*snapshot.routes.values(), *snapshot.patterns) if is_unpriced(it, now)}
    found += [finder.unpriced(name) for name in unpriced]
    found.sort(key=lambda it: (_SEVEREST_FIRST.index(it.severity), _KINDS.index(it.kind), it.subject))
    return found[:limit]


def low_budgets(standings: Sequence[LimitStanding]) -> list[LimitStanding]:
    """Return those of budgets that are used up, or will be soon."""
    return [it for it in standings if THRESHOLDS[-1] in it.thresholds]


class _Finder:
    """Finds what needs attention, as one process sees it at one moment."""

    def __init__(self, process: ProcessStatus, now: datetime) -> None:
        self._process = process
        self._now = now

    def in_process(self) -> Iterator[Attention]:
        """Find the problems of the process's parts, and a certificate that expires soon."""
        for it in self._process.parts:
            if it.state in _HAS_PROBLEM and it.part in _PARTS:
                kind, severity, remedy = _PARTS[it.part]
                since = self._process.journal.waiting_since if kind is AttentionKind.JOURNAL else None
                yield self._make(kind, severity, "", it.problem, remedy, since)
        certificate = self._process.certificate
        # The self-signed one is renewed before that.
        if certificate is not None and not certificate.is_self_signed:
            left = certificate.expires_at - self._now
            if self._now < certificate.expires_at and left <= WARNED_BEFORE:
                yield self._make(
                    AttentionKind.CERTIFICATE,
                    Severity.WARNING,
                    "",
                    f"the gateway's certificate expires on {certificate.expires_at:%Y-%m-%d %H:%M} UTC",
                    "renew it; tls_cert and tls_key are read again when they change",
                    certificate.expires_at,
                )

    def in_listeners(self, not_open: Mapping[str, str]) -> Iterator[Attention]:
        """Find the listeners whose ports are not open."""
        for name, problem in not_open.items():
            yield self._make(
                AttentionKind.LISTENER,
                Severity.ERROR,
                name,
                problem,
                "free its address, or give the listener another; it is tried again by itself",
            )

    def in_budgets(self, standings: Sequence[LimitStanding], names: Names) -> Iterator[Attention]:
        """Find the budgets that are used up, or will be soon."""
        for it in low_budgets(standings):
            limit, is_used_up = it.limit, it.used >= it.limit.amount
            named = {ScopeKind.PROJECT: names.projects, ScopeKind.TOKEN: names.tokens}.get(it.scope, {})
            name = named.get(it.scope_id, "")
            words = Scope(it.scope, name or it.scope_id).words
            used = "used up" if is_used_up else f"used up to {it.used * 100 // limit.amount} %"
            again = f", and starts again on {it.resets_at:%Y-%m-%d %H:%M} UTC" if it.resets_at else ""
            target = f"{it.scope} update {it.scope_id}".strip()
            yield self._make(
                AttentionKind.BUDGET,
                Severity.ERROR if is_used_up else Severity.WARNING,
                it.scope_id,
                f"the budget of {words}, {limit_words(limit)}, is {used}{again}",
                f"raise the limit, or wait until it starts again: tollkeeper {target} --limit"
                if again
                else f"raise the limit: tollkeeper {target} --limit",
                it.period_start,
                it.scope,
                name,
            )

    def in_file(self, problem: str) -> Attention:
        """Say that the configuration may not be as the configuration file describes it."""
        return self._make(
            AttentionKind.CONFIGURATION,
            Severity.WARNING,
            "",
            problem,
            "correct the file if it has a mistake, and have it applied: send SIGHUP to the process",
        )

    def no_upstream(self) -> Attention:
        """Say that no request can be served."""
        return self._make(
            AttentionKind.NO_UPSTREAM,
            Severity.ERROR,
            "",
            "there is no active upstream, so no request can be served",
            "create an upstream, or activate one: tollkeeper upstream create, update --activate",
        )

    def in_upstream(self, target: Target, health: Health) -> Iterator[Attention]:
        """Find what is wrong with an upstream: the gravest thing, and a certificate that expires soon."""
        expires = target.client_certificate_expires_at
        if expires is not None and expires - self._now <= WARNED_BEFORE:
            has_expired = expires <= self._now
            yield self._make(
                AttentionKind.CERTIFICATE,
                Severity.ERROR if has_expired else Severity.WARNING,
                target.name,
                f"its client certificate {'has expired,' if has_expired else 'expires'} on "
                f"{expires:%Y-%m-%d %H:%M} UTC",
                "give the upstream a new client_certificate and client_key",
                expires,
            )
        seen = health.of(target)
        clock = health.clock()
        opened = seen.breaker.opened_at(clock)
        failure = seen.connect_failure
        if opened is not None:
            is_open = seen.breaker.state(clock) is BreakerState.OPEN
            latest = _latest(seen.last_error, None if failure is None or failure.is_over else failure)
            yield self._make(
                AttentionKind.BREAKER,
                Severity.WARNING,
                target.name,
                f"the breaker is {'open' if is_open else 'half open'}: too many calls have failed{latest}",
                "see what the upstream answers; after the cooldown one call at a time tries it again",
                health.moment(opened),
            )
        elif failure is not None and not failure.is_over:
            yield self._make(
                AttentionKind.CONNECT,
                Severity.WARNING,
                target.name,
                _told(failure),
                "see that it runs, and that its URL, proxy and certificates are right",
                failure.failed_at,
            )
        elif seen.probe is False:
            yield self._make(
                AttentionKind.PROBE,
                Severity.WARNING,
                target.name,
                f"it does not pass its probe: {seen.probe_problem}",
                "see that it runs, and that the probe's path is right",
            )

    def unpriced(self, model: str) -> Attention:
        """Say that a model has no price."""
        return self._make(
            AttentionKind.UNPRICED,
            Severity.INFO,
            model,
            "the model has no price, nor have the shipped prices one for each of its upstreams: what its "
            "requests cost is not known",
            "give it one: tollkeeper model update --price",
        )

    def _make(
        self,
        kind: AttentionKind,
        severity: Severity,
        subject: str,
        detail: str,
        remedy: str,
        since: datetime | None = None,
        scope: str = "",
        scope_name: str = "",
    ) -> Attention:
        return Attention(
            kind=kind,
            severity=severity,
            subject=subject,
            detail=detail,
            remedy=remedy,
            since=since,
            process=self._process.process,
            scope=scope,
            scope_name=scope_name,
        )


def _latest(error: str, failure: ConnectFailure | None) -> str:
    """Say what failed last: the `error` of a call or probe, and a connection that still fails."""
    said = [] if error == "connect" and failure is not None else [_words(error)]
    if failure is not None:
        said.append(_told(failure))
    found = ", and ".join(filter(None, said))
    return f"; the latest failure: {found}" if found else ""


def _words(error: str) -> str:
    if error.startswith("http_"):
        return f"the upstream answered with status {error.removeprefix('http_')}"
    return _ERRORS.get(error, error)


def _told(failure: ConnectFailure) -> str:
    words = failure.reason.words(at_proxy=failure.at_proxy)
    return f"{words} ({failure.detail})" if failure.detail else words
