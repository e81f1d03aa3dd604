"""The bench works, and neither it nor the gateway loses an event. What it measures is not looked at."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.plan import SHORT, Scenario
from bench.processes import ROOT, Processes, share_cores
from bench.programs import Program, find, missing
from bench.report import Report
from bench.results import Metric
from bench.subjects import Subject
from tests.servers.report import cannot_run

pytestmark = pytest.mark.bench

_SECONDS = 110.0
_PATIENCE_SECONDS = 30.0
_STARTS_A_PROCESS = """
import pathlib, signal, sys, time
from bench.processes import Processes, share_cores
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a script runs in the background
with Processes(pathlib.Path(sys.argv[1])) as processes:
    command = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
    started = processes.start("sleeper", command, share_cores().load)
    started.wait_for("ready")
    print(started.pid, flush=True)
    time.sleep(600)
"""
_WORKED_SECONDS = 0.2
_HAS_A_CHILD_THAT_WORKS = f"""
import os, time
if os.fork() == 0:
    while time.process_time() < {_WORKED_SECONDS} + 0.05:  # /proc counts in steps of 10 ms
        pass
    print(f"worked: {{os.getpid()}}", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a short run."""
    if lacking := [*missing(), *missing((Program.H2LOAD, Program.REDIS))]:
        cannot_run(" and ".join(lacking))
    output = tmp_path_factory.mktemp("bench") / "report.json"
    command = [sys.executable, "-m", "bench", "--short", "--output", str(output)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Targets" in ran.stdout
    return msgspec.json.decode(output.read_bytes(), type=Report)


def _need_to_start() -> None:
    if lacking := [program for program in (Program.TASKSET, Program.SETPRIV) if find(program) is None]:
        cannot_run(" and ".join(lacking))


def _values(report: Report, metric: Metric) -> dict[tuple[Scenario, Subject], float]:
    return {(row.scenario, row.subject): sum(row.rounds) for row in report.figures if row.metric == metric}


def test_every_scenario_of_the_plan_is_measured_for_every_subject(report: Report) -> None:
    """Requests or events came through each of them."""
    measured = _values(report, Metric.REQUESTS_PER_SECOND) | _values(report, Metric.EVENTS_PER_SECOND)
    with_others = {Scenario.HTTP2_CONSOLE, Scenario.LIMITS, Scenario.WORKERS, Scenario.RULES}
    wanted = {
        (scenario, subject)
        for scenario in SHORT.scenarios - with_others
        for subject in (Subject.DIRECT, Subject.RELAY, Subject.TOLLKEEPER)
    }
    wanted |= {
        (Scenario.LIMITS, subject) for subject in (Subject.TOLLKEEPER, Subject.LIMITED, Subject.SHARED)
    }
    wanted |= {(Scenario.WORKERS, subject) for subject in (Subject.ONE_WORKER, Subject.TWO_WORKERS)}
    wanted.add((Scenario.HTTP2_CONSOLE, Subject.CONSOLE))
    assert set(measured) == wanted
    assert all(measured.values())


@pytest.mark.parametrize("metric", [Metric.LOST, Metric.OUT_OF_ORDER, Metric.BAD])
def test_nothing_is_lost_out_of_order_or_refused(report: Report, metric: Metric) -> None:
    """Not even while streams pass beside large bodies."""
    counted = _values(report, metric)
    assert (Scenario.SMALL_STREAMS_BESIDE, Subject.TOLLKEEPER) in counted
    assert not any(counted.values()), counted


def test_every_target_is_judged(report: Report) -> None:
    """What was measured has a figure beside what is wanted."""
    judged = {target.what: target.measured for target in report.targets}
    assert judged["events lost, all scenarios"] == 0
    assert judged["events out of order, all scenarios"] == 0
    assert judged["finding one of 1,000 routing rules, µs"] is not None
    assert judged["requests per second of CPU, 3 limits / none"] is not None
    assert judged["requests/s under 3 limits, ledger in Redis / in the process"] is not None
    assert judged["CPU of a request, 2 workers / 1"] is not None
    by_cores = {what for what in judged if what.startswith("requests/s, 2 workers / 1")}
    assert len(by_cores) == 1
    assert (judged[by_cores.pop()] is not None) == (len(os.sched_getaffinity(0)) > 1)


def test_a_process_is_measured_and_ended_with_its_children(tmp_path: Path) -> None:
    """A gateway with workers is several processes, which are one subject."""
    _need_to_start()
    cores = share_cores().load
    with Processes(tmp_path) as processes:
        parent = processes.start("parent", [sys.executable, "-c", _HAS_A_CHILD_THAT_WORKS], cores)
        child = int(parent.wait_for(r"worked: (\d+)\n")[1])
        assert parent.family() == {parent.pid, child}
        assert parent.cpu().total >= _WORKED_SECONDS
        held = os.pidfd_open(child)
    try:
        assert select.select([held], [], [], 0)[0]
    finally:
        os.close(held)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_bench(tmp_path: Path, ending: signal.Signals) -> None:
    """Not even if the bench itself is killed."""
    _need_to_start()
    command = [sys.executable, "-c", _STARTS_A_PROCESS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as bench:
        assert bench.stdout is not None
        child = os.pidfd_open(int(bench.stdout.readline()))
        try:
            bench.send_signal(ending)
            ended, _, _ = select.select([child], [], [], _PATIENCE_SECONDS)
        finally:
            os.close(child)
            bench.kill()  # should it not have ended, a failure does not wait for it
    assert ended
