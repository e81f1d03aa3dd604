"""Starts a load of streams, which the program `load_streams.py` makes, and reads its figures."""

import sys

import msgspec

from bench.processes import Process, Processes

PATIENCE_SECONDS = 20.0
"""The longest time that streams may take to end after the last one began."""


class StreamPlan(msgspec.Struct, frozen=True):
    """The plan of a load. `spread` is the seconds over which the first streams begin.

    With `at_random`, streams begin at random times, `at_a_time` of them in `spread` seconds on average.
    """

    url: str
    token: str
    body: str
    at_a_time: int
    seconds: float
    spread: float
    at_random: bool = False


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a load.

    Rates are measured from the time when the first streams have begun until no more begin; times are of all
    events after the first streams have begun; counts are of all events. `delay_…` is the time of an event
    from the upstream, `first_…` the time from the request to the first event, `stretch_…` the most by which
    a gap between two events of a stream was longer here than at the upstream.
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
    """Start the load; `read_figures` waits for it."""
    encoded = msgspec.json.encode(plan).decode()
    return processes.start("load-streams", [sys.executable, "-m", "bench.load_streams", encoded], cores)


def read_figures(process: Process, plan: StreamPlan) -> StreamFigures:
    """Wait for the load to end, and return what came of it. Raises `BenchError`."""
    written = process.wait(plan.spread + plan.seconds + PATIENCE_SECONDS + 20)
    return msgspec.json.decode(written.splitlines()[-1], type=StreamFigures)
