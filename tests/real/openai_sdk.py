"""The OpenAI SDK's own tests of its API, from its source distribution."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.integration.wire import ask
from tests.real.environments import CACHE, ROOT, install, run, say
from tests.real.openai_mock.received import RECEIVED_PATH

_NAME = "openai"
_LOCKED = re.compile(r"^openai(?:\[\w+\])?(==\S+)( \\\n    --hash=\S+)+$", re.MULTILINE)
_SHARES = "2"  # processes that share the tests
_RUN_SECONDS = 1800.0


@dataclass(frozen=True)
class Outcomes:
    """What a run of the tests came to: those that passed, and those that failed with what they said.

    `received` has each request that reached the mock, and how often.
    """

    passed: frozenset[str]
    failed: dict[str, str]
    received: dict[str, int]


def find_tests() -> Path:
    """Return the folder of the SDK's source in the locked version. Raises `InstallError`."""
    python = install(_NAME)
    locked = _LOCKED.search((Path(__file__).parent / f"{_NAME}.lock").read_text())
    assert locked is not None, f"{_NAME}.lock does not name the SDK"
    folder = CACHE / f"openai{locked.group(1).replace('==', '-')}"
    if folder.is_dir():
        return folder
    making = CACHE / "openai-source"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    (making / "wanted.txt").write_text(locked.group(0))
    say("Fetching the source distribution of openai.")
    run(
        [
            *(str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-binary", "openai", "--no-build-isolation", "--require-hashes"),
            *("--dest", str(making), "-r", str(making / "wanted.txt")),
        ]
    )
    with tarfile.open(next(making.glob("openai-*.tar.gz"))) as archive:
        archive.extractall(making, filter="data")
    (making / folder.name).replace(folder)
    shutil.rmtree(making)
    return folder


def run_tests(base_url: str, key: str, mock_url: str, report: Path, chosen: str = "") -> Outcomes:
    """Run the tests against `base_url`, behind which the mock is. Raises `InstallError`.

    `chosen` are more options of pytest.
    """
    ask(mock_url, "GET", RECEIVED_PATH)  # forgets what came before
    source, python = find_tests(), install(_NAME)
    say(f"Running the SDK's own tests against {base_url}; some minutes.")
    done = subprocess.run(
        [
            *(str(python), "-m", "pytest", "-p", "openai_sdk_plugin", "-o", "addopts=", "-q", "--tb=line"),
            *("-n", _SHARES, "-p", "no:cacheprovider", "tests/api_resources", *shlex.split(chosen)),
        ],
        cwd=source,
        env={
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("OPENAI_", "PYTEST_"))
            },
            "PYTHONPATH": str(ROOT / "tests" / "real"),
            "TEST_API_BASE_URL": base_url,
            "TEST_API_KEY": key,
            "TEST_REPORT": str(report),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    assert done.returncode in (0, 1), f"the SDK's tests did not run:\n{done.stdout[-3000:]}"
    failed: dict[str, str] = {}
    passed: set[str] = set()
    for line in report.read_text().splitlines():
        outcome = json.loads(line)
        if outcome["passed"]:
            passed.add(outcome["test"])
        else:
            failed[outcome["test"]] = outcome["message"]
    received = json.loads(ask(mock_url, "GET", RECEIVED_PATH).body)
    return Outcomes(frozenset(passed - failed.keys()), failed, received)
