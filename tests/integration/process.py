"""Real processes of the gateway and of the simulated provider."""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import msgspec
from tollkeeper import Breaker, Client, Deployment, MintedToken, Provider, UsageEvent

from tests.servers.forked import ForkedProcess, can_fork
from tests.servers.ports import free_port

T = TypeVar("T")

START_SECONDS = 30.0
PATIENT = Breaker(min_calls=100_000)
"""Stays closed, however many failures a test asks for."""
MANAGEMENT_TOKEN = "integration-management-token-0123456789"
PROVIDER_KEY = "sk-provider-canary-8c1f0e9d2b7a"
_SETTINGS = re.compile(r"TOLLKEEPER_|MANAGEMENT_TOKEN|OPENAI_|ANTHROPIC_|.*_PROXY$", re.IGNORECASE)


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without what would configure a gateway or an SDK."""
    kept = {name: value for name, value in os.environ.items() if not _SETTINGS.match(name)}
    if "PYTHONPATH" in kept:  # commands run in folders of their own
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
    return kept | extra


class CommandProcess:
    """One `tollkeeper` command that says on standard output when it is ready."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        forked: bool = False,
    ) -> None:
        """Start it; `wait_for` tells when it is ready.

        `forked` has it fork from a process that has its imports, where that can be: for whom all that comes
        before the command line is read does not matter.
        """
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self.log = directory / f"{arguments[0]}-{time.monotonic_ns()}.log"
        self.process: subprocess.Popen[str] | ForkedProcess
        with self.log.open("wb") as log:
            if forked and can_fork(environment):
                self.process = ForkedProcess(arguments, environment, directory, log)
            else:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "tollkeeper_server", *arguments],
                    env=dict(environment),
                    cwd=directory,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said:
            for line in said:
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in what the command has said. Raises AssertionError if it ends first."""
        deadline = time.monotonic() + START_SECONDS
        with self._changed:
            while True:
                found = re.search(pattern, "".join(self._lines))
                if found:
                    return found
                left = deadline - time.monotonic()
                ended = not self._reader.is_alive() or self.process.poll() is not None
                assert not ended, f"it ended before it said {pattern!r}; log:\n{self.log.read_text()}"
                assert left > 0, f"it did not say {pattern!r} in time; log:\n{self.log.read_text()}"
                self._changed.wait(min(left, 0.5))

    def said(self) -> str:
        """Return all that was written so far, to standard output and to the log."""
        return "".join(self._lines) + self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self._collect()

    def stop(self) -> int:
        """Ask it to end, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._collect()

    def wait(self) -> int:
        """Wait for it to end by itself, and returns its exit status."""
        return self._collect()

    def _collect(self) -> int:
        try:
            status = self.process.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


