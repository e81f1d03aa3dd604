"""The bounds of what a flood costs, and the command that runs each of them alone and says its figures.

With `--floods` only floods run. Then nothing else should run on the machine, and the bounds are exact.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.faults.costs import Cost, cost_of
from tests.integration.process import Gateway

MOST_BYTES = 100_000_000
"""What one caller may cost beyond what its token is granted."""
MOST_DELAY = 0.050
"""Seconds that all but one in a hundred calls of another caller may take longer than usual."""
SECONDS = 1.0
"""How long a flood should last that could go on."""
TRIES = 3
"""Other programs of the machine only make a flood worse. So what holds once holds."""
# Beside other tests a call may wait for the processor. What floods did before they had bounds was far beyond.
_BESIDE_MEDIAN, _BESIDE_LONGEST, _BESIDE_TIMES = 0.25, 5.0, 20
_ROWS = pytest.StashKey[list["Row"]]()


@dataclass(frozen=True)
class Row:
    """The figures of a flood at one port: bytes, and milliseconds."""

    flood: str
    port: str
    megabytes: float
    granted: float
    usual: float
    p50: float
    p99: float
    longest: float
    held: bool
    tries: int


class Bounds:
    """Runs a test's flood, and holds it to the bounds."""

    def __init__(self, name: str, rows: list[Row], *, exact: bool) -> None:
        self._name, self._rows, self._exact = name, rows, exact

    def hold(
        self,
        gateway: Gateway,
        secret: str,
        flood: Callable[[], None],
        *,
        granted: int = 0,
        ports: tuple[str, ...] = ("data",),
        settle: Callable[[], object] = lambda: None,
    ) -> None:
        """Hold a flood to its bounds: the bytes that it adds beyond those granted, and others' waits.

        `secret` is the token of the other caller. `settle` waits until the flood has left nothing behind.
        Raises AssertionError.
        """
        tried: list[tuple[bool, float, Cost]] = []
        for _ in range(TRIES if self._exact else 1):
            with cost_of(gateway, secret, ports) as cost:
                flood()
            settle()
            if tried:  # what an earlier try has left behind is the flood's cost, too
                cost.before = tried[0][2].before
            wrong = self._wrong(cost, granted)
            tried.append((bool(wrong), max(waits.p99 for waits in cost.waits.values()), cost))
            if not wrong:
                break
        best = min(tried, key=lambda one: one[:2])[2]
        self._note(best, granted, held=not wrong, tries=len(tried))
        assert not wrong, wrong

    def _wrong(self, cost: Cost, granted: int) -> str:
        """Return what is beyond its bound, or nothing."""
        wrong = []
        if cost.added > MOST_BYTES + granted:
            wrong.append(f"{cost.added / 1e6:.0f} MB were added")
        if cost.statuses != {200}:
            wrong.append(f"the other caller was answered {sorted(cost.statuses)}")
        for port, waits in cost.waits.items():
            told = f"p50 {waits.p50:.3f} s, p99 {waits.p99:.3f} s, at most {waits.longest:.3f} s"
            told = f"the other caller waited at the {port} port: {told}; {waits.usual:.3f} s is usual"
            if self._exact:
                beyond = waits.p99 > waits.usual + MOST_DELAY
            else:
                longest = _BESIDE_LONGEST + _BESIDE_TIMES * max(waits.calm)
                beyond = waits.p50 > waits.usual + _BESIDE_MEDIAN or waits.longest > longest
            if beyond:
                wrong.append(told)
        return "; ".join(wrong)

    def _note(self, cost: Cost, granted: int, *, held: bool, tries: int) -> None:
        added, granted_mb = round(cost.added / 1e6, 1), round(granted / 1e6, 1)
        for port, waits in cost.waits.items():
            times = {
                name: round(getattr(waits, name) * 1000, 1) for name in ("usual", "p50", "p99", "longest")
            }
            self._rows.append(Row(self._name, port, added, granted_mb, **times, held=held, tries=tries))


@pytest.fixture
def bounds(request: pytest.FixtureRequest) -> Bounds:
    """The bounds of the test's flood."""
    where = request.path.stem.removeprefix("test_").removesuffix("_floods")
    kind = request.node.name.partition("[")[2].rstrip("]") or request.node.name.removeprefix("test_")
    return Bounds(f"{where}: {kind}", request.config.stash[_ROWS], exact=request.config.getoption("floods"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("floods")
    group.addoption("--floods", action="store_true", help="run only floods, and hold the exact bounds")
    group.addoption("--output", type=Path, help="with --floods, write the figures there, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the figures, and add a marker."""
    config.stash[_ROWS] = []
    config.addinivalue_line("markers", "alone: a flood that only make floods runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only floods, if that is asked, and else none that wants to be alone."""
    if config.getoption("floods"):
        others = [item for item in items if "bounds" not in getattr(item, "fixturenames", ())]
    else:
        others = [item for item in items if item.get_closest_marker("alone")]
    if others:
        left = set(others)
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=others)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures."""
    rows = config.stash[_ROWS]
    if not config.getoption("floods") or not rows:
        return
    terminalreporter.section("floods")
    for line in table(rows):
        terminalreporter.write_line(line)
    if (output := config.getoption("output")) is not None:
        output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table: megabytes added, and milliseconds that another caller's calls took."""
    width = max(len(row.flood) for row in rows)
    columns = f"{{:{width}}}  {{:7}} {{:>6}} {{:>7}} {{:>7}} {{:>7}} {{:>7}} {{:>8}} {{:>5}}  {{}}"
    yield columns.format("flood", "port", "MB", "granted", "usual", "p50", "p99", "max", "tries", "")
    for row in rows:
        held = "" if row.held else "beyond"
        times = row.usual, row.p50, row.p99, row.longest
        yield columns.format(row.flood, row.port, row.megabytes, row.granted, *times, row.tries, held)
