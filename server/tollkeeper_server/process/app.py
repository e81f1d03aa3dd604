"""The composition root: builds a server out of its parts, runs it, and takes it down in order."""

import asyncio
import contextlib
import logging
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as distribution_version

from tollkeeper_server.coordination.open import Coordination
from tollkeeper_server.dataplane.request.authenticate import Authenticator
from tollkeeper_server.domain.upstream import Timeouts
from tollkeeper_server.doors.console import make_console
from tollkeeper_server.doors.front import ConsoleListener, front
from tollkeeper_server.doors.grpc import GrpcListener
from tollkeeper_server.doors.listeners import Listeners
from tollkeeper_server.doors.metrics.exposition import Exposition
from tollkeeper_server.doors.sockets import bind, name_of
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.ledger.drain import Drain
from tollkeeper_server.ledger.journal import Journal
from tollkeeper_server.management.services import make_chain
from tollkeeper_server.process.certificate import load_certificate
from tollkeeper_server.process.condition import Condition
from tollkeeper_server.process.configure import ConfigurationFile
from tollkeeper_server.process.demo import Demo, set_up_demo
from tollkeeper_server.process.keys import load_digest_key, make_data_dir, make_sealer, unusable
from tollkeeper_server.process.signals import RunError
from tollkeeper_server.process.takeover import Handover, Port, Taken, Use, take_over
from tollkeeper_server.process.traffic import Traffic, build_traffic
from tollkeeper_server.settings import Settings, SettingsError
from tollkeeper_server.snapshot.watch import SnapshotWatch
from tollkeeper_server.store.open import make_store
from tollkeeper_server.store.ports import Store
from tollkeeper_server.store.sealed import Sealer
from tollkeeper_server.telemetry.metrics import Metrics

_log = logging.getLogger("tollkeeper.app")
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server listens, each `HOST:PORT`; `tls` is the console's."""

    data: str
    console: str
    grpc: str
    tls: bool


