"""The machine that a run was made on."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT, Cores

_BUSY_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that figures depend on. `load_before` is the load average of the minute before the run."""

    processor: str
    cores: int
    gateway_cores: tuple[int, ...]
    load_cores: tuple[int, ...]
    worker_cores: tuple[int, ...]
    kernel: str
    python: str
    revision: str
    load_before: float


def describe_machine(cores: Cores) -> Machine:
    """Return the facts of this machine."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return Machine(
        processor=model[1] if model else platform.machine(),
        cores=os.cpu_count() or 1,
        gateway_cores=cores.gateway,
        load_cores=cores.load,
        worker_cores=cores.workers,
        kernel=platform.release(),
        python=platform.python_version(),
        revision=_revision(),
        load_before=round(os.getloadavg()[0], 2),
    )


def doubts(machine: Machine, cores: Cores) -> list[str]:
    """Return the reasons why figures of a machine are doubtful."""
    found = []
    if not cores.apart:
        found.append("there is one core only: gateway, load and upstreams take each other's time")
    if machine.load_before > _BUSY_LOAD:
        found.append(f"the machine was busy before the run (load average {machine.load_before:.2f})")
    return found


def _revision() -> str:
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()
