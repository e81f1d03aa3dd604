"""Commands that fork are as those that are started."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process import CommandProcess, clean_environment
from tests.servers.forked import ForkedProcess, can_fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no pidfd")


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[CommandProcess]:
    """A forked command that runs until it is told to end."""
    command = CommandProcess(
        ["simulate", "--port", "0"], clean_environment(CANARY="known"), tmp_path, forked=True
    )
    assert isinstance(command.process, ForkedProcess)
    command.wait_for("http://")
    yield command
    command.kill()


def descriptors_of(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_it_has_what_it_was_given_and_nothing_else(simulator: CommandProcess, tmp_path: Path) -> None:
    process = Path(f"/proc/{simulator.process.pid}")
    assert (process / "cwd").readlink() == tmp_path
    assert (process / "fd/2").readlink() == simulator.log
    assert resource.prlimit(simulator.process.pid, resource.RLIMIT_NOFILE) == resource.getrlimit(
        resource.RLIMIT_NOFILE
    )
    started = subprocess.Popen(
        [sys.executable, "-m", "tollkeeper_server", "simulate", "--port", "0"],
        env=clean_environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with started:
        assert started.stdout is not None
        started.stdout.readline()
        descriptors = descriptors_of(started.pid)
        started.kill()
    assert descriptors_of(simulator.process.pid) == descriptors


def test_its_end_is_told_with_its_status(simulator: CommandProcess) -> None:
    assert simulator.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        simulator.process.wait(timeout=0)
    simulator.process.kill()
    assert simulator.process.wait() == simulator.process.poll() == -signal.SIGKILL
    simulator.process.send_signal(signal.SIGTERM)  # to nobody


def test_its_environment_is_the_one_given(tmp_path: Path) -> None:
    for token, remedy in (("", "openssl rand"), ("short", "characters")):
        environment = clean_environment(TOLLKEEPER_MANAGEMENT_TOKEN=token)
        command = CommandProcess(["serve"], environment, tmp_path, forked=True)
        assert command.wait() == 1
        assert remedy in command.said()


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "PYTHONHASHSEED", "GRPC_TRACE"])
def test_what_is_read_before_anything_is_imported_is_no_matter_of_a_fork(name: str) -> None:
    assert can_fork(clean_environment())
    assert not can_fork(clean_environment(**{name: "7"}))
