"""`python -m bench` makes one run. It writes tables to standard output, and JSON to a file."""

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from bench.errors import BenchError
from bench.machine import describe_machine, doubts
from bench.plan import FULL, SHORT, Plan, Scenario
from bench.processes import ROOT, Processes, share_cores
from bench.programs import missing, remedy
from bench.report import encode, make_report, tell
from bench.results import Results
from bench.scenarios import Bench
from bench.subjects import (
    Contestant,
    Subject,
    direct,
    start_litellm,
    start_relay,
    start_sharing,
    start_tollkeeper,
    start_upstreams,
    start_workers,
)
from bench.transports import CHOSEN, load_transport

_LATEST = Path(__file__).with_name("results") / "latest.json"


def main() -> None:
    """Run the bench by the command line; exit with status 1 and the reason if it fails."""
    options = _options()
    signal.signal(signal.SIGTERM, _leave)
    try:
        _run(options, _plan(options))
    except BenchError as error:
        sys.exit(f"bench: {error}")


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="The load bench; see bench/README.md."
    )
    parser.add_argument("--short", action="store_true", help="test the bench itself, in half a minute")
    parser.add_argument("--peers", action="store_true", help="compare with LiteLLM's proxy, too")
    parser.add_argument("--rounds", type=int, help="number of times that everything is measured")
    parser.add_argument("--seconds", type=float, help="seconds for each measurement")
    parser.add_argument("--soak", type=int, help="number of requests over which memory is measured")
    parser.add_argument(
        "--only", metavar="WORD", action="append", help="run only scenarios with this word in their names"
    )
    parser.add_argument("--transport", default=CHOSEN, help="http1 or MODULE:CLASS")
    parser.add_argument("--output", type=Path, default=_LATEST, help="file for the JSON")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    plan = SHORT if options.short else FULL
    if options.only:
        wanted = {s for s in Scenario if any(word.lower() in s.lower() for word in options.only)}
        if not wanted:
            raise BenchError(
                "no scenario has that word in its name; the scenarios are: " + "; ".join(Scenario)
            )
        plan = replace(plan, scenarios=frozenset(wanted))
    given = {name: value for name in ("rounds", "seconds", "soak") if (value := getattr(options, name))}
    return replace(plan, **given)


def _run(options: argparse.Namespace, plan: Plan) -> None:
    load_transport(options.transport)
    if lacking := missing():
        raise BenchError(f"{', '.join(lacking)} not found; {remedy(lacking)}")
    cores = share_cores()
    machine = describe_machine(cores)
    began, clock = datetime.now(UTC), time.monotonic()
    cache = ROOT / ".cache"  # on a disk, like the journal in production
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="bench-") as name, Processes(Path(name)) as processes:
        directory = Path(name)
        upstreams = start_upstreams(processes, cores, directory)
        tollkeeper, console, limited = start_tollkeeper(
            processes, cores, upstreams, directory, options.transport
        )
        subjects: dict[Subject, Contestant] = {
            Subject.DIRECT: direct(upstreams),
            Subject.RELAY: start_relay(processes, cores, upstreams, options.transport),
            Subject.TOLLKEEPER: tollkeeper,
            Subject.CONSOLE: console,
            Subject.LIMITED: limited,
        }
        doubtful = doubts(machine, cores)
        if Scenario.LIMITS in plan.scenarios:
            try:
                sharing = start_sharing(processes, cores, upstreams, directory, options.transport)
                subjects[Subject.SHARED] = sharing
            except BenchError as error:
                doubtful.append(f"{Subject.SHARED} was left out: {error}")
        if Scenario.WORKERS in plan.scenarios:
            try:
                pair = start_workers(processes, cores, upstreams, directory, options.transport)
                subjects |= {contestant.subject: contestant for contestant in pair}
            except BenchError as error:
                doubtful.append(f"{Scenario.WORKERS}: left out: {error}")
        if options.peers:
            try:
                subjects[Subject.LITELLM] = start_litellm(processes, cores, upstreams, directory)
            except BenchError as error:
                doubtful.append(f"LiteLLM's proxy was left out: {error}")
        bench = Bench(
            plan=plan,
            processes=processes,
            cores=cores,
            upstreams=upstreams,
            subjects=subjects,
            directory=directory,
            say=lambda text: print(
                f"[{time.monotonic() - clock:4.0f} s] {text}", file=sys.stderr, flush=True
            ),
        )
        results: Results = bench.run()
    for text in doubtful:
        results.warn(text)
    report = make_report(
        results,
        plan,
        machine,
        transport=options.transport,
        began=began,
        seconds=time.monotonic() - clock,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(encode(report))
    print(tell(report))
    print(f"\nThe same as JSON: {options.output}")


if __name__ == "__main__":
    main()
