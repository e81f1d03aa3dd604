"""The subjects to compare: the upstreams themselves, the bare relay, the gateway, LiteLLM's proxy."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from tollkeeper import (
    Breaker,
    Client,
    Deployment,
    Limit,
    LimitMeasure,
    LimitPeriod,
    Provider,
    Timeouts,
)

from bench import litellm, nginx_upstream
from bench.errors import BenchError
from bench.payloads import INTERVAL_MS
from bench.processes import Cores, Process, Processes, free_port
from bench.programs import Program, path_of
from bench.transports import CHOSEN

_SLOW_INTERVAL_MS = 100
_NO_TOKEN = "none"  # noqa: S105 - for subjects that need no token
_COMPLETIONS = "/chat/completions"
_NEVER_REACHED = 100_000_000
_LIMITS = (
    Limit(LimitMeasure.REQUESTS_PER_MINUTE, _NEVER_REACHED),
    Limit(LimitMeasure.CONCURRENT_REQUESTS, _NEVER_REACHED),
    Limit(LimitMeasure.REQUESTS, _NEVER_REACHED, period=LimitPeriod.MONTH),
)


class Subject(StrEnum):
    """The measured servers."""

    DIRECT = "direct"
    RELAY = "bare relay"
    TOLLKEEPER = "tollkeeper"
    CONSOLE = "console"
    """Tollkeeper's console listener."""
    LIMITED = "tollkeeper, 3 limits"
    """The same process as `TOLLKEEPER`, by a token with limits that nothing reaches."""
    SHARED = "tollkeeper, 3 limits in Redis"
    """Such a token of a process whose ledger is in Redis."""
    ONE_WORKER = "tollkeeper, 1 worker"
    """A process that may use the same cores as `TWO_WORKERS`."""
    TWO_WORKERS = "tollkeeper, 2 workers"
    LITELLM = "litellm"


class Traffic(StrEnum):
    """The kinds of traffic. The names of models end in these."""

    CHAT = "chat"
    ERRORS = "errors"
    """Half of the answers are errors."""
    BODIES = "bodies"
    """The upstream reads a body to its end before it answers."""
    STREAM = "stream"
    SLOW_STREAM = "slow-stream"
    """The intervals of events are long, so that many streams can be open at once."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The URLs of the upstreams, `http://HOST:PORT` and a path, and the processes that serve them."""

    urls: dict[Traffic, str]
    plain: Process
    streams: Process

    def serving(self, traffic: Traffic) -> Process:
        """Return the process of the upstream for a kind of traffic."""
        return self.streams if traffic in {Traffic.STREAM, Traffic.SLOW_STREAM} else self.plain


@dataclass(frozen=True, slots=True)
class Contestant:
    """A subject that can be put under load. `process` is None for the upstreams themselves."""

    subject: Subject
    token: str
    urls: dict[Traffic, str]
    process: Process | None

    def url(self, traffic: Traffic) -> str:
        """Return the URL to post a request to."""
        return self.urls[traffic] + _COMPLETIONS


def model_of(traffic: Traffic) -> str:
    """Return the model by which a gateway finds the upstream for a kind of traffic."""
    return f"bench-{traffic}"


def start_upstreams(processes: Processes, cores: Cores, directory: Path) -> Upstreams:
    """Start the upstreams, on the cores of the load."""
    plain, address = nginx_upstream.start_nginx(processes, cores.load, directory / "nginx")
    streams = processes.start("streams", [sys.executable, "-m", "bench.stream_upstream"], cores.load)
    numbered = streams.wait_for(r"ready: (\S+)")[1]
    urls = {
        Traffic.CHAT: f"http://{address}{nginx_upstream.ANSWER}",
        Traffic.ERRORS: f"http://{address}{nginx_upstream.ERRORS}",
        Traffic.BODIES: f"http://{address}{nginx_upstream.BODIES}",
        Traffic.STREAM: f"http://{numbered}/every-{INTERVAL_MS}ms/v1",
        Traffic.SLOW_STREAM: f"http://{numbered}/every-{_SLOW_INTERVAL_MS}ms/v1",
    }
    return Upstreams(urls, plain, streams)


def direct(upstreams: Upstreams) -> Contestant:
    """Return the upstreams themselves as a subject."""
    return Contestant(Subject.DIRECT, _NO_TOKEN, upstreams.urls, None)


def start_relay(processes: Processes, cores: Cores, upstreams: Upstreams, transport: str) -> Contestant:
    """Start the bare relay."""
    origins = {traffic: url[: url.index("/", len("http://"))] for traffic, url in upstreams.urls.items()}
    process = processes.start(
        "relay",
        [
            *(sys.executable, "-m", "bench.relay", "--transport", transport),
            *("--plain", origins[Traffic.CHAT], "--streams", origins[Traffic.STREAM]),
        ],
        cores.gateway,
    )
    address = process.wait_for(r"ready: (\S+)")[1]
    urls = {t: f"http://{address}{url.removeprefix(origins[t])}" for t, url in upstreams.urls.items()}
    return Contestant(Subject.RELAY, _NO_TOKEN, urls, process)


