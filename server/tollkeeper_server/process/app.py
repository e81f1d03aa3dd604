"""Build a server: each step takes the results of earlier steps and returns its own."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as distribution_version

from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.console_listener import ConsoleListener
from tollkeeper_server.doors.front import front
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.grpc_callers import GrpcCallers
from tollkeeper_server.doors.listeners import NO_CERTIFICATE
from tollkeeper_server.doors.metrics.exposition import Exposition
from tollkeeper_server.doors.playground import Playground
from tollkeeper_server.doors.refusals import Refusals
from tollkeeper_server.doors.sockets import name_of
from tollkeeper_server.doors.tls import HTTP2
from tollkeeper_server.http1.server.connection_limit import ConnectionLimit
from tollkeeper_server.management.chain.streams import Streams
from tollkeeper_server.management.services import make_chain
from tollkeeper_server.management.sessions import Sessions
from tollkeeper_server.management.status_feed import StatusFeed
from tollkeeper_server.management.usage_feed import UsageFeed
from tollkeeper_server.management.usage_names import Directory
from tollkeeper_server.process.configure import ConfigurationFile, Configurator
from tollkeeper_server.process.core import ALONE, build_core, open_store, start_renewal
from tollkeeper_server.process.demo import set_up_demo
from tollkeeper_server.process.descriptors import shares
from tollkeeper_server.process.hourly import do_hourly
from tollkeeper_server.process.keys import make_data_dir
from tollkeeper_server.process.observer import ProcessObserver
from tollkeeper_server.process.ports import bind_port, inherit_sockets, open_ports
from tollkeeper_server.process.pricer import SnapshotPricer
from tollkeeper_server.process.serve import Addresses, Running
from tollkeeper_server.process.standings import LedgerStandings
from tollkeeper_server.process.status import ServerStatus
from tollkeeper_server.process.takeover import Handover, Use
from tollkeeper_server.process.workers.control import Control
from tollkeeper_server.settings import Settings
from tollkeeper_server.store.ports import SessionStore
from tollkeeper_server.telemetry.metrics import Gauges, Metrics


async def build(
    stack: AsyncExitStack, settings: Settings, management_token: str, control: Control | None = None
) -> Running:
    """Return a server that has its ports and its configuration, and answers nothing yet.

    `stack` undoes every step, the last one first. With `takeover` in the settings the ports are those of the
    process that has them, if there is one; with a `control` they are its own, and workers serve callers.
    Raises the errors that `run.py` lists, each with a plain reason.
    """
    make_data_dir(settings.data_dir)
    most = shares(settings)
    certificate = await start_renewal(stack, settings)
    inherited = control.inherited if control is not None else await inherit_sockets(stack, settings)
    data = bind_port(stack, inherited, Use.DATA, settings.data_address, "data plane")
    console_socket = bind_port(stack, inherited, Use.CONSOLE, settings.console_address, "console")
    grpc_socket = bind_port(stack, inherited, Use.GRPC, settings.grpc_address, "gRPC listener")
    store = await open_store(stack, settings)
    directory = Directory(store.configuration, store.tokens)
    usage_feed = UsageFeed(store.usage, directory)
    core = await build_core(
        stack,
        settings,
        control.duties if control is not None else ALONE,
        certificate=certificate,
        store=store,
        data=data,
        inherited=inherited.take_listeners(),
        callers=most.data,
        stored=usage_feed.look,
    )
    served, watch, coordination = core.served, core.watch, core.coordination
    data_plane, listeners, metrics = core.data_plane, core.listeners, core.metrics
    sealer, digest_key = core.sealer, core.digest_key
    if control is not None:
        control.begin(core)
    accounting = core.accounting
    standings = LedgerStandings(accounting.ledger, accounting.clock, lambda: watch.current, store.tokens)
    streams = Streams()
    draining = asyncio.Event()
    refusals = Refusals()
    console_limit = ConnectionLimit(None, in_all=most.console.in_all, per_address=most.console.per_address)
    grpc_callers = GrpcCallers(
        grpc_socket,
        limit=ConnectionLimit("gRPC", in_all=most.grpc.in_all, per_address=most.grpc.per_address),
        tls=served.context(HTTP2) if served is not None and settings.grpc_tls else None,
    )
    status = ServerStatus(
        settings=settings,
        core=core,
        draining=draining,
        console_limit=console_limit,
        refusals=refusals,
        grpc_callers=grpc_callers,
        streams=streams,
        usage_feed=usage_feed,
        crew=control.crew if control is not None else None,
        standings=standings,
    )
    version = distribution_version("tollkeeper")
    crew = control.crew if control is not None else None
    observer = ProcessObserver(status, version, console_socket, directory, crew)
    sessions = start_sessions(stack, store.sessions, digest_key, management_token, metrics)
    status_feed = StatusFeed(observer)
    data_plane.health.subscribe(status_feed.look)
    chain = make_chain(
        store=store,
        sealer=sealer,
        digest_key=digest_key,
        changes=coordination.changes,
        management_token=management_token,
        sessions=sessions,
        clock=_now,
        port_check=listeners.check,
        tls_problem=NO_CERTIFICATE if served is None else None,
        explain=data_plane.explainer.explain,
        connect_failure=data_plane.health.connect_failure_of,
        caller=data_plane.caller,
        observer=observer,
        pricer=SnapshotPricer(lambda: watch.current, _now),
        standings=standings,
        status_feed=status_feed,
        usage_feed=usage_feed,
        streams=streams,
    )
    configurator = Configurator(chain, management_token)
    demo = await set_up_demo(stack, settings, configurator, store, digest_key) if settings.demo else None
    configuration_file = None
    if settings.config is not None:
        configuration_file = ConfigurationFile(settings.config, configurator, prune=settings.prune)
        await configuration_file.apply()
        observer.configuration_file = configuration_file
    watch.subscribe(listeners.follow)

    async def look() -> tuple[Metrics, Gauges]:
        own = status.gauges()
        return (metrics, own) if control is None else await control.crew.together(metrics, own)

    if control is not None:
        control.remember(stack, lambda: (metrics, status.gauges()))

    exposition = Exposition(look, version, llmproxy_names=settings.metrics_llmproxy_names)
    console = ConsoleListener(
        front(
            data_plane.plane,
            Playground(data_plane.plane, sessions),
            make_console(
                chain,
                sessions,
                status.readiness,
                exposition,
                version,
                tls_only=settings.tls_cert is not None,
            ),
        ),
        console_socket,
        tls=served.context(HTTP2) if served is not None else None,
        drain_seconds=settings.drain_seconds,
        limit=console_limit,
        refusals=refusals,
    )
    grpc = GrpcListener(chain, grpc_callers, data_dir=settings.data_dir, ready=status.readiness)
    stack.push_async_callback(grpc.close)
    return Running(
        addresses=Addresses(
            data=f"{'https' if settings.data_tls else 'http'}://{name_of(data)}",
            console=f"{'https' if settings.uses_tls else 'http'}://{name_of(console_socket)}",
            grpc=grpc.address,
        ),
        listeners=listeners,
        console=console,
        grpc=grpc,
        inherited=inherited,
        handover=Handover(settings.data_dir, partial(open_ports, settings, listeners, console, grpc_callers))
        if control is None
        else control.handover,
        workers_gone=control.crew.gone if control is not None else None,
        streams=streams,
        draining=draining,
        drain_seconds=settings.drain_seconds,
        configuration_file=configuration_file,
        certificate=certificate,
        demo=demo,
    )


def start_sessions(
    stack: AsyncExitStack,
    store: SessionStore,
    digest_key: bytes,
    management_token: str,
    metrics: Metrics,
) -> Sessions:
    """Return who has signed in. Sessions that have ended are removed from the store."""
    sessions = Sessions(store, digest_key, management_token, _now, counted=metrics.signed_in)
    do_hourly(stack, "removing sessions that have ended", sessions.delete_ended)
    return sessions


def _now() -> datetime:
    return datetime.now(UTC)
