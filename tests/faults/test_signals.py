"""Signals, from the first moment of a process on: it ends when it is told to, and for no other reason."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.process import MANAGEMENT_TOKEN, CommandProcess, Gateway, clean_environment, until

# Those that end a process by default, and that a server has no use for.
UNUSED = (signal.SIGUSR1, signal.SIGALRM, signal.SIGPIPE, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO)
REAL_TIME = signal.SIGRTMIN + 3
# A process that is given orphans has one, tells its id, and becomes the program that it is given.
WITH_AN_ORPHAN = """
import ctypes, os, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 or os.getpid() == 1
waiting = f"{sys.executable} -c 'import time; time.sleep(600)'"
subprocess.run(["sh", "-c", waiting + " >/dev/null 2>&1 & echo $! >orphan"], check=True)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a gateway on free ports."""
    ours = {
        "management_token": MANAGEMENT_TOKEN,
        "data_dir": str(folder / "data"),
        **{f"{listener}_address": "127.0.0.1:0" for listener in ("data", "console", "grpc")},
        **settings,
    }
    return clean_environment(**{f"TOLLKEEPER_{name.upper()}": value for name, value in ours.items()})


def handles(command: CommandProcess, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{command.process.pid}/status").read_text()
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[CommandProcess]:
    """A gateway that has just begun to start, and holds signals."""
    command = CommandProcess(["serve"], environment(tmp_path), tmp_path)
    until(lambda: handles(command, signal.SIGUSR2))
    yield command
    command.kill()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[CommandProcess]:
    """A gateway that waits, as it starts, for a store that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/x"
        command = CommandProcess(["serve"], environment(tmp_path, store=store), tmp_path)
        silent.settimeout(30)
        silent.accept()[0].close()
        yield command
        command.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_before_it_has_begun_ends(
    starting: CommandProcess, number: signal.Signals
) -> None:
    starting.process.send_signal(number)
    assert starting.wait() == 0
    assert "Traceback" not in starting.said()


def test_a_process_that_waits_for_its_store_can_be_told_to_end(waiting: CommandProcess) -> None:
    waiting.process.send_signal(signal.SIGTERM)
    assert waiting.wait() == 0
    assert "ended before it was ready" in waiting.said()
    assert "Traceback" not in waiting.said()


def test_a_process_that_waits_for_ports_can_be_told_to_end(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with silent:
        silent.bind(str(tmp_path / "data" / "takeover.sock"))
        silent.listen()
        silent.settimeout(30)
        command = CommandProcess(["serve", "--takeover"], environment(tmp_path), tmp_path)
        with silent.accept()[0]:
            command.process.send_signal(signal.SIGTERM)
            assert command.wait() == 0
    assert "ended before it was ready" in command.said()


def test_a_reload_that_comes_too_early_is_done_once_there_is_something_to_reload(
    starting: CommandProcess,
) -> None:
    starting.process.send_signal(signal.SIGHUP)
    starting.wait_for("ready: ")
    until(lambda: "no configuration file to apply again" in starting.said())
    assert starting.stop() == 0


def test_signals_without_a_use_end_nothing_while_it_starts(starting: CommandProcess) -> None:
    for number in (*UNUSED, REAL_TIME, signal.SIGUSR2):
        starting.process.send_signal(number)
    starting.wait_for("ready: ")
    for name in ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGIO", f"signal {REAL_TIME}"):
        assert f"{name} has no effect, and was ignored" in starting.said()
    assert starting.stop() == 0


def test_signals_without_a_use_end_nothing_while_it_serves(tmp_path: Path) -> None:
    """Of SIGPIPE nothing is told: the kernel sends it as often as callers leave whom one writes to."""
    with Gateway(tmp_path) as gateway:
        host, _, port = gateway.console.removeprefix("http://").rpartition(":")
        for _ in range(20):
            with socket.create_connection((host, int(port))) as caller:
                caller.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n" * 20)
        assert gateway.usage() == []
        for number in (*UNUSED, REAL_TIME):
            gateway.command.process.send_signal(number)
        told = ("SIGUSR1 has no effect", "SIGIO has no effect", f"signal {REAL_TIME} has no effect")
        until(lambda: all(words in gateway.command.said() for words in told))
        assert gateway.usage() == []
        assert gateway.command.stop() == 0
        assert "SIGPIPE" not in gateway.command.said()


class Reaper:
    """A gateway that is given orphans, and the one that it has from the start."""

    def __init__(self, folder: Path, *before: str, **settings: str) -> None:
        """Start it, by the program `before` if one is named."""
        self.log = folder / "log"
        command: Sequence[str] = (
            *before,
            sys.executable, "-c", WITH_AN_ORPHAN, "-m", "tollkeeper_server", "serve",
        )  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(folder, **settings), cwd=folder, stdout=log, stderr=log
            )
        until(lambda: "ready: " in self.said(), 30)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pid = int(children[0]) if before else self.process.pid
        self.orphan = next(
            int(pid)
            for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            if b"time.sleep(600)" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )

    def said(self) -> str:
        """Return all that it wrote."""
        return self.log.read_text(errors="replace")

    def orphan_ends(self) -> None:
        """End the orphan, and wait until nothing is left of it."""
        os.kill(self.orphan, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{self.orphan}").exists())

    def stop(self) -> int:
        """Have it end, and return its status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End whatever is left."""
        for pid in {self.pid, self.process.pid}:
            if self.process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def test_orphans_are_collected_and_children_left_to_who_started_them(tmp_path: Path) -> None:
    mistake = tmp_path / "settings.yaml"
    mistake.write_text("log_level: info\n")
    gateway = Reaper(tmp_path, settings=str(mistake))
    try:
        gateway.orphan_ends()
        mistake.write_text("nonsense: 1\n")
        os.kill(gateway.pid, signal.SIGUSR2)  # the process that is to take over fails, with status 1
        until(lambda: "that was to take over ended with 1" in gateway.said())
        assert gateway.stop() == 0
    finally:
        gateway.kill()


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """What runs a program as the first process of a namespace, as a container does."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    try:
        allowed = subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("unshare, or leave to make namespaces, is not there")
    return command


def test_the_first_process_of_a_container_is_not_replaced_and_ends_when_told(
    tmp_path: Path, namespace: list[str]
) -> None:
    gateway = Reaper(tmp_path, *namespace)
    try:
        os.kill(gateway.pid, signal.SIGUSR2)
        until(lambda: "SIGUSR2 was ignored: a container ends with its first process" in gateway.said())
        for number in (*UNUSED, REAL_TIME):
            os.kill(gateway.pid, number)
        until(lambda: f"signal {REAL_TIME} has no effect" in gateway.said())
        gateway.orphan_ends()
        assert gateway.stop() == 0
    finally:
        gateway.kill()
