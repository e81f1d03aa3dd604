"""Handing the bound ports from a running process to the one that replaces it.

The running process waits at a UNIX socket in the data directory. Whoever connects with the same user id is
sent the listening sockets themselves, and says when it is ready; until then the running process goes on.
Both have the same queues of connections then, so none is lost, which SO_REUSEPORT can't promise: closing a
socket resets what waits in its queue. gRPC, which takes no socket, is bound that way nevertheless.

The UNIX socket is handed on, too: a third process waits in its queue until the second is ready.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

_log = logging.getLogger("tollkeeper.takeover")
SOCKET_FILE = "takeover.sock"
_READY = b"ready"
_ANSWER_SECONDS = 60.0
_RETRY_SECONDS = 0.05
_MAX_MESSAGE = 64 * 1024
# The kernel passes 253 at once at most (unix(7)).
_PORTS_A_MESSAGE = 100
# Linux's limit of 108 for a socket's path, with its end (unix(7)).
_MAX_PATH = 107


class TakeoverError(Exception):
    """The running process did not hand its ports over; the message says why and what to do."""


class Use(StrEnum):
    """What a port that is handed over is for."""

    DATA = "data"
    LISTENER = "listener"
    CONSOLE = "console"
    TAKEOVER = "takeover"


class Port(msgspec.Struct, frozen=True):
    """A port: what it is for, and the address that was asked for, if it was in the settings."""

    use: Use
    asked: str = ""


class Offer(msgspec.Struct, frozen=True):
    """What comes with some sockets, in their order; `last` tells that there are no more.

    `grpc_asked` is gRPC's address as the settings say it, `grpc` as it is.
    """

    ports: tuple[Port, ...]
    grpc_asked: str
    grpc: str
    last: bool


Ports = Sequence[tuple[Port, socket.socket]]


class Handover:
    """Offers this process's ports. `taken` is set when another process serves them."""

    def __init__(self, data_dir: Path, ports: Callable[[], Ports], grpc_asked: str, grpc: str) -> None:
        """`ports` returns those that are open, the UNIX socket not among them."""
        self._path = data_dir / SOCKET_FILE
        self._ports = ports
        self._grpc_asked = grpc_asked
        self._grpc = grpc
        self._listening: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._offered = False
        self.taken = asyncio.Event()

    def start(self, inherited: socket.socket | None) -> None:
        """Begins to offer, at the UNIX socket inherited or at one of its own.

        Without one, because the directory can't have it or another process offers itself there, nothing
        can be taken over, and the log says so.
        """
        try:
            self._listening = inherited or _listen(self._path)
        except OSError as error:
            _log.warning("this process can't be taken over: %s: %s", self._path, error.strerror or error)
            return
        self._task = asyncio.create_task(self._serve(self._listening))

    async def close(self) -> None:
        """Offers nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        if self._listening is not None:
            if not self._offered:  # else it is another's by now, or soon
                with contextlib.suppress(OSError):
                    self._path.unlink()
            self._listening.close()
            self._listening = None

    async def _serve(self, listening: socket.socket) -> None:
        while not self.taken.is_set():
            with await _accept(listening) as connected:
                connected.setblocking(False)
                try:
                    await self._hand_over(connected, listening)
                except OSError as error:
                    _log.warning("the ports could not be handed over: %s", error)
                    self._offered = False

    async def _hand_over(self, connected: socket.socket, listening: socket.socket) -> None:
        if peer_uid(connected) != os.geteuid():
            _log.warning("a process of another user asked for the ports, and was refused")
            return
        ports = [*self._ports(), (Port(Use.TAKEOVER), listening)]
        self._offered = True
        for start in range(0, len(ports), _PORTS_A_MESSAGE):
            part = ports[start : start + _PORTS_A_MESSAGE]
            offer = Offer(
                ports=tuple(port for port, _ in part),
                grpc_asked=self._grpc_asked,
                grpc=self._grpc,
                last=start + _PORTS_A_MESSAGE >= len(ports),
            )
            socket.send_fds(connected, [msgspec.json.encode(offer)], [bound.fileno() for _, bound in part])
        if await asyncio.get_running_loop().sock_recv(connected, len(_READY)) == _READY:
            self.taken.set()
        else:
            _log.warning("the process that was to take over ended before it was ready; this one goes on")
            self._offered = False


class Taken:
    """The ports that a running process handed over. What nobody takes is closed."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected
        self._ports: list[tuple[Port, socket.socket]] = []
        self._grpc = ("", "")

    def receive(self) -> None:
        """Receives the ports. Raises OSError, or EOFError if the other process goes away before."""
        last = False
        while not last:
            data, fds, flags, _ = socket.recv_fds(self._connected, _MAX_MESSAGE, _PORTS_A_MESSAGE)
            sockets = [socket.socket(fileno=fd) for fd in fds]
            for bound in sockets:
                bound.set_inheritable(False)
            if not data:
                raise EOFError
            offer = msgspec.json.decode(data, type=Offer)
            if len(offer.ports) != len(sockets) or flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
                for bound in sockets:
                    bound.close()
                raise OSError("the sockets did not come whole")
            self._ports += zip(offer.ports, sockets, strict=True)
            self._grpc = (offer.grpc_asked, offer.grpc)
            last = offer.last

    def take(self, use: Use, asked: str = "") -> socket.socket | None:
        """Returns a port by its use, and by the address asked for or had; None if there is none."""
        for number, (port, bound) in enumerate(self._ports):
            if port.use is use and asked in {port.asked, _address(bound)}:
                del self._ports[number]
                bound.setblocking(False)
                return bound
        return None

    def take_listeners(self) -> list[socket.socket]:
        """Returns the ports of configured listeners."""
        return list(iter(lambda: self._take_listener(), None))

    def grpc(self, asked: str) -> str | None:
        """Returns the address that gRPC has, if it is what is asked for."""
        return self._grpc[1] if asked in self._grpc else None

    def ready(self) -> None:
        """Tells the other process that its ports are served; harmless if it is gone."""
        with contextlib.suppress(OSError):
            self._connected.sendall(_READY)

    def close(self) -> None:
        """Closes what was not taken. The other process goes on, unless it was told that all is ready."""
        self._connected.close()
        for _, bound in self._ports:
            bound.close()
        self._ports = []

    def _take_listener(self) -> socket.socket | None:
        for number, (port, bound) in enumerate(self._ports):
            if port.use is Use.LISTENER:
                del self._ports[number]
                bound.setblocking(False)
                return bound
        return None


