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
from bench.processes import ROOT
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


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a short run."""
    if lacking := [*missing(), *([] if find(Program.H2LOAD) else [Program.H2LOAD])]:
        cannot_run(" and ".join(lacking))
    output = tmp_path_factory.mktemp("bench") / "report.json"
    command = [sys.executable, "-m", "bench", "--short", "--output", str(output)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Targets" in ran.stdout
    return msgspec.json.decode(output.read_bytes(), type=Report)


def _values(report: Report, metric: Metric) -> dict[tuple[Scenario, Subject], float]:
    return {(row.scenario, row.subject): sum(row.rounds) for row in report.figures if row.metric == metric}


def test_every_scenario_of_the_plan_is_measured_for_every_subject(report: Report) -> None:
    """Requests or events came through each of them."""
    measured = _values(report, Metric.REQUESTS_PER_SECOND) | _values(report, Metric.EVENTS_PER_SECOND)
    wanted = {
        (scenario, subject)
        for scenario in SHORT.scenarios - {Scenario.HTTP2_CONSOLE, Scenario.RULES}
        for subject in (Subject.DIRECT, Subject.RELAY, Subject.TOLLKEEPER)
    } | {(Scenario.HTTP2_CONSOLE, Subject.CONSOLE)}
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


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_bench(tmp_path: Path, ending: signal.Signals) -> None:
    """Not even if the bench itself is killed."""
    if lacking := [program for program in (Program.TASKSET, Program.SETPRIV) if find(program) is None]:
        cannot_run(" and ".join(lacking))
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
