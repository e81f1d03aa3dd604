"""What each process of a gateway has: store, changes, accounting, data plane and listeners."""

import os
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from socket import gethostname, socket
from typing import TYPE_CHECKING

from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.coordination.ports import Change
from tollkeeper_server.dataplane.budget.thresholds import Thresholds
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.domain.environment_proxies import NO_PROXIES, EnvironmentProxies, read_proxies
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.doors.binding import OWN_PORTS, Binding
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.tls import ServedCertificate
from tollkeeper_server.http1.server.bounds import CallerBounds
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.process.certificate import load_certificate
from tollkeeper_server.process.dataplane import DataPlaneParts, build_data_plane
from tollkeeper_server.process.descriptors import Share
from tollkeeper_server.process.hourly import do_hourly
from tollkeeper_server.process.keys import load_digest_key, make_sealer
from tollkeeper_server.process.ledger import Accounting, start_accounting
from tollkeeper_server.process.notices import BudgetNotices
from tollkeeper_server.process.renewal import CertificateWatch
from tollkeeper_server.process.unread import tell_unmatched
from tollkeeper_server.settings import Settings, SettingsError
from tollkeeper_server.snapshot.compile import compile_target
from tollkeeper_server.snapshot.prices import cost_of_event
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import Sealer
from tollkeeper_server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from tollkeeper_server.ledger.shared.ledger import Connect


def _bounds(callers: Share) -> CallerBounds:
    return CallerBounds(
        ConnectionLimit("the data plane", in_all=callers.in_all, per_address=callers.per_address)
    )


@dataclass(frozen=True, slots=True)
class Duties:
    """What a process does of a gateway's work; by default all of it.

    Of several processes one does what is to be done once (`background`): it adopts the journals of dead
    ones, probes upstreams and tidies up. Others accept callers (`accepts`).
    `push` tells the other processes of a change, and returns when they have it. `table` connects to the
    ledger that they share, of which so many are `expected`; None without one, or with Redis. `binding` has
    the sockets of listeners, `buried` is told the names of processes that have died. `bounds` makes
    those of callers.
    """

    background: bool = True
    accepts: bool = True
    push: Callable[[Change], Awaitable[None]] | None = None
    table: "Connect | None" = None
    expected: int = 1
    binding: Binding = OWN_PORTS
    buried: Callable[[str], None] = lambda _: None
    bounds: Callable[[Share], CallerBounds] = _bounds


