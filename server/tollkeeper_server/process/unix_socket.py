"""A UNIX socket at a path, for messages between two processes of one user."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Linux's limit of 108 for a socket's path, with its end (unix(7)).
_MAX_PATH = 107


def listen(path: Path, kind: socket.SocketKind = socket.SOCK_SEQPACKET) -> socket.socket:
    """Return a socket that listens at `path`, for this user alone. Raises OSError if another process does."""
    connected = connect(path, kind)
    if connected is not None:
        connected.close()
        raise OSError("another process of this data directory offers itself there")
    listening = socket.socket(socket.AF_UNIX, kind)
    try:
        path.unlink(missing_ok=True)  # left by a process that died
        with _reachable(path) as name:
            listening.bind(name)
        path.chmod(0o600)
        listening.listen()
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


async def accept(listening: socket.socket) -> socket.socket:
    """Return the next connection; being cancelled loses none."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(listening.fileno(), readable.set)
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                connected, _ = listening.accept()
                connected.setblocking(False)
                return connected
            readable.clear()
            await readable.wait()
    finally:
        loop.remove_reader(listening.fileno())


def connect(path: Path, kind: socket.SocketKind = socket.SOCK_SEQPACKET) -> socket.socket | None:
    """Return a connection to the process that listens at `path`, None if none does. Raises OSError."""
    connected = socket.socket(socket.AF_UNIX, kind)
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


class Peer(NamedTuple):
    """The process at the other end, as the kernel knows it. `pid` is 0 if that is not ours to see."""

    pid: int
    uid: int


def peer_of(connected: socket.socket) -> Peer:
    """Return which process is at the other end, or listened there when it was connected to."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(pid, uid)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Give a name of the path that is short enough for a socket's."""
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
