"""Load over HTTP/2, by h2load."""

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.processes import Processes
from bench.programs import Program, path_of

_PATIENCE_SECONDS = 20.0
_RATE = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s")
_ANSWERS = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_REQUESTS = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")


@dataclass(frozen=True, slots=True)
class H2Figures:
    """h2load's report. `bad` is the number of requests without a good answer."""

    requests: int
    bad: int
    per_second: float


def run_h2load(
    processes: Processes,
    cores: tuple[int, ...],
    *,
    url: str,
    token: str,
    body: Path,
    connections: int,
    streams: int,
    seconds: float,
) -> H2Figures:
    """Post requests, `streams` at a time on each of `connections` connections. Raises `BenchError`."""
    command = [
        *(path_of(Program.H2LOAD), "--threads", "1", "--duration", str(max(1, round(seconds)))),
        *("--clients", str(connections), "--max-concurrent-streams", str(streams)),
        *("--header", f"authorization: Bearer {token}", "--header", "content-type: application/json"),
        *("--data", str(body), url),
    ]
    written = processes.run("h2load", command, cores, seconds + _PATIENCE_SECONDS)
    rate, answers, requests = _RATE.search(written), _ANSWERS.search(written), _REQUESTS.search(written)
    if rate is None or answers is None or requests is None:
        raise BenchError(f"h2load's report could not be read: {written[-500:]}")
    good = int(answers[1])
    done = good + sum(int(number) for number in answers.groups()[1:])
    lost = sum(int(number) for number in requests.groups()[1:])
    return H2Figures(requests=done, bad=done - good + lost, per_second=float(rate[1]))
