"""Virtual environments below `.cache/real`, each with what one lock file beside this file names."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "real"
INSTALL_SECONDS = 3000.0


class InstallError(Exception):
    """What a test needs can't be installed; the message holds the end of what pip said."""


def is_installed(name: str) -> bool:
    """Return whether the environment that `{name}.lock` describes is there."""
    return _stamp(name).exists()


def _stamp(name: str) -> Path:
    edition = hashlib.sha256(_lock(name).read_bytes()).hexdigest()[:12]
    return CACHE / name / f".made-{edition}"


def _lock(name: str) -> Path:
    return Path(__file__).parent / f"{name}.lock"


def install(name: str, *, environment: Mapping[str, str] | None = None, note: str = "") -> Path:
    """Return the Python of the environment that `{name}.lock` describes, which is made unless it is there.

    `environment` is added to what pip sees. Raises `InstallError`.
    """
    lock, folder = _lock(name), CACHE / name
    python = folder / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.making").open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        if is_installed(name):
            return python
        say(f"Installing {lock.name} into {folder.relative_to(ROOT)}, once{note}.")
        run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--require-hashes", "-r", str(lock)], environment)
        _stamp(name).touch()
    return python


def run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command of an installation. Raises `InstallError` if it fails."""
    try:
        done = subprocess.run(
            command,
            env=os.environ | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{' '.join(command)}: {error}") from None
    if done.returncode != 0:
        raise InstallError(f"{' '.join(command)} failed:\n{done.stdout.strip()[-2000:]}")


def say(what: str) -> None:
    """Tell whoever waits; `make test-real` shows it at once."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()
