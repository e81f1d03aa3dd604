"""Load of plain requests, by wrk."""

from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.processes import Process, Processes
from bench.programs import Program, path_of

_SCRIPT = Path(__file__).with_name("wrk.lua")
_PATIENCE_SECONDS = 15.0
_TIMEOUT_SECONDS = 10  # for subjects that hang; slow ones show in the latencies


class WrkFigures(msgspec.Struct, frozen=True):
    """The report of wrk's script. Latencies are in microseconds, of answers with any status."""

    requests: int
    microseconds: int
    bad_status: int
    broken: int
    p50: float
    p99: float
    longest: float

    @property
    def per_second(self) -> float:
        """The number of requests per second."""
        return self.requests / (self.microseconds / 1e6)


class WrkPlan(msgspec.Struct, frozen=True):
    """The plan of a load. `body` is a file; `pause_ms` is the pause between a connection's requests."""

    url: str
    token: str
    body: Path
    connections: int
    seconds: float
    pause_ms: int = 0


def start_wrk(processes: Processes, cores: tuple[int, ...], plan: WrkPlan) -> Process:
    """Start the load; `read_figures` waits for it."""
    command = [
        path_of(Program.WRK),
        *("--threads", str(min(plan.connections, len(cores)))),
        *("--connections", str(plan.connections)),
        *("--duration", f"{max(1, round(plan.seconds))}s"),  # wrk takes no fractions
        *("--timeout", f"{_TIMEOUT_SECONDS}s"),
        *("--header", f"Authorization: Bearer {plan.token}"),
        *("--script", str(_SCRIPT), plan.url, "--", str(plan.body), str(plan.pause_ms)),
    ]
    return processes.start("wrk", command, cores)


def read_figures(process: Process, plan: WrkPlan) -> WrkFigures:
    """Wait for the load to end, and return what came of it. Raises `BenchError`."""
    last = process.wait(plan.seconds + _PATIENCE_SECONDS).strip().rpartition("\n")[2]
    try:
        return msgspec.json.decode(last, type=WrkFigures)
    except msgspec.DecodeError:
        raise BenchError(f"wrk wrote no report: {process.written()[-500:]}") from None


def run_wrk(processes: Processes, cores: tuple[int, ...], plan: WrkPlan) -> WrkFigures:
    """Run a load to its end; return its figures."""
    return read_figures(start_wrk(processes, cores, plan), plan)
