"""The scenarios: each puts one subject after the other under one kind of load."""

import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import msgspec

from bench import load_wrk, payloads, rules, streams
from bench.account import Account, settle
from bench.load_h2 import run_h2load
from bench.load_wrk import WrkFigures, WrkPlan
from bench.plan import BASELINE, BODIES, CHAT, CONSOLE, RULES, SMALL_REQUEST, SOAK, STREAMS, Plan, Scenario
from bench.processes import Cores, Process, Processes
from bench.programs import Program, find, remedy
from bench.record import Recorder
from bench.results import Metric, Results
from bench.streams import StreamPlan
from bench.subjects import Contestant, Subject, Traffic, Upstreams, model_of

_STREAM_SECONDS = (payloads.EVENTS - 1) * payloads.INTERVAL_MS / 1000
_OPEN_STREAMS = 1000
_OPEN_SPREAD_SECONDS = 2.0
_SMALL_STREAMS = 50
_BODY_PAUSE_MS = 100
_LARGE = 1_000_000
_SOAK_SLICE_SECONDS = 5
_HALF_LOAD_UNKNOWN = 100
_MB = 1e6
_OWN_CORE_PERCENT = 90
_STREAM_ROOM = 1.2

# The scenarios for LiteLLM's proxy; in others it is so slow that wrk times out.
_PEERS_TAKE = {Scenario.CHAT_1, Scenario.CHAT_32, Scenario.STREAMS_200, Scenario.ERRORS}
_UNDER_LIMITS = (Subject.TOLLKEEPER, Subject.LIMITED, Subject.SHARED)
_OF_WORKERS = (Subject.ONE_WORKER, Subject.TWO_WORKERS)
_APART = {Scenario.LIMITS: _UNDER_LIMITS, Scenario.WORKERS: _OF_WORKERS}
_IN_TURNS = tuple(
    subject for subject in Subject if subject not in {Subject.CONSOLE, *_UNDER_LIMITS[1:], *_OF_WORKERS}
)
_FILL_A_CORE = (
    *product((Scenario.CHAT_32, Scenario.CHAT_256), (Subject.RELAY, Subject.TOLLKEEPER)),
    (Scenario.WORKERS, Subject.ONE_WORKER),
)


