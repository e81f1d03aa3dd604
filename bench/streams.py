"""Load of streams, as the bench asks for it: the program is `load_streams.py`."""

import sys

import msgspec

from bench.processes import Process, Processes

PATIENCE_SECONDS = 20.0
"""How long streams may take to end after no more begin."""


class StreamPlan(msgspec.Struct, frozen=True):
    """What to ask. `spread` is the seconds over which the first streams begin.

    With `at_random`, a stream begins whenever chance has it, as often as makes `at_a_time` if each takes
    `spread` seconds.
    """

    url: str
    token: str
    body: str
    at_a_time: int
    seconds: float
    spread: float
    at_random: bool = False


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Rates are those of the time from when the first streams have begun until no more are begun; times are
    of all that comes after the same moment, counts of all there is. `delay_…` is what an event took from
    the upstream, `first_…` the time from asking to the first event, `stretch_…` by how much the gap
    between two events was longer here than at the upstream, the worst of each stream.
    """

    streams: int
    failed: int
    events: int
    lost: int
    out_of_order: int
    late: int
    most_open: int
    events_per_second: float
    streams_per_second: float
    first_p50_ms: float
    first_p99_ms: float
    delay_p50_ms: float
    delay_p99_ms: float
    stretch_p50_ms: float
    stretch_max_ms: float


def start_streams(processes: Processes, cores: tuple[int, ...], plan: StreamPlan) -> Process:
    """Starts the load; `read_figures` waits for it."""
    encoded = msgspec.json.encode(plan).decode()
    return processes.start("load-streams", [sys.executable, "-m", "bench.load_streams", encoded], cores)


def read_figures(process: Process, plan: StreamPlan) -> StreamFigures:
    """Waits for the load to end, and returns what came of it. Raises `BenchError`."""
    written = process.wait(plan.spread + plan.seconds + PATIENCE_SECONDS + 20)
    return msgspec.json.decode(written.splitlines()[-1], type=StreamFigures)
