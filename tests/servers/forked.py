"""Commands of the gateway that fork from a process which has imported it: most of a start is imports."""

import atexit
import contextlib
import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from tests.servers.fork_server import Wanted

_ROOT = Path(__file__).parents[2]
_PYTHON = sys.executable
# Python, its allocator, the loader and libraries read these before a command could set them.
_READ_EARLY = ("PYTHON", "MALLOC_", "LD_", "GLIBC_", "GRPC_", "OPENSSL_", "UV_")


def can_fork(environment: Mapping[str, str]) -> bool:
    """Return whether with this environment a forked command is as one that was started."""
    usual = sys.platform == "linux" and sys.executable == _PYTHON
    return usual and _read_early(environment) == _read_early(os.environ)


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in environment.items() if name.startswith(_READ_EARLY)}
    if "PYTHONPATH" in found:  # what starts in another folder has it with whole paths
        found["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, found["PYTHONPATH"].split(os.pathsep)))
    return found


class ForkedProcess:
    """One command that runs, with the part of `subprocess.Popen` that tests use."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path, log: IO[bytes]
    ) -> None:
        """Start it. Its standard output is the pipe `stdout`, its standard error goes to the log."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = Wanted(list(arguments), dict(environment), str(directory), limits)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours, theirs = os.pipe()
        try:
            server.connect(_fork_server())
            socket.send_fds(server, [msgspec.json.encode(wanted)], [theirs, log.fileno()])
            answer, (self._pidfd,), _, _ = socket.recv_fds(server, 64, 1)
        except BaseException:
            server.close()
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self.pid = int(answer)
        self.stdout = os.fdopen(ours, encoding="utf-8")
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._await_end, args=(server,), daemon=True).start()

    def _await_end(self, server: socket.socket) -> None:
        with server:
            status = int(server.recv(64) or -signal.SIGKILL)  # nothing where the server itself has ended
        with self._lock:
            self.returncode = status
            os.close(self._pidfd)
        self._ended.set()

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status. Raises subprocess.TimeoutExpired."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("tollkeeper", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _fork_server() -> str:
    # Starts come from several threads: the first of them makes it.
    with _STARTING:
        return _started_server()


_STARTING = threading.Lock()


@functools.cache
def _started_server() -> str:
    directory = tempfile.TemporaryDirectory(prefix="tollkeeper-fork-server-")
    address = str(Path(directory.name) / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        server = subprocess.Popen(
            [_PYTHON, "-m", "tests.servers.fork_server", str(listener.fileno())],
            stdin=subprocess.PIPE,
            cwd=_ROOT,
            pass_fds=[listener.fileno()],
        )

    def end() -> None:
        server.communicate()
        directory.cleanup()

    atexit.register(end)
    return address