class Server:
    """One server process.

    `start` raises, with a plain reason, whatever keeps it from serving; `close` undoes as much of it as
    was done.
    """

    def __init__(self, settings: Settings, *, management_token: str, simulator: str | None = None) -> None:
        """Takes the settings; for a demo also the `HOST:PORT` of a simulator, None to call OpenAI."""
        self._settings = settings
        self._management_token = management_token
        self._simulator = simulator
        self._parts = AsyncExitStack()
        self._draining = False
        self._taken: Taken | None = None
        self._handover: Handover
        self._listeners: Listeners
        self._console: ConsoleListener
        self._grpc: GrpcListener
        self._watch: SnapshotWatch
        self._coordination: Coordination
        self._journal: Journal
        self._drain: Drain
        self._metrics = Metrics()
        self._file: ConfigurationFile | None = None
        self.demo: Demo | None = None

    async def start(self) -> Addresses:
        """Opens the store, reads the configuration, and binds every port; nothing is answered yet.

        With `takeover` in the settings the ports are those of the process that has them, if there is one.
        """
        settings = self._settings
        make_data_dir(settings.data_dir)
        certificate = load_certificate(settings) if settings.uses_tls else None
        data, console = self._bind()
        sealer = make_sealer(settings)
        store = make_store(settings.store, settings.data_dir)
        await store.open()
        self._parts.push_async_callback(store.close)
        digest_key = await load_digest_key(store.secrets, sealer)
        if settings.demo:
            self.demo = await set_up_demo(store, sealer, digest_key, settings.data_dir, self._simulator)
        traffic = await self._start_data_plane(store, sealer, digest_key)
        self._listeners = Listeners(
            traffic.plane,
            data,
            drain_seconds=settings.drain_seconds,
            inherited=self._taken.take_listeners() if self._taken else (),
        )
        self._parts.callback(self._listeners.close)
        chain = make_chain(
            store=store,
            sealer=sealer,
            digest_key=digest_key,
            changes=self._coordination.changes,
            management_token=self._management_token,
            clock=_now,
            port_check=self._listeners.check,
            explain=traffic.explainer.explain,
        )
        if settings.config is not None:
            self._file = ConfigurationFile(settings.config, chain, self._management_token)
            await self._file.apply()
        self._watch.subscribe(self._listeners.follow)
        condition = Condition(
            settings=settings,
            store=store,
            coordination=self._coordination,
            watch=self._watch,
            listeners=self._listeners,
            traffic=traffic,
            journal=self._journal,
            drain=self._drain,
            draining=lambda: self._draining,
        )
        version = distribution_version("tollkeeper")
        exposition = Exposition(
            self._metrics, condition.gauges, version, llmproxy_names=settings.metrics_llmproxy_names
        )
        self._console = ConsoleListener(
            front(traffic.plane, make_console(chain, condition.readiness, exposition, version)),
            console,
            certificate=certificate,
            drain_seconds=settings.drain_seconds,
        )
        shared = self._taken.grpc(settings.grpc_address) if self._taken else None
        self._grpc = GrpcListener(
            chain,
            shared or settings.grpc_address,
            certificate=certificate if settings.grpc_tls else None,
            ready=condition.readiness,
            shared=shared is not None,
        )
        await self._grpc.start()
        self._parts.push_async_callback(self._grpc.close)
        self._handover = Handover(settings.data_dir, self._ports, settings.grpc_address, self._grpc.address)
        return Addresses(name_of(data), name_of(console), self._grpc.address, settings.uses_tls)

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        """Returns the ports of the data plane and the console, taken over or bound."""
        settings = self._settings
        taken = self._taken = take_over(settings.data_dir) if settings.takeover else None
        if taken:
            self._parts.callback(taken.close)
        data = taken.take(Use.DATA, settings.data_address) if taken else None
        data = data or bind(settings.data_address, "data plane", "TOLLKEEPER_DATA_ADDRESS")
        self._parts.callback(data.close)
        console = taken.take(Use.CONSOLE, settings.console_address) if taken else None
        console = console or bind(settings.console_address, "console", "TOLLKEEPER_CONSOLE_ADDRESS")
        self._parts.callback(console.close)
        return data, console

    def _ports(self) -> list[tuple[Port, socket.socket]]:
        own, *others = self._listeners.sockets()
        return [
            (Port(Use.DATA, self._settings.data_address), own),
            (Port(Use.CONSOLE, self._settings.console_address), self._console.bound),
            *((Port(Use.LISTENER), bound) for bound in others),
        ]

    async def _start_data_plane(self, store: Store, sealer: Sealer, digest_key: bytes) -> Traffic:
        settings = self._settings
        watch = self._watch = SnapshotWatch(store.configuration, sealer.open, _timeouts(settings))
        await watch.load()
        try:
            coordination = self._coordination = Coordination(
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
        self._parts.push_async_callback(coordination.close)
        try:
            journal = self._journal = Journal(
                settings.data_dir / "journal", soon=asyncio.get_running_loop().call_soon
            )
        except OSError as error:
            raise unusable(settings.data_dir / "journal", error) from error
        self._parts.callback(journal.close)
        drain = self._drain = Drain(journal, store.usage)
        drain.start()
        self._parts.push_async_callback(drain.close)
        self._parts.push_async_callback(drain.flush, _FLUSH_SECONDS)
        transport = Http1Transport()
        self._parts.push_async_callback(transport.close)
        traffic = build_traffic(
            lambda: watch.current,
            authenticator=Authenticator(coordination.tokens, digest_key, watch.load, _now),
            tokens=store.tokens,
            placements=coordination.placements,
            transport=transport,
            journal=journal,
            metrics=self._metrics,
            settings=settings,
        )
        self._parts.push_async_callback(traffic.prober.close)
        watch.subscribe(traffic.follow)
        return traffic

    async def serve(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set or another process has taken over, and the drain is over.

        The drain ends with the requests under way, or with its time.
        """
        async with asyncio.TaskGroup() as tasks:
            data = tasks.create_task(self._listeners.serve())
            tasks.create_task(self._console.serve())
            self._begin_handover()
            ends = [tasks.create_task(stop.wait()), tasks.create_task(self._handover.taken.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            self._draining = True
            await self._handover.close()
            if self._handover.taken.is_set():
                await self._leave_to_another()
            else:
                await self._leave(data)

    def _begin_handover(self) -> None:
        inherited = self._taken.take(Use.TAKEOVER) if self._taken else None
        if self._taken:
            self._taken.ready()
            self._taken.close()
        self._handover.start(inherited)

    async def _leave_to_another(self) -> None:
        _log.info("another process has taken over; what is under way here may end")
        self._listeners.stop(shared=True)
        self._console.stop()
        await self._grpc.stop(self._settings.drain_seconds)

    async def _leave(self, data: asyncio.Task[None]) -> None:
        """Ends the data plane first: until then the console tells load balancers what is going on."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.drain_seconds
        self._listeners.stop()
        self._console.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await asyncio.wait({data})
                await self._console.unused()
        left = max(end - loop.time(), 0.0)
        self._console.stop(left)
        await self._grpc.stop(left)

    async def reload(self) -> None:
        """Applies the configuration file again. What is wrong with it is logged, and changes nothing."""
        if self._file is None:
            _log.warning("there is no configuration file to apply again; --config names one")
            return
        try:
            await self._file.apply()
        except RunError as error:
            _log.error("nothing was changed: %s", error)

    async def close(self) -> None:
        """Writes what is left of the usage, and lets go of everything."""
        await self._parts.aclose()


def _timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        connect=settings.connect_timeout_seconds,
        first_byte=settings.first_byte_timeout_seconds,
        idle=settings.idle_timeout_seconds,
        total=settings.total_timeout_seconds,
    )


def _now() -> datetime:
    return datetime.now(UTC)