class Bench:
    """One run, over subjects that were started."""

    def __init__(
        self,
        *,
        plan: Plan,
        processes: Processes,
        cores: Cores,
        upstreams: Upstreams,
        subjects: Mapping[Subject, Contestant],
        directory: Path,
        say: Callable[[str], None],
    ) -> None:
        """Take a `directory` for bodies, and `say`, which is called with messages on the progress."""
        self._plan = plan
        self._processes = processes
        self._cores = cores
        self._upstreams = upstreams
        self._subjects = subjects
        self._directory = directory
        self._say = say
        self._half_load = 0
        self._measured: tuple[Process, ...] = tuple(
            {s.process.pid: s.process for s in subjects.values() if s.process is not None}.values()
        )
        self.results = Results()
        self._recorder = Recorder(self.results)

    def run(self) -> Results:
        """Measure everything in the plan."""
        if self._plan.warm_up:
            self._warm_up()
        if Scenario.OPEN_STREAMS in self._plan.scenarios:
            self._say(str(Scenario.OPEN_STREAMS))
            self._open_streams(Scenario.OPEN_STREAMS)
        for number in range(self._plan.rounds):
            for scenario in Scenario:
                if scenario in self._plan.scenarios:
                    self._in_round(scenario, number)
        if Scenario.OPEN_STREAMS_AFTER in self._plan.scenarios:
            self._say(str(Scenario.OPEN_STREAMS_AFTER))
            self._open_streams(Scenario.OPEN_STREAMS_AFTER)
        if self._plan.scenarios & set(SOAK):
            self._soak()
        self._doubt()
        return self.results

    def _in_round(self, scenario: Scenario, number: int) -> None:
        measure: Callable[[Contestant], None]
        match scenario:
            case scenario if scenario in CHAT:
                measure = self._plain(scenario, Traffic.CHAT, CHAT[scenario], SMALL_REQUEST)
            case Scenario.LIMITS | Scenario.WORKERS:
                measure = self._plain(scenario, Traffic.CHAT, 32, SMALL_REQUEST)
            case scenario if scenario in STREAMS:
                measure = self._streams(scenario, STREAMS[scenario])
            case scenario if scenario in BODIES:
                measure = self._plain(scenario, Traffic.BODIES, 8, BODIES[scenario])
            case Scenario.HALF_LOAD:
                self._half_load = self._half_load or self._find_half_load()
                measure = self._streams(scenario, self._half_load, at_random=True)
            case Scenario.SMALL_STREAMS:
                measure = self._streams(scenario, _SMALL_STREAMS)
            case Scenario.SMALL_STREAMS_BESIDE:
                measure = self._streams_beside_bodies
            case Scenario.ERRORS:
                measure = self._plain(scenario, Traffic.ERRORS, 32, SMALL_REQUEST)
            case scenario if scenario in CONSOLE:
                self._say(f"round {number + 1}: {scenario}")
                self._console(scenario)
                return
            case Scenario.RULES:
                self._say(f"round {number + 1}: {scenario}")
                _, costs = rules.measure(RULES)
                self.results.add(scenario, Subject.TOLLKEEPER, Metric.FIND, max(costs.values()))
                return
            case _:
                return
        self._say(f"round {number + 1}: {scenario}")
        # The order changes from round to round: the first subject finds the machine in another state.
        order = [subject for subject in _APART.get(scenario, _IN_TURNS) if subject in self._subjects]
        first = number % max(len(order), 1)
        for subject in order[first:] + order[:first]:
            if subject != Subject.LITELLM or scenario in _PEERS_TAKE:
                settle(self._measured)
                measure(self._subjects[subject])

    def _doubt(self) -> None:
        filling = dict.fromkeys(_FILL_A_CORE, 1)
        if self._cores.workers_apart:
            filling[Scenario.WORKERS, Subject.TWO_WORKERS] = 2
        for (scenario, subject), cores in filling.items():
            busy = self.results.get(scenario, subject, Metric.BUSY)
            if busy is not None and min(busy.values) < cores * _OWN_CORE_PERCENT:
                self.results.warn(
                    f"{scenario}: {subject} used only {min(busy.values):.0f} % of a core where it could use "
                    f"{100 * cores} %; either another process was using it, or the load was too small"
                )
        for scenario in STREAMS:
            room = self.results.ratio(scenario, Metric.EVENTS_PER_SECOND, Subject.DIRECT, Subject.TOLLKEEPER)
            if room is not None and room.median < _STREAM_ROOM:
                self.results.warn(
                    f"{scenario}: load and upstream carry only {room.median:.2f} times the events that the "
                    "gateway does; compare events per second of CPU"
                )

    def _warm_up(self) -> None:
        for contestant in self._subjects.values():
            self._wrk(contestant, Traffic.CHAT, 8, 1, SMALL_REQUEST)

    def _wrk(
        self, contestant: Contestant, traffic: Traffic, connections: int, seconds: float, size: int
    ) -> WrkFigures:
        plan = self._wrk_plan(contestant, traffic, connections, seconds, size)
        return load_wrk.run_wrk(self._processes, self._cores.load, plan)

    def _wrk_plan(
        self, contestant: Contestant, traffic: Traffic, connections: int, seconds: float, size: int
    ) -> WrkPlan:
        body = self._body(traffic, size)
        return WrkPlan(contestant.url(traffic), contestant.token, body, connections, seconds)

    def _body(self, traffic: Traffic, size: int) -> Path:
        path = self._directory / f"{traffic}-{size}.json"
        if not path.exists():
            path.write_bytes(payloads.chat_request(model_of(traffic), size))
        return path

    def _plain(
        self, scenario: Scenario, traffic: Traffic, connections: int, size: int
    ) -> Callable[[Contestant], None]:
        def measure(contestant: Contestant) -> None:
            account = Account(contestant, traffic, self._upstreams)
            figures = self._wrk(contestant, traffic, connections, self._plan.seconds, size)
            account.close()
            errors = traffic == Traffic.ERRORS
            self._recorder.add_requests(scenario, contestant.subject, figures, account, errors=errors)

        return measure

    def _streams(
        self, scenario: Scenario, at_a_time: int, *, at_random: bool = False
    ) -> Callable[[Contestant], None]:
        def measure(contestant: Contestant) -> None:
            account = Account(contestant, Traffic.STREAM, self._upstreams)
            plan = self._stream_plan(contestant, Traffic.STREAM, at_a_time, _STREAM_SECONDS)
            plan = msgspec.structs.replace(plan, at_random=at_random)
            load = streams.start_streams(self._processes, self._cores.load, plan)
            figures = streams.read_figures(load, plan)
            account.close()
            self._recorder.add_streams(scenario, contestant.subject, at_a_time, figures, account)

        return measure

    def _stream_plan(
        self, contestant: Contestant, traffic: Traffic, at_a_time: int, spread: float
    ) -> StreamPlan:
        body = payloads.chat_request(model_of(traffic), SMALL_REQUEST, stream=True).decode()
        url, seconds = contestant.url(traffic), self._plan.seconds
        return StreamPlan(url, contestant.token, body, at_a_time, seconds, spread)

    def _streams_beside_bodies(self, contestant: Contestant) -> None:
        account = Account(contestant, Traffic.STREAM, self._upstreams)
        beside = self._stream_plan(contestant, Traffic.STREAM, _SMALL_STREAMS, _STREAM_SECONDS)
        bodies = WrkPlan(
            contestant.url(Traffic.BODIES),
            contestant.token,
            self._body(Traffic.BODIES, _LARGE),
            connections=1,
            seconds=self._plan.seconds,
            pause_ms=_BODY_PAUSE_MS,
        )
        sending = load_wrk.start_wrk(self._processes, self._cores.load, bodies)
        load = streams.start_streams(self._processes, self._cores.load, beside)
        sent = load_wrk.read_figures(sending, bodies)
        figures = streams.read_figures(load, beside)
        account.close()
        scenario = Scenario.SMALL_STREAMS_BESIDE
        self._recorder.add_streams(scenario, contestant.subject, _SMALL_STREAMS, figures, account)
        if sent.bad_status or sent.broken or not sent.requests:
            self.results.warn(f"{scenario}: {contestant.subject} did not serve the bodies well: {sent}")

    def _find_half_load(self) -> int:
        # The number of streams that make half of the events that the gateway carried under full load.
        for scenario in reversed(STREAMS):
            carried = self.results.get(scenario, Subject.TOLLKEEPER, Metric.EVENTS_PER_SECOND)
            if carried is not None:
                return max(1, round(carried.median / 2 * _STREAM_SECONDS / payloads.EVENTS))
        return _HALF_LOAD_UNKNOWN

    def _console(self, scenario: Scenario) -> None:
        console = self._subjects[Subject.CONSOLE]
        settle(self._measured)
        if scenario == Scenario.HTTP1_CONSOLE:
            self._plain(scenario, Traffic.CHAT, 32, SMALL_REQUEST)(console)
            return
        if find(Program.H2LOAD) is None:
            self.results.warn(f"{scenario}: skipped, h2load is not there; {remedy([Program.H2LOAD])}")
            return
        account = Account(console, Traffic.CHAT, self._upstreams)
        figures = run_h2load(
            self._processes,
            self._cores.load,
            url=console.url(Traffic.CHAT),
            token=console.token,
            body=self._body(Traffic.CHAT, SMALL_REQUEST),
            connections=4,
            streams=8,
            seconds=self._plan.seconds,
        )
        account.close()
        self._recorder.add_h2(scenario, console.subject, figures, account)

    def _open_streams(self, scenario: Scenario) -> None:
        for subject in (Subject.RELAY, Subject.TOLLKEEPER):
            contestant = self._subjects[subject]
            assert contestant.process is not None
            plan = self._stream_plan(contestant, Traffic.SLOW_STREAM, _OPEN_STREAMS, _OPEN_SPREAD_SECONDS)
            load = streams.start_streams(self._processes, self._cores.load, plan)
            most = 0
            while load.running:
                most = max(most, contestant.process.resident())
                time.sleep(0.05)
            figures = streams.read_figures(load, plan)
            self._recorder.add(
                scenario,
                subject,
                {
                    Metric.RESIDENT: most / _MB,
                    Metric.MOST_OPEN: figures.most_open,
                    Metric.BAD: figures.failed,
                    Metric.LOST: figures.lost,
                    Metric.OUT_OF_ORDER: figures.out_of_order,
                },
            )
            if figures.most_open < _OPEN_STREAMS:
                self.results.warn(f"{scenario}: only {figures.most_open} of {subject}'s were open at once")

    def _soak(self) -> None:
        contestant = self._subjects[Subject.TOLLKEEPER]
        process, subject, served = contestant.process, contestant.subject, 0
        assert process is not None
        self._say(f"memory over {self._plan.soak:,} requests")
        settle(self._measured)
        self.results.add(Scenario.SOAK_BEGIN, subject, Metric.RESIDENT, process.resident() / _MB)
        noted = False
        while served < self._plan.soak:
            figures = self._wrk(contestant, Traffic.CHAT, 32, _SOAK_SLICE_SECONDS, SMALL_REQUEST)
            served += figures.requests
            if not figures.requests or figures.bad_status or figures.broken:
                self.results.warn(f"{Scenario.SOAK_END}: not every request was served: {figures}")
                break
            settle(self._measured)
            if not noted and served >= BASELINE:
                noted = True
                self.results.add(Scenario.SOAK_100K, subject, Metric.RESIDENT, process.resident() / _MB)
        self.results.add(Scenario.SOAK_END, subject, Metric.RESIDENT, process.resident() / _MB)
        self.results.add(Scenario.SOAK_END, subject, Metric.SERVED, served)