class Received(msgspec.Struct, frozen=True):
    """A request as the simulator received it (simulator/recorder.py)."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body_bytes: int
    body_sha256: str
    body: str | None
    status: int
    events: int
    finished: bool
    cancelled: bool

    def header(self, name: str) -> str | None:
        """Return the only value of a header, or None if it is not there."""
        values = [value for found, value in self.headers if found == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class _Requests(msgspec.Struct):
    requests: list[Received]


class _Health(msgspec.Struct):
    in_flight: int


class Simulator:
    """A simulated provider in a process of its own."""

    def __init__(self, directory: Path, *options: str) -> None:
        """Start it on a free port."""
        arguments = ["simulate", "--port", "0", *options]
        self.command = CommandProcess(arguments, clean_environment(), directory, forked=True)
        self.address = self.command.wait_for(r"http://(\S+)/v1").group(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.command.kill()

    def requests(self) -> list[Received]:
        """Return what it has received, oldest first."""
        return msgspec.json.decode(self._ask("GET", "requests"), type=_Requests).requests

    def last_request(self) -> Received:
        """Return what it has received last."""
        return self.requests()[-1]

    def next_cancel(self, timeout: float = 10.0) -> Received | None:
        """Wait for a client to leave before the end of its answer; None if none does."""
        answer = self._ask("GET", f"requests/next-cancel?timeout={timeout}")
        return msgspec.json.decode(answer, type=Received) if answer else None

    def cancelled(self, request_id: str) -> Received:
        """Wait for the client of that request to leave before the end of its answer."""
        while (left := self.next_cancel()) is not None:
            if left.header("x-request-id") == request_id:
                return left
        raise AssertionError(f"nobody left the request {request_id}")

    def in_flight(self) -> int:
        """Return how many requests it is answering."""
        return msgspec.json.decode(self._ask("GET", "health"), type=_Health).in_flight

    def clear(self) -> None:
        """Forget what it has received."""
        self._ask("DELETE", "requests")

    def _ask(self, method: str, what: str) -> bytes:
        connection = http.client.HTTPConnection(self.address, timeout=90)
        try:
            connection.request(method, f"/_simulator/{what}")
            return connection.getresponse().read()
        finally:
            connection.close()


class Gateway:
    """A gateway in a process of its own, guarded by `MANAGEMENT_TOKEN`."""

    def __init__(
        self, directory: Path, *options: str, environment: Mapping[str, str] | None = None, **settings: str
    ) -> None:
        """Start it. `settings` are set as `TOLLKEEPER_…`; ports are free ones unless said otherwise."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._options = options
        ours = {
            "management_token": MANAGEMENT_TOKEN,
            "data_dir": str(directory / "data"),
            **{f"{listener}_address": f"127.0.0.1:{free_port()}" for listener in ("data", "console", "grpc")},
            **settings,
        }
        self._environment = clean_environment(
            **{f"TOLLKEEPER_{name.upper()}": value for name, value in ours.items()}, **(environment or {})
        )
        self.start()

    def start(self) -> None:
        """Start it, again on the ports it had."""
        arguments = ["serve", *self._options]
        # What takes over does so as it starts, which is what such a test is about.
        forked = "--takeover" not in self._options
        self.command = CommandProcess(arguments, self._environment, self.directory, forked=forked)
        ready = self.command.wait_for(r"ready: (https?://\S+)/v1, console (\S+), gRPC (\S+)")
        self.data, self.console, self.grpc = ready.groups()

    def take_over(self) -> None:
        """Start another process with the same settings, which takes over from the one that runs."""
        self._options = (*self._options, "--takeover")
        self.start()

    def setting(self, name: str) -> str:
        """Return a setting that it was started with."""
        return self._environment[f"TOLLKEEPER_{name.upper()}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.command.process.poll() is None:
            self.command.kill()

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK is given."""
        return f"{self.data}/v1"

    def management(self) -> Client:
        """Return a client of the management plane."""
        return Client(self.grpc, management_token=MANAGEMENT_TOKEN)

    def serve_models(self, simulator: Simulator) -> None:
        """Have every model served by the simulator: `claude-*` as Anthropic's, the rest as OpenAI's."""
        with self.management() as client:
            url = f"http://{simulator.address}/v1"
            client.upstreams.create(
                name="sim",
                provider=Provider.OPENAI,
                base_url=url,
                api_key=PROVIDER_KEY,
                is_default=True,
                breaker=PATIENT,
            )
            client.upstreams.create(
                name="sim-anthropic",
                provider=Provider.ANTHROPIC,
                base_url=url,
                api_key=PROVIDER_KEY,
                breaker=PATIENT,
            )
            client.models.create(name="gpt-4o", aliases=["gpt-4"], deployments=[Deployment("sim")])
            client.models.create(name="*", deployments=[Deployment("sim")])
            client.models.create(name="claude-*", deployments=[Deployment("sim-anthropic")])

    def mint(self, **options: object) -> MintedToken:
        """Mint a token of a new project."""
        with self.management() as client:
            project = client.projects.create(name="integration")
            return client.tokens.create(project_id=project.id, **options)  # type: ignore[arg-type]

    def mint_beside(self, token: MintedToken) -> MintedToken:
        """Mint another token of a token's project."""
        with self.management() as client:
            return client.tokens.create(project_id=token.project_id)

    def new_token(self, **options: object) -> str:
        """Mint a token of a new project and returns its secret."""
        return self.mint(**options).token

    def usage(self, **where: str) -> list[UsageEvent]:
        """Return the usage events that are stored, newest first."""
        with self.management() as client:
            return list(client.usage.events(**where))  # type: ignore[arg-type]

    def event_of(self, request_id: str) -> UsageEvent:
        """Wait for the usage event of a request to be stored, and returns it."""
        found = until(lambda: self.usage(request_id=request_id))
        assert len(found) == 1
        return found[0]


def until(ask: Callable[[], T], seconds: float = 15.0) -> T:
    """Ask again and again until the answer is true, and returns it; for what can't be awaited."""
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.02)
    return found
