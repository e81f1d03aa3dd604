"""Handing the bound ports from a running process to the one that replaces it.

The running process waits at a UNIX socket in the data directory. A process of the same user that connects is
sent the listening sockets themselves, and says when it is ready; until then the running process goes on.
Then both share the queues of connections, and none is lost. SO_REUSEPORT can't promise that: closing a socket
resets the connections that wait in its queue.

The UNIX socket is handed on, too: a third process waits in its queue until the second is ready.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tollkeeper_server.doors.sockets import name_of
from tollkeeper_server.process.errors import RunError
from tollkeeper_server.process.unix_socket import accept, connect, listen, peer_of

_log = logging.getLogger("tollkeeper.takeover")
SOCKET_FILE = "takeover.sock"
FIRST_PROCESS = "a container ends with its first process; start another container in its place"
"""Why process 1 hands its ports to no process that would end with it."""
_READY = b"ready"
_ANSWER_SECONDS = 60.0
_RETRY_SECONDS = 0.05
_MAX_MESSAGE = 64 * 1024
# The kernel passes 253 at once at most (unix(7)).
_PORTS_A_MESSAGE = 100


class TakeoverError(RunError):
    """The running process did not hand its ports over."""


class Use(StrEnum):
    """The purpose of a port that is handed over."""

    DATA = "data"
    LISTENER = "listener"
    CONSOLE = "console"
    GRPC = "grpc"
    TAKEOVER = "takeover"


class Port(msgspec.Struct, frozen=True):
    """A port: its purpose, and the address that the settings name for it, if they do."""

    use: Use
    asked: str = ""


class Offer(msgspec.Struct, frozen=True):
    """The message that accompanies some sockets, in their order; `last` says that no more follow."""

    ports: tuple[Port, ...]
    last: bool


Ports = Sequence[tuple[Port, socket.socket]]


class Handover:
    """Offers this process's ports. `taken_over` is set when another process serves them."""

    def __init__(self, data_dir: Path, ports: Callable[[], Ports]) -> None:
        """`ports` returns those that are open, the UNIX socket not among them."""
        self._path = data_dir / SOCKET_FILE
        self._ports = ports
        self._listening: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._offered = False
        self.taken_over = asyncio.Event()

    def start(self, inherited: socket.socket | None) -> None:
        """Begin to offer, at the UNIX socket inherited or at a new one.

        If the directory can't have one or another process offers itself there, this process can't be taken
        over, and the log says so.
        """
        try:
            self._listening = inherited or listen(self._path)
        except OSError as error:
            _log.warning("this process can't be taken over: %s: %s", self._path, error.strerror or error)
            return
        self._task = asyncio.create_task(self._serve(self._listening))

    async def close(self) -> None:
        """Offer nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        if self._listening is not None:
            if not self._offered:  # else the socket is another process's by now, or soon
                with contextlib.suppress(OSError):
                    self._path.unlink()
            self._listening.close()
            self._listening = None

    def abandon(self) -> None:
        """Close the UNIX socket in a process that was forked, whose parent goes on with it."""
        if self._listening is not None:
            self._listening.close()

    async def _serve(self, listening: socket.socket) -> None:
        while not self.taken_over.is_set():
            with await accept(listening) as connected:
                try:
                    await self._hand_over(connected, listening)
                except OSError as error:
                    _log.warning("the ports could not be handed over: %s", error)
                    self._offered = False

    async def _hand_over(self, connected: socket.socket, listening: socket.socket) -> None:
        peer = peer_of(connected)
        if peer.uid != os.geteuid():
            _log.warning("a process of another user asked for the ports, and was refused")
            return
        if os.getpid() == 1 and peer.pid:
            _log.warning("process %d asked for the ports, and was refused: %s", peer.pid, FIRST_PROCESS)
            return
        ports = [*self._ports(), (Port(Use.TAKEOVER), listening)]
        self._offered = True
        for start in range(0, len(ports), _PORTS_A_MESSAGE):
            part = ports[start : start + _PORTS_A_MESSAGE]
            offer = Offer(
                ports=tuple(port for port, _ in part),
                last=start + _PORTS_A_MESSAGE >= len(ports),
            )
            socket.send_fds(connected, [msgspec.json.encode(offer)], [bound.fileno() for _, bound in part])
        if await asyncio.get_running_loop().sock_recv(connected, len(_READY)) == _READY:
            self.taken_over.set()
        else:
            _log.warning("the process that was to take over ended before it was ready; this one goes on")
            self._offered = False


class InheritedSockets:
    """The sockets that a running process handed over; none by default. `close` closes those not taken."""

    def __init__(self, connected: socket.socket | None = None, ports: Ports = ()) -> None:
        """Take the connection to the other process, which waits there to hear that this one is ready."""
        self._connected = connected
        self._ports = list(ports)

    def take(self, use: Use, asked: str = "") -> socket.socket | None:
        """Return a socket of that use, None if there is none.

        With `asked`, it is one at that address, or one for which the settings named that address.
        """
        for number, (port, bound) in enumerate(self._ports):
            if port.use is use and (not asked or asked in {port.asked, name_of(bound)}):
                del self._ports[number]
                bound.setblocking(False)
                return bound
        return None

    def take_listeners(self) -> list[socket.socket]:
        """Return the sockets of configured listeners."""
        return list(iter(lambda: self.take(Use.LISTENER), None))

    def confirm(self) -> None:
        """Tell the other process that its ports are served here; harmless if it is gone."""
        if self._connected is not None:
            with contextlib.suppress(OSError):
                self._connected.sendall(_READY)

    def close(self) -> None:
        """Close the sockets not taken. The other process goes on, unless `confirm` was called."""
        if self._connected is not None:
            self._connected.close()
        for _, bound in self._ports:
            bound.close()
        self._ports = []


def take_over(data_dir: Path, *, patience: float = _ANSWER_SECONDS) -> InheritedSockets | None:
    """Return the ports of the process that runs on a data directory, None if none runs.

    Waits up to `patience` seconds for the answer, and for a takeover that is under way. Raises
    `TakeoverError` if the ports are refused or do not come.
    """
    path, end = data_dir / SOCKET_FILE, time.monotonic() + patience
    attempts = Retrying(
        # The other process was just going down, or handed its ports over: another one may be there now.
        retry=retry_if_exception_type((EOFError, ConnectionError)),
        wait=wait_fixed(_RETRY_SECONDS),
        stop=stop_after_delay(patience),
        reraise=True,
    )
    try:
        return attempts(_ask, path, end)
    except (EOFError, OSError, msgspec.DecodeError) as error:
        raise TakeoverError(
            f"the process at {path} did not hand its ports over; see its log, or stop it first"
        ) from error


async def take_over_unless_cancelled(data_dir: Path) -> InheritedSockets | None:
    """Do what `take_over` does, and let the event loop go on meanwhile, so that a signal can end the wait."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[InheritedSockets | None] = loop.create_future()

    def settle(inherited: InheritedSockets | None, error: Exception | None) -> None:
        if answered.done():  # nobody waits any more
            if inherited is not None:
                inherited.close()
        elif error is not None:
            answered.set_exception(error)
        else:
            answered.set_result(inherited)

    def ask() -> None:
        inherited, failure = None, None
        try:
            inherited = take_over(data_dir)
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, inherited, failure)

    # The end of the process does not wait for this thread, as it would for one of the loop's.
    threading.Thread(target=ask, daemon=True).start()
    return await answered


