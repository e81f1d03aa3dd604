"""`webui/build.py`: builds once of the same sources, beside what is served, and says what fails."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tollkeeper_server.doors.webui.place import Absence, Place, Stage, absence

ROOT = Path(__file__).resolve().parents[3]
# An npm that writes down how it is called, and makes a page. It waits for those who hold its door.
NPM = """\
#!{python}
import os, pathlib, sys
root = pathlib.Path({root!r})
with (root / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:3]) + "\\n")
if sys.argv[1] == "ci":
    pathlib.Path("node_modules").mkdir(exist_ok=True)
if sys.argv[1] == "run":
    if (root / "door").exists():
        (root / "door").read_text()
    if (root / "fails").exists():
        sys.exit("the sources are wrong")
    made = pathlib.Path(os.environ["WEBUI_OUT"])
    made.mkdir(exist_ok=True)
    (made / "index.html").write_text(pathlib.Path("src/main.tsx").read_text())
"""


class Checkout:
    """A checkout with a small application, Node and npm."""

    def __init__(self, root: Path) -> None:
        self.root, self.webui = root, root / "webui"
        (self.webui / "src").mkdir(parents=True)
        (root / "clients" / "typescript").mkdir(parents=True)
        for name in ("build.py", "node.lock"):
            shutil.copy(ROOT / "webui" / name, self.webui)
        self.write("webui/package-lock.json", "{}")
        self.write("webui/src/main.tsx", "first")
        self.write("clients/typescript/client.js", "")
        (root / "bin").mkdir()
        self._program("node", "#!/bin/sh\necho v24.1.0\n")
        self._program("npm", NPM.format(python=sys.executable, root=str(root)))
        self.environment = {**os.environ, "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self.place = Place(self.webui / "dist", root / ".cache" / "webui" / "status")

    def _program(self, name: str, text: str) -> None:
        self.write(f"bin/{name}", text)
        (self.root / "bin" / name).chmod(0o755)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(self.webui / "build.py"), *options]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)

    def build(self, *options: str) -> tuple[int, str]:
        """Build, and return the exit status and what was said."""
        running = self.start(*options)
        _, said = running.communicate(timeout=60)
        return running.returncode, said

    def calls(self) -> list[str]:
        """Return how npm was called since this was asked last."""
        path = self.root / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def page(self) -> str:
        return (self.place.folder / "index.html").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in which nothing is built."""
    return Checkout(tmp_path)


@pytest.fixture
def held(checkout: Checkout) -> Iterator[Path]:
    """A door: whoever opens it to write waits for the bundler, which goes on when it is closed."""
    door = checkout.root / "door"
    os.mkfifo(door)
    yield door
    door.unlink(missing_ok=True)


def test_the_same_sources_are_built_once(checkout: Checkout) -> None:
    assert checkout.build()[0] == 0
    assert (checkout.page(), checkout.calls()) == ("first", ["ci --ignore-scripts", "run build"])
    assert checkout.build() == (0, "The console is built: webui/dist\n")
    assert checkout.build("--beside") == (0, "")
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("webui/src/main.tsx", ["run build"]),
        ("webui/src/another.tsx", ["run build"]),
        ("webui/vite.config.ts", ["run build"]),
        ("clients/typescript/client.js", ["run build"]),
        ("webui/package-lock.json", ["ci --ignore-scripts", "run build"]),
        ("webui/e2e/flow.spec.ts", []),
        ("webui/node_modules/react/index.js", []),
        ("server/tollkeeper_server/errors.py", []),
    ],
)
def test_what_changed_decides_what_is_done(checkout: Checkout, name: str, calls: list[str]) -> None:
    checkout.build()
    checkout.calls()
    checkout.write(name, "changed")
    assert checkout.build()[0] == 0
    assert checkout.calls() == calls


def test_another_name_and_a_lost_build_are_built_again(checkout: Checkout) -> None:
    checkout.build()
    checkout.write("webui/src/a.ts", "text")
    checkout.build()
    (checkout.webui / "src" / "a.ts").rename(checkout.webui / "src" / "b.ts")
    checkout.calls()
    checkout.build()
    assert checkout.calls() == ["run build"]
    shutil.rmtree(checkout.place.folder)
    checkout.build()
    assert checkout.calls() == ["run build"]


def test_a_failure_is_told_and_leaves_what_is_served(checkout: Checkout) -> None:
    checkout.build()
    checkout.write("fails", "")
    checkout.write("webui/src/main.tsx", "second")
    status, said = checkout.build("--beside")
    assert status == 1
    why = "bundling failed (exit status 1); the log is .cache/webui/build.log"
    assert said.splitlines()[-1] == (
        f"The console is not built: {why}. `make webui` tries again; it needs the network once."
    )
    assert absence(checkout.place) == Absence(Stage.FAILED, why)
    assert "the sources are wrong" in (checkout.root / ".cache" / "webui" / "build.log").read_text()
    assert checkout.page() == "first"
    (checkout.root / "fails").unlink()
    assert checkout.build()[0] == 0
    assert (checkout.page(), absence(checkout.place)) == ("second", Absence(Stage.NOT_BUILT))


def test_two_builds_at_once_are_one(checkout: Checkout, held: Path) -> None:
    first = checkout.start()
    with held.open("w"):
        assert absence(checkout.place) == Absence(Stage.BUILDING, "bundling")
        second = checkout.start()
        assert second.stderr is not None
        assert second.stderr.readline() == "Another build of the console is under way.\n"
        held.unlink()
    assert [running.communicate(timeout=60) and running.returncode for running in (first, second)] == [0, 0]
    assert checkout.calls() == ["ci --ignore-scripts", "run build"]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_one_that_is_broken_off_is_not_under_way(
    checkout: Checkout, held: Path, sent: signal.Signals, status: int
) -> None:
    # As a shell starts what runs beside others: Ctrl-C is ignored, unless the program says otherwise.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        running = checkout.start("--beside")
    finally:
        signal.signal(signal.SIGINT, before)
    with held.open("w"):
        running.send_signal(sent)
        running.communicate(timeout=60)
        assert running.returncode == status
        assert absence(checkout.place) == Absence(Stage.NOT_BUILT)


def test_a_node_that_is_too_old_is_not_used_and_pypi_away_is_said(checkout: Checkout) -> None:
    checkout.write("bin/node", "#!/bin/sh\necho v22.11.0\n")
    checkout.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    status, said = checkout.build()
    assert status == 1
    assert "Node from PyPI (60 MB)" in said
    assert "installing Node from PyPI failed (exit status 1)" in said
    assert checkout.calls() == []
