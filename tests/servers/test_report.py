"""What could not be run for want of a server is listed, and fails the run where `CI=true`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFTEST = """
from tests.servers.report import UnrunTests

def pytest_configure(config):
    config.pluginmanager.register(UnrunTests())
"""
TESTS = """
import pytest
from tests.servers.report import cannot_run

@pytest.fixture(scope="session")
def server():
    cannot_run("a server")

def test_one(server): ...
def test_two(server): ...
def test_three(): ...
def test_four(): pytest.skip("another reason")
"""


def run(directory: Path, ci: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tests above."""
    (directory / "conftest.py").write_text(CONFTEST)
    (directory / "test_it.py").write_text(TESTS)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_what_could_not_run_is_named(tmp_path: Path, ci: str, code: int, workers: str) -> None:
    """By server and by test; what was skipped for another reason is not."""
    done = run(tmp_path, ci, workers)
    assert "could not run for want of a server: test_it.py::test_one, test_it.py::test_two\n" in done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    assert done.returncode == code


def test_a_run_that_wanted_nothing_passes(tmp_path: Path) -> None:
    """With every server there, CI is content."""
    done = run(tmp_path, "true", "-k", "three or four")
    assert "for want of" not in done.stdout
    assert done.returncode == 0
