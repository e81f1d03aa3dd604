"""What could not be run for want of a server is said at the end, and fails the run where `CI=true`."""

import os

import pytest

_WANT = "run for want of"


class UnrunTests:
    """The pytest plugin that collects and lists them."""

    def __init__(self) -> None:
        self._unrun: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test that `cannot_run` skipped."""
        if report.skipped and isinstance(report.longrepr, tuple):
            _, found, server = report.longrepr[2].partition(_WANT)
            if found:
                self._unrun.setdefault(server.strip(), []).append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run on CI, where every server has to be there."""
        if self._unrun and os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List what was noted, by server."""
        for server, tests in self._unrun.items():
            terminalreporter.write_line(f"could not {_WANT} {server}: {', '.join(tests)}", yellow=True)
        if self._unrun and os.environ.get("CI") == "true":
            terminalreporter.write_line("CI=true: a test that could not run is a failure", red=True)


def cannot_run(server: str) -> None:
    """Skip the test that asks for `server`, for the list at the end."""
    pytest.skip(f"could not {_WANT} {server}")