def _ask(path: Path, end: float) -> InheritedSockets | None:
    connected = connect(path)
    if connected is None:
        return None
    connected.settimeout(max(end - time.monotonic(), _RETRY_SECONDS))
    with contextlib.ExitStack() as undo:
        undo.callback(connected.close)
        peer = peer_of(connected)
        if peer.uid != os.geteuid():
            raise TakeoverError(f"{path} belongs to a process of another user; run as the same user")
        if peer.pid == 1:
            raise TakeoverError(FIRST_PROCESS)
        inherited = _receive(connected)
        undo.pop_all()
        return inherited


def _receive(connected: socket.socket) -> InheritedSockets:
    """Receive the ports. Raises OSError, or EOFError if the other process goes away before."""
    with contextlib.ExitStack() as undo:
        ports: list[tuple[Port, socket.socket]] = []
        while True:
            data, fds, flags, _ = socket.recv_fds(connected, _MAX_MESSAGE, _PORTS_A_MESSAGE)
            sockets = [undo.enter_context(socket.socket(fileno=fd)) for fd in fds]
            for bound in sockets:
                bound.set_inheritable(False)
            if not data:
                raise EOFError
            offer = msgspec.json.decode(data, type=Offer)
            if len(offer.ports) != len(sockets) or flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
                raise OSError("the sockets did not come whole")
            ports += zip(offer.ports, sockets, strict=True)
            if offer.last:
                undo.pop_all()
                return InheritedSockets(connected, ports)
