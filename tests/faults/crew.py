"""The processes of a gateway that has workers, and what becomes of them."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.integration.process import Gateway, until

CONTROL = "tk-control"


def crew_of(supervisor: int) -> dict[str, int]:
    """Return the processes that a supervisor has, by name."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    found = {}
    for pid in map(int, children):
        name = name_of(pid)
        if name.startswith("tk-"):
            found[name] = pid
    return found


def crew(gateway: Gateway) -> dict[str, int]:
    """Return the processes of a gateway, by name."""
    return crew_of(gateway.command.process.pid)


def name_of(pid: int) -> str:
    """Return a process's name, empty if there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid: int) -> bool:
    """Return whether there is such a process, which has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid: int) -> None:
    """End a process as a crash would."""
    os.kill(pid, signal.SIGKILL)


def replaced(gateway: Gateway, name: str, before: Mapping[str, int]) -> int:
    """Wait until another process has the place of one that ended, and returns it."""

    def other() -> int:
        now = crew(gateway).get(name, 0)
        return 0 if now == before[name] else now

    return until(other, 30)


def all_gone(pids: Mapping[str, int]) -> bool:
    """Return whether none of the processes is left."""
    return not any(map(is_alive, pids.values()))
