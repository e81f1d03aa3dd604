"""A UNIX socket at which gRPC listens, for this process alone."""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_NAME = "grpc.sock"


class InnerSocket:
    """Where gRPC is reached within this process. Where there is /proc, its file is gone once it is bound."""

    def __init__(self, data_dir: Path, listen: Callable[[str], object]) -> None:
        """Have `listen` listen at the address that it gets, in the system's directory or `data_dir`.

        Raises the OSError or RuntimeError of the last that was tried.
        """
        self._pinned: int | None = None
        try:
            self._listen(Path(tempfile.gettempdir()), listen)
        except (OSError, RuntimeError):  # it can't be written to, or has no such sockets
            self._listen(data_dir, listen)
        self._pin()

    def connect(self) -> socket.socket:
        """Return a connection to gRPC. Raises OSError, as when too many wait to be accepted."""
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.setblocking(False)
        try:
            if sys.platform == "linux":
                connected.bind("")  # to a name that the kernel makes (unix(7)), by which gRPC tells it apart
            connected.connect(self._path)
        except OSError:
            connected.close()
            raise
        return connected

    def close(self) -> None:
        """Leave nothing behind."""
        if self._pinned is not None:
            os.close(self._pinned)
            self._pinned = None
        shutil.rmtree(self._directory, ignore_errors=True)

    def _listen(self, parent: Path, listen: Callable[[str], object]) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="tollkeeper-", dir=parent))  # this user's alone
        self._path = str(self._directory / _NAME)
        try:
            listen(f"unix:{self._path}")
        except BaseException:
            self.close()
            raise

    def _pin(self) -> None:
        """Keep the socket's file by a descriptor, so that a process that is killed leaves none behind."""
        if not hasattr(os, "O_PATH"):
            return
        pinned = os.open(self._path, os.O_PATH | os.O_CLOEXEC)
        by_descriptor = f"/proc/self/fd/{pinned}"
        if not Path(by_descriptor).exists():
            os.close(pinned)
            return
        self._pinned, self._path = pinned, by_descriptor
        with contextlib.suppress(OSError):
            shutil.rmtree(self._directory)


def peer_name(connected: socket.socket) -> str:
    """Return what gRPC calls the peer of a connection to it; the same for all where no names are made."""
    name = connected.getsockname()
    return f"unix-abstract:{name[1:].decode()}" if isinstance(name, bytes) and name else "unix:"
