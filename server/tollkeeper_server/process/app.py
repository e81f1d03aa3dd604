"""Build a server: each step takes the results of earlier steps and returns its own."""

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as distribution_version
from pathlib import Path

from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.front import front
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.metrics.exposition import Exposition
from tollkeeper_server.doors.sockets import bind, name_of
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.management.chain.chain import Chain
from tollkeeper_server.management.services import make_chain
from tollkeeper_server.process.certificate import load_certificate
from tollkeeper_server.process.configure import ConfigurationFile, Configurator
from tollkeeper_server.process.dataplane import build_data_plane
from tollkeeper_server.process.demo import set_up_demo
from tollkeeper_server.process.keys import data_dir_error, load_digest_key, make_data_dir, make_sealer
from tollkeeper_server.process.serve import Addresses, Running
from tollkeeper_server.process.status import ServerStatus
from tollkeeper_server.process.takeover import Handover, InheritedSockets, Port, Ports, Use, take_over
from tollkeeper_server.settings import ENV_PREFIX, Settings, SettingsError
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import Store, UsageStore
from tollkeeper_server.telemetry.metrics import Metrics

_FLUSH_SECONDS = 5.0


async def build(stack: AsyncExitStack, settings: Settings, management_token: str) -> Running:
    """Return a server that has its ports and its configuration, and answers nothing yet.

    `stack` undoes every step, the last one first. With `takeover` in the settings the ports are those of the
    process that has them, if there is one. Raises the errors that `run.py` lists, each with a plain reason.
    """
    make_data_dir(settings.data_dir)
    certificate = load_certificate(settings) if settings.uses_tls else None
    inherited = inherit_sockets(stack, settings)
    data = bind_port(stack, inherited, Use.DATA, settings.data_address, "data plane")
    console_socket = bind_port(stack, inherited, Use.CONSOLE, settings.console_address, "console")
    sealer = make_sealer(settings)
    store = await open_store(stack, settings)
    digest_key = await load_digest_key(store.secrets, sealer)
    watch = SnapshotWatch(store.configuration, sealer.open, _timeouts(settings))
    await watch.load()
    coordination = await open_coordination(stack, settings, store, watch)
    journal, drain = start_ledger(stack, settings.data_dir, store.usage)
    metrics = Metrics()
    data_plane = build_data_plane(
        stack,
        settings,
        tokens=store.tokens,
        digest_key=digest_key,
        watch=watch,
        coordination=coordination,
        journal=journal,
        metrics=metrics,
    )
    listeners = Listeners(
        data_plane.plane,
        data,
        drain_seconds=settings.drain_seconds,
        inherited=inherited.take_listeners(),
    )
    stack.callback(listeners.close)
    chain = make_chain(
        store=store,
        sealer=sealer,
        digest_key=digest_key,
        changes=coordination.changes,
        management_token=management_token,
        clock=lambda: datetime.now(UTC),
        port_check=listeners.check,
        explain=data_plane.explainer.explain,
    )
    configurator = Configurator(chain, management_token)
    demo = await set_up_demo(stack, settings, configurator, store, digest_key) if settings.demo else None
    configuration_file = None
    if settings.config is not None:
        configuration_file = ConfigurationFile(settings.config, configurator, prune=settings.prune)
        await configuration_file.apply()
    watch.subscribe(listeners.follow)
    draining = asyncio.Event()
    status = ServerStatus(
        settings=settings,
        store=store,
        coordination=coordination,
        watch=watch,
        listeners=listeners,
        health=data_plane.health,
        journal=journal,
        drain=drain,
        draining=draining,
    )
    version = distribution_version("tollkeeper")
    exposition = Exposition(metrics, status.gauges, version, llmproxy_names=settings.metrics_llmproxy_names)
    console = ConsoleListener(
        front(data_plane.plane, make_console(chain, status.readiness, exposition, version)),
        console_socket,
        certificate=certificate,
        drain_seconds=settings.drain_seconds,
    )
    grpc = await start_grpc(stack, settings, chain, status, inherited, certificate)
    return Running(
        addresses=Addresses(name_of(data), name_of(console_socket), grpc.address, settings.uses_tls),
        listeners=listeners,
        console=console,
        grpc=grpc,
        inherited=inherited,
        handover=Handover(
            settings.data_dir,
            partial(_open_ports, settings, listeners, console),
            settings.grpc_address,
            grpc.address,
        ),
        draining=draining,
        drain_seconds=settings.drain_seconds,
        configuration_file=configuration_file,
        demo=demo,
    )


