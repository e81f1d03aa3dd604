"""The data plane's ports: the gateway's own, and those that are configured, opened and closed as it runs."""

import asyncio
import logging
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tollkeeper_server.dataplane.caller import App
from tollkeeper_server.domain.address import SocketAddress, parse_address
from tollkeeper_server.domain.listener import MAIN
from tollkeeper_server.doors.binding import OWN_PORTS, Binding, NotYetError
from tollkeeper_server.doors.sockets import ListenError, address_of, bind_address
from tollkeeper_server.doors.tls import HTTP1, ServedCertificate
from tollkeeper_server.http1.server.bounds import CallerBounds
from tollkeeper_server.http1.server.limits import TimeLimits
from tollkeeper_server.http1.server.listener import DataListener
from tollkeeper_server.snapshot.model import ListenerView, Snapshot

_log = logging.getLogger("tollkeeper.http")
# When a port that could not be opened is tried again: soon, as it may just be closing, then less often.
_FIRST_RETRY_SECONDS = 0.005
_LAST_RETRY_SECONDS = 5.0
NO_CERTIFICATE = (
    "this gateway has no certificate; start it with --tls-cert and --tls-key, or with --tls self-signed"
)


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the data plane: whose it is, where, and the number of its open connections.

    `problem` is why it is not open, None if it is.
    """

    name: str
    address: str
    problem: str | None
    connections: int
    tls: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    limits: TimeLimits
    tls: bool


class Listeners:
    """Keeps a `DataListener` for each active listener of the snapshot, and one for the gateway's own port,
    unless a listener has that address, or all addresses of that port.

    A port goes on while its address stays, whatever else changes. One that can't be opened disturbs no
    other: it is tried again with each snapshot, and now and then.
    """

    def __init__(
        self,
        app: App,
        own: socket.socket,
        *,
        drain_seconds: float,
        inherited: Iterable[socket.socket] = (),
        bounds: CallerBounds | None = None,
        certificate: ServedCertificate | None = None,
        own_tls: bool = False,
        binding: Binding = OWN_PORTS,
        accepts: bool = True,
    ) -> None:
        """Take the gateway's own port, bound, and the ports that another process had open.

        With `own_tls` the gateway's own port speaks TLS, and so does a listener that takes its place. All
        ports share the `bounds`. Sockets come from the `binding`. Unless it `accepts`, other processes serve
        the ports, and this one keeps them open.
        """
        self._app = app
        self._own = address_of(own)
        self._drain_seconds = drain_seconds
        self._bounds = bounds or CallerBounds()
        self._certificate = certificate
        self._own_tls = own_tls
        self._binding = binding
        self._accepts = accepts
        self._bound: dict[SocketAddress, socket.socket] = {self._own: own}
        self._inherited = {address_of(bound): bound for bound in inherited}
        self._wanted: dict[SocketAddress, _Wanted] = {}
        self._open: dict[SocketAddress, DataListener] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._retrying: asyncio.Task[None] | None = None
        self._started = False
        self._stopped = asyncio.Event()
        self._told: dict[str, str] = {}
        self._views: Mapping[str, ListenerView] = {}
        self.problems: dict[str, str] = {}
        """Why a listener's port is not open, by the listener's name."""

    def follow(self, snapshot: Snapshot) -> None:
        """Open, change and close ports until they are as the snapshot says."""
        if self._stopped.is_set():
            return
        self._told, self.problems = self.problems, {}
        self._views = snapshot.listeners
        self._wanted = self._wanted_by(self._views)
        given_up = self._bound.keys() - self._wanted.keys()
        for where in self._bound.keys() & self._wanted.keys():
            if self._lacks_certificate(self._wanted[where]):
                self._close(where)
        if self._own in self._bound and self._own not in self._wanted:
            self._close(self._own)  # what covers it can't be opened before
        self._open_wanted(given_up)
        for where in self._bound.keys() - self._wanted.keys():
            self._close(where)
        for where in list(self._inherited):
            self._inherited.pop(where).close()
            self._binding.gone(where)
        if self.problems and self._started and self._retrying is None:
            self._retrying = asyncio.create_task(self._retry())

    def check(self, address: str) -> str | None:
        """Return why `HOST:PORT` can't be listened on; None if it can be, or is already."""
        try:
            where = _parse(address)
            if where not in self._bound and not where.covers(self._own):
                bind_address(where, listening=False).close()
        except ListenError as error:
            return str(error)
        return None

    def sockets(self) -> list[socket.socket]:
        """Return the ports that are open, the gateway's own first."""
        return sorted(self._bound.values(), key=lambda bound: address_of(bound) != self._own)

    @property
    def problem(self) -> str | None:
        """Which listeners' ports are not open, and why; None if all are."""
        return "; ".join(f"{name}: {why}" for name, why in sorted(self.problems.items())) or None

    def ports(self) -> list[Port]:
        """Return every port there is, or is to be, by name."""
        closed = [self._closed(name, problem) for name, problem in self.problems.items()]
        counts = self.connections()
        opened = [
            Port(it.name, str(where), None, counts.get(it.name, 0), it.tls)
            for where, it in self._wanted.items()
            if it.name not in self.problems and where in self._bound
        ]
        return sorted(closed + opened, key=lambda it: it.name)

    def connections(self) -> dict[str, int]:
        """Return how many connections are open, by the listener's name."""
        return {listener.name: listener.connections for listener in self._open.values()}

    def refused(self) -> dict[str, int]:
        """Return how many connections were refused or given up, by reason."""
        return self._bounds.refused()

    async def serve(self) -> None:
        """Serve until told to stop, and until every connection has ended or the drain time has."""
        self._started = True
        for where, bound in self._bound.items():
            self._serve(where, bound)
        if self.problems and self._retrying is None:
            self._retrying = asyncio.create_task(self._retry())
        await self._stopped.wait()
        while self._serving:
            await asyncio.wait(self._serving)

    def stop(self, *, shared: bool = False) -> None:
        """Accept nothing more. `shared`: another process goes on with the ports."""
        self._stopped.set()
        if self._retrying is not None:
            self._retrying.cancel()
        for listener in self._open.values():
            listener.stop(shared=shared)
        if not self._accepts:
            self.close()

    def release(self, where: SocketAddress) -> None:
        """Close a port whose socket is no longer to be used; it is opened again if another one comes."""
        if where in self._bound:
            self._close(where)
            self.look_again()

    def look_again(self) -> None:
        """Try to open what is wanted and not open."""
        if not self._stopped.is_set():
            self._open_wanted()
            if self.problems and self._started and self._retrying is None:
                self._retrying = asyncio.create_task(self._retry())

    def close(self) -> None:
        """Close every port."""
        for bound in (*self._bound.values(), *self._inherited.values()):
            bound.close()

    def _closed(self, name: str, problem: str) -> Port:
        view = self._views.get(name)
        if view is None:  # the gateway's own
            return Port(name, str(self._own), problem, 0, self._own_tls)
        return Port(name, view.address, problem, 0, view.tls)

    def _wanted_by(self, views: Mapping[str, ListenerView]) -> dict[SocketAddress, _Wanted]:
        wanted: dict[SocketAddress, _Wanted] = {}
        for name, view in sorted(views.items()):
            try:
                where = _parse(view.address)
            except ListenError as error:
                self._complain(name, str(error))
                continue
            if where in wanted:
                self._complain(
                    name, f"{where} is the listener {wanted[where].name}'s; give one of them another address"
                )
            else:
                tls = view.tls or (self._own_tls and (where == self._own or where.covers(self._own)))
                wanted[where] = _Wanted(name, TimeLimits(head=view.head_timeout), tls)
        if not any(where.covers(self._own) for where in wanted):
            wanted.setdefault(self._own, _Wanted(MAIN, TimeLimits(), self._own_tls))
        return wanted

    def _open_wanted(self, given_up: Collection[SocketAddress] = ()) -> None:
        for where, wanted in self._wanted.items():
            if self._lacks_certificate(wanted):
                self._complain(wanted.name, f"it speaks TLS, and {NO_CERTIFICATE}")
                continue
            if where not in self._bound:
                try:
                    bound = self._inherited.pop(where, None) or self._binding.bind(where)
                except NotYetError as error:
                    self.problems[wanted.name] = str(error)
                    continue
                except ListenError as error:
                    in_the_way = next((it for it in given_up if it.overlaps(where)), None)
                    if in_the_way is None:
                        self._complain(wanted.name, str(error))
                    else:  # nothing to complain about, unless it still is when this is tried again
                        self.problems[wanted.name] = f"{where} is opened as soon as {in_the_way} is closed"
                    continue
                self.problems.pop(wanted.name, None)
                self._bound[where] = bound
                _log.info("the listener %s is open on %s", wanted.name, where)
                if self._started:
                    self._serve(where, bound)
            listener = self._open.get(where)
            if listener is not None:
                listener.name, listener.limits = wanted.name, wanted.limits
                if wanted.tls != (listener.tls is not None):
                    self._exchange(where, listener)

    def _lacks_certificate(self, wanted: _Wanted) -> bool:
        return wanted.tls and self._certificate is None

    def _exchange(self, where: SocketAddress, listener: DataListener) -> None:
        """Keep a port, with TLS or without; its open connections end with their next answer."""
        self._bound[where] = bound = listener.bound.dup()
        bound.setblocking(False)
        listener.stop(shared=True)
        self._serve(where, bound)

    def _serve(self, where: SocketAddress, bound: socket.socket) -> None:
        if not self._accepts:
            return
        wanted = self._wanted[where]
        certificate = self._certificate if wanted.tls else None
        listener = self._open[where] = DataListener(
            self._app,
            bound,
            name=wanted.name,
            limits=wanted.limits,
            drain_seconds=self._drain_seconds,
            bounds=self._bounds,
            tls=None if certificate is None else certificate.context(HTTP1),
        )
        task = asyncio.create_task(listener.serve())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _close(self, where: SocketAddress) -> None:
        _log.info("the port %s is closed", where)
        bound = self._bound.pop(where)
        self._binding.gone(where)
        listener = self._open.pop(where, None)
        if listener is None:
            bound.close()
        else:
            listener.stop()

    async def _retry(self) -> None:
        delay = _FIRST_RETRY_SECONDS
        while self.problems:
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_RETRY_SECONDS)
            self._open_wanted()
        self._retrying = None

    def _complain(self, name: str, problem: str) -> None:
        if problem not in {self._told.get(name), self.problems.get(name)}:
            _log.error("the listener %s is not open: %s", name, problem)
        self.problems[name] = problem


def _parse(address: str) -> SocketAddress:
    try:
        return parse_address(address)
    except ValueError as error:
        raise ListenError(f"{address} is not an address to listen on: {error}") from None
