"""A server process that a test can stop, and start again on the same port."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.servers.ports import free_port

START_SECONDS = 30.0


class ServerFailedError(Exception):
    """A server that is there did not start; the message holds the end of its log."""


class ServerProcess:
    """One server on 127.0.0.1. What it keeps on disk outlives `stop`."""

    def __init__(
        self,
        name: str,
        directory: Path,
        command: Callable[[int], Sequence[str]],
        *,
        environment: Mapping[str, str] | None = None,
        patience: float = START_SECONDS,
    ) -> None:
        """Take what makes the command line for a port. Nothing runs before `start`.

        `environment` replaces this process's. A server that does not listen after `patience` seconds has
        failed.
        """
        self.name = name
        self._environment = environment
        self._patience = patience
        self.port = free_port()
        self._command = command
        self._log = directory / f"{name}.log"
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def runs(self) -> bool:
        """Return whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server unless it runs, and returns when it accepts connections."""
        if self.runs():
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self._command(self.port)),
                cwd=self.directory,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + self._patience
        while not self._accepts():
            if not self.runs() or time.monotonic() > deadline:
                self.stop()
                tail = self._log.read_text(errors="replace")[-2000:]
                raise ServerFailedError(f"{self.name} did not start on port {self.port}:\n{tail}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server as a power cut would, and returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have the server hang: it accepts connections, and says nothing until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have the server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return self.runs()