def take_over(data_dir: Path, *, patience: float = _ANSWER_SECONDS) -> Taken | None:
    """Asks the process that runs on a data directory for its ports; None if there is none.

    Waits for a takeover that is under way. Raises `TakeoverError` if the ports are refused or do not come.
    """
    path = data_dir / SOCKET_FILE
    end = time.monotonic() + patience
    while True:
        connected = _connect(path)
        if connected is None:
            return None
        connected.settimeout(max(end - time.monotonic(), _RETRY_SECONDS))
        if peer_uid(connected) != os.geteuid():
            connected.close()
            raise TakeoverError(f"{path} belongs to a process of another user; run as the same user")
        taken = Taken(connected)
        try:
            taken.receive()
        except (EOFError, OSError, msgspec.DecodeError) as error:
            taken.close()
            if isinstance(error, (EOFError, ConnectionError)) and time.monotonic() < end:
                time.sleep(_RETRY_SECONDS)  # it was just going down, or handed over; see who is there now
                continue
            raise TakeoverError(
                f"the process at {path} did not hand its ports over; see its log, or stop it first"
            ) from error
        return taken


def peer_uid(connected: socket.socket) -> int:
    """Returns the user id of the process at the other end, as the kernel knows it."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def _listen(path: Path) -> socket.socket:
    connected = _connect(path)
    if connected is not None:
        connected.close()
        raise OSError("another process of this data directory offers itself there")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # a process that died has left it
        with _reachable(path) as name:
            listening.bind(name)
        path.chmod(0o600)
        listening.listen()
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


async def _accept(listening: socket.socket) -> socket.socket:
    """Accepts a connection, and loses none when it is cancelled."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(listening.fileno(), readable.set)
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                return listening.accept()[0]
            readable.clear()
            await readable.wait()
    finally:
        loop.remove_reader(listening.fileno())


def _connect(path: Path) -> socket.socket | None:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _reachable(path) as name:
            connected.connect(name)
    except (FileNotFoundError, ConnectionRefusedError):
        connected.close()
        return None
    except OSError:
        connected.close()
        raise
    return connected


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Gives a name of the path that is short enough for a socket's."""
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _address(bound: socket.socket) -> str:
    if bound.family == socket.AF_UNIX:
        return ""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