def start_tollkeeper(
    processes: Processes, cores: Cores, upstreams: Upstreams, directory: Path, transport: str
) -> tuple[Contestant, Contestant, Contestant]:
    """Start and configure the gateway with all features.

    Return its data plane, its console, and its data plane for a token with limits.
    """
    process, data, console, tokens = _start_gateway(
        processes, cores.gateway, upstreams, directory / "tollkeeper", transport, {}
    )
    return (
        Contestant(Subject.TOLLKEEPER, tokens[0], dict.fromkeys(Traffic, data), process),
        Contestant(Subject.CONSOLE, tokens[0], dict.fromkeys(Traffic, console), process),
        Contestant(Subject.LIMITED, tokens[1], dict.fromkeys(Traffic, data), process),
    )


def start_sharing(
    processes: Processes, cores: Cores, upstreams: Upstreams, directory: Path, transport: str
) -> Contestant:
    """Start a Redis and a gateway whose ledger is there, both on the gateway's core.

    Raises `BenchError` if there is no Redis.
    """
    port = free_port()
    redis = processes.start(
        "redis",
        [
            *(path_of(Program.REDIS), "--port", str(port), "--bind", "127.0.0.1"),
            *("--dir", str(directory), "--save", "", "--appendonly", "no"),
        ],
        cores.gateway,
    )
    redis.wait_listening(port)
    process, data, _, tokens = _start_gateway(
        processes,
        cores.gateway,
        upstreams,
        directory / "sharing",
        transport,
        {"TOLLKEEPER_REDIS": f"redis://127.0.0.1:{port}/0"},
    )
    return Contestant(Subject.SHARED, tokens[1], dict.fromkeys(Traffic, data), process)


def start_workers(
    processes: Processes, cores: Cores, upstreams: Upstreams, directory: Path, transport: str
) -> tuple[Contestant, Contestant]:
    """Start a gateway of a single process, and one with two workers, for the same cores.

    Raises `BenchError` if the system does not tell which processes it has.
    """
    started = []
    for subject, workers, family in ((Subject.ONE_WORKER, 1, 1), (Subject.TWO_WORKERS, 2, 4)):
        process, data, _, tokens = _start_gateway(
            processes,
            cores.workers,
            upstreams,
            directory / f"workers-{workers}",
            transport,
            {"TOLLKEEPER_WORKERS": str(workers)},
        )
        if len(process.family()) != family:
            raise BenchError(
                f"{subject} should have {family} processes, not {len(process.family())}; "
                "is there no /proc/PID/task/TID/children?"
            )
        started.append(Contestant(subject, tokens[0], dict.fromkeys(Traffic, data), process))
    return started[0], started[1]


def _start_gateway(
    processes: Processes,
    cores: tuple[int, ...],
    upstreams: Upstreams,
    directory: Path,
    transport: str,
    settings: Mapping[str, str],
) -> tuple[Process, str, str, tuple[str, str]]:
    """Return a gateway's process, the URLs of its API on both ports, and tokens without limits and with."""
    management_token = secrets.token_urlsafe(32)
    built_in = transport == CHOSEN
    module = ("tollkeeper_server",) if built_in else ("bench.gateway", transport)
    process = processes.start(
        "tollkeeper",
        [sys.executable, "-m", *module, "serve"],
        cores,
        {
            "TOLLKEEPER_MANAGEMENT_TOKEN": management_token,
            "TOLLKEEPER_DATA_DIR": str(directory),
            "TOLLKEEPER_DATA_ADDRESS": "127.0.0.1:0",
            "TOLLKEEPER_CONSOLE_ADDRESS": "127.0.0.1:0",
            "TOLLKEEPER_GRPC_ADDRESS": "127.0.0.1:0",
            **settings,
        },
    )
    data, console, grpc = process.wait_for(r"ready: (\S+)/v1, console (\S+), gRPC (\S+)").groups()
    token = _configure(grpc, management_token, upstreams)
    limited = _make_limited(grpc, management_token)
    return process, f"{data}/v1", f"{console}/v1", (token, limited)


def _configure(grpc: str, management_token: str, upstreams: Upstreams) -> str:
    with Client(grpc, management_token=management_token) as client:
        for traffic, url in upstreams.urls.items():
            client.upstreams.create(
                name=str(traffic),
                provider=Provider.OPENAI,
                base_url=url,
                api_key="sk-bench-provider-key",
                timeouts=Timeouts(connect=timedelta(seconds=10)),
                # Errors are part of the load: the breaker must not stop the calls.
                breaker=Breaker(min_calls=100_000),
            )
            client.models.create(name=model_of(traffic), deployments=[Deployment(str(traffic))])
        project = client.projects.create(name="bench")
        return client.tokens.create(project_id=project.id, name="bench").token


def _make_limited(grpc: str, management_token: str) -> str:
    """Return a token with limits that nothing reaches."""
    with Client(grpc, management_token=management_token) as client:
        project = client.projects.create(name="limited")
        return client.tokens.create(project_id=project.id, name="limited", limits=_LIMITS).token


def start_litellm(processes: Processes, cores: Cores, upstreams: Upstreams, directory: Path) -> Contestant:
    """Start LiteLLM's proxy. Raises `BenchError` if it can't be installed."""
    models = {model_of(traffic): url for traffic, url in upstreams.urls.items()}
    process, address = litellm.start(processes, cores.gateway, models, directory)
    urls = dict.fromkeys(Traffic, f"http://{address}/v1")
    return Contestant(Subject.LITELLM, litellm.MASTER_KEY, urls, process)