def inherit_sockets(stack: AsyncExitStack, settings: Settings) -> InheritedSockets:
    """Return the sockets of the process that is taken over, none if the settings name no takeover."""
    inherited = (take_over(settings.data_dir) if settings.takeover else None) or InheritedSockets()
    stack.callback(inherited.close)
    return inherited


def bind_port(
    stack: AsyncExitStack, inherited: InheritedSockets, use: Use, address: str, listener: str
) -> socket.socket:
    """Return a listening socket, inherited or bound. Raises `ListenError` naming the listener."""
    bound = inherited.take(use, address) or bind(address, listener, f"{ENV_PREFIX}{use.upper()}_ADDRESS")
    stack.callback(bound.close)
    return bound


async def open_store(stack: AsyncExitStack, settings: Settings) -> Store:
    """Return the store, open."""
    store = make_store(settings.store, settings.data_dir)
    await store.open()
    stack.push_async_callback(store.close)
    return store


async def open_coordination(
    stack: AsyncExitStack, settings: Settings, store: Store, watch: SnapshotWatch
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
            lifetime=settings.auth_cache_seconds,
            unknown_lifetime=settings.unknown_token_seconds,
            poll_interval=settings.poll_seconds,
        )
    except ValueError:
        raise SettingsError(
            "redis: the URL is malformed, or an option in it is not known; expected redis://HOST:PORT/DB"
        ) from None
    await coordination.open()
    stack.push_async_callback(coordination.close)
    return coordination


def start_ledger(stack: AsyncExitStack, data_dir: Path, usage: UsageStore) -> tuple[Journal, Drain]:
    """Return the journal and its drain, which runs; at the end it stores the events that are settled then."""
    path = data_dir / "journal"
    try:
        journal = Journal(path, soon=asyncio.get_running_loop().call_soon)
    except OSError as error:
        raise data_dir_error(path, error) from error
    stack.callback(journal.close)
    drain = Drain(journal, usage)
    drain.start()
    stack.push_async_callback(drain.close)
    stack.push_async_callback(drain.flush, _FLUSH_SECONDS)
    return journal, drain


async def start_grpc(
    stack: AsyncExitStack,
    settings: Settings,
    chain: Chain,
    status: ServerStatus,
    inherited: InheritedSockets,
    certificate: tuple[Path, Path] | None,
) -> GrpcListener:
    """Return the gRPC listener, which answers: gRPC knows no port that is bound and not served."""
    shared = inherited.grpc(settings.grpc_address)
    grpc = GrpcListener(
        chain,
        shared or settings.grpc_address,
        certificate=certificate if settings.grpc_tls else None,
        ready=status.readiness,
        shared=shared is not None,
    )
    await grpc.start()
    stack.push_async_callback(grpc.close)
    return grpc


def _open_ports(settings: Settings, listeners: Listeners, console: ConsoleListener) -> Ports:
    own, *others = listeners.sockets()
    return [
        (Port(Use.DATA, settings.data_address), own),
        (Port(Use.CONSOLE, settings.console_address), console.bound),
        *((Port(Use.LISTENER), bound) for bound in others),
    ]


def _timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        connect=settings.connect_timeout_seconds,
        first_byte=settings.first_byte_timeout_seconds,
        idle=settings.idle_timeout_seconds,
        total=settings.total_timeout_seconds,
    )
