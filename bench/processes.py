"""The processes of a run: pinned to cores, measured from /proc, and ended with the run in any case.

Only for Linux.
"""

import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.errors import BenchError
from bench.programs import Program, path_of

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 30.0
_END_SECONDS = 5.0
_CORES_FOR_WORKERS = 4
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = (FileNotFoundError, ProcessLookupError)  # a process or thread that has just ended
_CONFIGURES = re.compile(r"TOLLKEEPER_|MANAGEMENT_TOKEN|OPENAI_|LITELLM_|.*_PROXY$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of a run: one for the measured process, others for load and upstreams.

    `workers` are for gateways of several processes: they include the load's where there are too few.
    """

    gateway: tuple[int, ...]
    load: tuple[int, ...]
    workers: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether load and gateway have different cores."""
        return not set(self.gateway) & set(self.load)

    @property
    def workers_apart(self) -> bool:
        """Whether load and gateways of several processes have different cores."""
        return not set(self.workers) & set(self.load)


def share_cores() -> Cores:
    """Return the last core that this process may use for the gateway, and the others for the load.

    With four or more, the last two are for gateways of several processes alone.
    """
    allowed = tuple(sorted(os.sched_getaffinity(0)))
    if len(allowed) >= _CORES_FOR_WORKERS:
        return Cores(allowed[-1:], allowed[:-2], allowed[-2:])
    return Cores(allowed[-1:], allowed[:-1] or allowed, allowed)


@dataclass(frozen=True, slots=True)
class Cpu:
    """The CPU time of processes so far, of all their threads, in seconds."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """The sum of user and system time."""
        return self.user + self.system

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user - other.user, self.system - other.system)


class Process:
    """A process, and its output."""

    def __init__(self, name: str, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.pid = popen.pid
        self.log = log
        self._popen = popen

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._popen.poll() is None

    def wait_for(self, pattern: str, seconds: float = _START_SECONDS) -> re.Match[str]:
        """Return the first match in the output. Raises `BenchError` if the process ends or is too slow."""
        deadline = time.monotonic() + seconds
        while True:
            ended = not self.running
            found = re.search(pattern, self.written())
            if found:
                return found
            self._check(ended, deadline)

    def wait_listening(self, port: int, seconds: float = _START_SECONDS) -> None:
        """Wait until 127.0.0.1 accepts connections. Raises `BenchError` if it ends or is too slow."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            self._check(not self.running, deadline)

    def _check(self, ended: bool, deadline: float) -> None:
        if ended or time.monotonic() > deadline:
            what = "ended before it was ready" if ended else "did not become ready in time"
            raise BenchError(f"{self.name} {what}; it wrote:\n{self.written()[-2000:]}")
        time.sleep(0.02)

    def wait(self, seconds: float) -> str:
        """Wait for the process to end by itself; return its output. Raises `BenchError` if it fails."""
        try:
            status = self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"{self.name} did not end within {seconds:.0f} s") from None
        if status:
            raise BenchError(f"{self.name} ended with status {status}; it wrote:\n{self.written()[-2000:]}")
        return self.written()

    def written(self) -> str:
        """Return its output so far, standard output and standard error."""
        return self.log.read_text(errors="replace")

    def family(self) -> frozenset[int]:
        """Return its pid, and those of its children and theirs."""
        return frozenset(_family(self.pid))

    def cpu(self) -> Cpu:
        """Return the CPU time so far of it, and of its children and theirs that have not ended."""
        user = system = 0
        for pid in _family(self.pid):
            with contextlib.suppress(*_GONE):
                after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                user += int(after_name[11])
                system += int(after_name[12])
        return Cpu(user / _TICKS, system / _TICKS)

    def resident(self) -> int:
        """Return its own memory in RAM, in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    def kill(self) -> None:
        """End the process, its children and theirs, and wait for their end."""
        with contextlib.ExitStack() as stack:
            children: list[int] = []
            if self.running:
                for pid in self.family() - {self.pid}:
                    with contextlib.suppress(ProcessLookupError):
                        children.append(os.pidfd_open(pid))
                        stack.callback(os.close, children[-1])
                self._popen.kill()
            self._popen.wait()
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(child, signal.SIGKILL)
                select.select([child], [], [], _END_SECONDS)


class Processes:
    """The processes of a run. They end when the context is left, or when this process is killed."""

    def __init__(self, directory: Path) -> None:
        """Take the folder for their logs."""
        self._directory = directory
        self._started: list[Process] = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:  # without their clean-up: the run's folder is deleted
            process.kill()

    def start(
        self,
        name: str,
        command: Sequence[str],
        cores: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a command on some cores, in the folder of the repository."""
        log = self._directory / f"{name}-{len(self._started)}.log"
        pinned = [
            *(path_of(Program.SETPRIV), "--pdeathsig", "KILL", "--"),
            *(path_of(Program.TASKSET), "--cpu-list", ",".join(map(str, cores))),
            *command,
        ]
        with log.open("wb") as output:
            popen = subprocess.Popen(
                pinned,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=clean_environment() | dict(environment or {}),
            )
        process = Process(name, popen, log)
        self._started.append(process)
        return process

    def run(self, name: str, command: Sequence[str], cores: Sequence[int], seconds: float) -> str:
        """Run a command on some cores, and return its output.

        Raises `BenchError` if it fails or takes longer than `seconds`.
        """
        process = self.start(name, command, cores)
        try:
            return process.wait(seconds)
        finally:
            process.kill()
            self._started.remove(process)
            process.log.unlink()


def _family(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(*_GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(*_GONE):
                for child in (task / "children").read_text().split():
                    found += _family(int(child))
    return found


def clean_environment() -> dict[str, str]:
    """Return this process's environment without variables that configure the subjects."""
    return {name: value for name, value in os.environ.items() if not _CONFIGURES.match(name)}


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
