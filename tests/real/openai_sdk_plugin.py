"""A plugin of pytest for the OpenAI SDK's own tests: it sets their token, and records their outcomes."""

import json
import os
import sys
from pathlib import Path

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Replace the keys that the SDK's conftest names, before its first client is made."""
    conftest = sys.modules.get("tests.conftest")
    if conftest is None:  # the process that only shares the tests out
        return
    for name in ("api_key", "admin_api_key"):
        assert hasattr(conftest, name), f"the SDK's conftest.py has no {name}"
        setattr(conftest, name, os.environ["TEST_API_KEY"])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write a line for each test that failed, and for each that passed."""
    if "PYTEST_XDIST_WORKER" in os.environ or not (
        report.failed or (report.when == "call" and report.passed)
    ):
        return
    message = report.longreprtext.strip().splitlines()[-1:] if report.failed else []
    line = {"test": report.nodeid, "passed": report.passed, "message": "".join(message)}
    with Path(os.environ["TEST_REPORT"]).open("a", encoding="utf-8") as outcomes:
        outcomes.write(json.dumps(line) + "\n")