ALONE = Duties()


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that each process has."""

    store: Store
    sealer: Sealer
    digest_key: bytes
    watch: SnapshotWatch
    coordination: Coordination
    metrics: Metrics
    accounting: Accounting
    data_plane: DataPlaneParts
    listeners: Listeners
    certificate: CertificateWatch | None

    @property
    def served(self) -> ServedCertificate | None:
        """The certificate that callers are shown, None without TLS."""
        return self.certificate.served if self.certificate is not None else None


async def build_core(
    stack: AsyncExitStack,
    settings: Settings,
    duties: Duties,
    *,
    certificate: CertificateWatch | None,
    store: Store,
    data: socket,
    inherited: Iterable[socket],
    callers: Share,
    stored: Callable[[], None],
) -> Core:
    """Return the parts, which have their configuration and serve nobody yet.

    `data` is the socket of the gateway's own port, `inherited` are those of listeners. `callers` is how many
    the data plane may have, `stored` is called whenever events were stored.
    """
    sealer = make_sealer(settings)
    digest_key = await load_digest_key(store.secrets, sealer)
    proxies = _proxies(settings)
    watch = SnapshotWatch(store.configuration, sealer.open, _timeouts(settings), proxies=proxies)
    await watch.load()
    coordination = await _open_coordination(stack, settings, store, watch, duties)
    metrics = Metrics()
    notices = BudgetNotices(store.notices, lambda: time.time_ns() // 1000, process_name())
    notices.open()
    stack.push_async_callback(notices.close)
    thresholds = Thresholds(metrics, notices.crossed)
    notices.subscribe(thresholds.told)
    accounting = await start_accounting(
        stack,
        settings.data_dir,
        store,
        redis=coordination.redis,
        table=duties.table,
        expected=duties.expected,
        background=duties.background,
        buried=duties.buried,
        stored=stored,
        thresholds=thresholds,
        cost_of=lambda event: cost_of_event(watch.current, event),
    )
    data_plane = build_data_plane(
        stack,
        settings,
        tokens=store.tokens,
        digest_key=digest_key,
        watch=watch,
        coordination=coordination,
        accounting=accounting,
        thresholds=thresholds,
        metrics=metrics,
        background=duties.background,
        target_of=lambda it: compile_target(it, sealer.open, _timeouts(settings), proxies),
    )
    coordination.changes.subscribe(partial(_reset_breaker, data_plane.health))
    listeners = Listeners(
        data_plane.plane,
        data,
        drain_seconds=settings.drain_seconds,
        inherited=inherited,
        bounds=duties.bounds(callers),
        certificate=certificate.served if certificate is not None else None,
        own_tls=settings.data_tls,
        binding=duties.binding,
        accepts=duties.accepts,
    )
    stack.callback(listeners.close)
    return Core(
        store=store,
        sealer=sealer,
        digest_key=digest_key,
        watch=watch,
        coordination=coordination,
        metrics=metrics,
        accounting=accounting,
        data_plane=data_plane,
        listeners=listeners,
        certificate=certificate,
    )


def process_name() -> str:
    """Return the name by which this process is told from others."""
    return f"{gethostname()}-{os.getpid()}"


async def start_renewal(stack: AsyncExitStack, settings: Settings) -> CertificateWatch | None:
    """Return the certificate of this process, which is replaced when its files change; None without TLS."""
    if not settings.uses_tls:
        return None
    files, certificate = load_certificate(settings)
    watch = CertificateWatch(files, ServedCertificate(certificate))
    watch.start()
    stack.push_async_callback(watch.close)
    return watch


async def open_store(stack: AsyncExitStack, settings: Settings) -> Store:
    """Return the store, open."""
    store = make_store(settings.store, settings.data_dir)
    await store.open()
    stack.push_async_callback(store.close)
    return store


async def _open_coordination(
    stack: AsyncExitStack, settings: Settings, store: Store, watch: SnapshotWatch, duties: Duties
) -> Coordination:
    """Return the caches, changes and polling of this process, connected to Redis if the settings name one."""
    try:
        coordination = Coordination(
            store.tokens,
            store.placements,
            store.configuration,
            watch.load,
            watch.confirm,
            redis_url=settings.redis,
            push=duties.push,
            lifetime=settings.auth_cache_seconds,
            unknown_lifetime=settings.unknown_token_seconds,
            poll_interval=settings.poll_seconds,
        )
    except ValueError:
        raise SettingsError(
            "redis: the URL is malformed, or an option in it is not known; expected redis://HOST:PORT/DB, "
            "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB or redis+cluster://HOST:PORT,HOST:PORT"
        ) from None
    await coordination.open()
    stack.push_async_callback(coordination.close)
    do_hourly(stack, "removing placements that nobody uses", coordination.placements.delete_unused)
    return coordination


async def _reset_breaker(health: Health, change: Change) -> None:
    if change.breaker:
        health.reset_breaker(change.breaker)


def _proxies(settings: Settings) -> EnvironmentProxies:
    if not settings.proxy_from_environment:
        return NO_PROXIES
    try:
        found = read_proxies(os.environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    tell_unmatched(found)
    return found


def _timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        connect=settings.connect_timeout_seconds,
        first_byte=settings.first_byte_timeout_seconds,
        idle=settings.idle_timeout_seconds,
        total=settings.total_timeout_seconds,
    )
