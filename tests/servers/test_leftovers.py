"""What was never closed fails the run, in a process of its own as in a worker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGURATION = """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
TESTS = """
import socket
import pytest

class Knot: ...

def leave():
    knot = Knot()
    knot.itself, knot.socket = knot, socket.socket()

@pytest.fixture(scope="session")
def server():
    yield
    leave()

def test_server(server): ...
def test_last():
    leave()
"""


@pytest.mark.parametrize("options", [["-n0"], ["-n1"]])
@pytest.mark.parametrize("test", ["server", "last"])
def test_what_is_found_at_the_very_end_is_an_error(tmp_path: Path, test: str, options: list[str]) -> None:
    """Whether the last test left it or the end of what the session shares."""
    (tmp_path / "pytest.ini").write_text(CONFIGURATION)
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.servers.leftovers", "-k", test, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"ERROR test_it.py::test_{test}" in done.stdout
    assert "ResourceWarning: unclosed <socket.socket" in done.stdout
    assert re.search(r"= 1 passed,.* 1 error in ", done.stdout)
