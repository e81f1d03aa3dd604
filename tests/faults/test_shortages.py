"""A machine that runs out of descriptors or ports: nobody is blamed for it, and it passes."""

import http.client
import json
import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Deployment, Provider

from tests.faults.traffic import MODEL, PATIENCE, Answer, ask, code_in, headers_of, question, reaches_all
from tests.integration.process import PROVIDER_KEY, Gateway, Simulator, until

CALLERS = 60


@pytest.fixture
def site(tmp_path: Path, simulator: Simulator) -> Iterator[tuple[Gateway, str]]:
    """A gateway whose breakers would open soon, and a token of it."""
    with Gateway(tmp_path) as gateway:
        with gateway.management() as client:
            client.upstreams.create(
                name="sim",
                provider=Provider.OPENAI,
                base_url=f"http://{simulator.address}/v1",
                api_key=PROVIDER_KEY,
            )
            client.models.create(name=MODEL, deployments=[Deployment("sim")])
        yield gateway, gateway.new_token()
        assert gateway.command.stop() == 0


def descriptors_of(gateway: Gateway) -> int:
    """Return how many descriptors a gateway has open."""
    return len(list(Path(f"/proc/{gateway.command.process.pid}/fd").iterdir()))


@contextmanager
def few_descriptors(gateway: Gateway, left: int) -> Iterator[None]:
    """Let a gateway have `left` more descriptors than it has."""
    pid = gateway.command.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors_of(gateway) + left, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


class Caller:
    """A caller with a connection of its own, which takes one of the gateway's descriptors."""

    def __init__(self, gateway: Gateway) -> None:
        self._connection = http.client.HTTPConnection(gateway.data.removeprefix("http://"), timeout=PATIENCE)
        self._connection.connect()

    def send(self, secret: str, simulate: str) -> None:
        """Ask for a chat completion. A refused connection may be closed already."""
        headers = headers_of(secret, simulate) | {"content-type": "application/json"}
        with suppress(OSError):
            self._connection.request("POST", "/v1/chat/completions", json.dumps(question()), headers)

    def receive(self) -> Answer:
        """Return the answer, and leave."""
        try:
            answer = self._connection.getresponse()
            return Answer(answer.status, answer.read(), whole=True, headers=dict(answer.headers))
        except (OSError, http.client.HTTPException):
            return Answer()
        finally:
            self._connection.close()


def backlog_of(address: str) -> int:
    """Return how many callers of a port wait to be accepted, as the system counts them."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines():
        _, local, _, state, queues, *_ = line.split()
        if state == "0A" and local.endswith(port):  # it listens
            return int(queues.partition(":")[2], 16)
    raise AssertionError("nobody listens")


def all_at_once(gateway: Gateway, secret: str, simulate: str) -> list[Answer]:
    """Return what CALLERS are answered, of whom each is accepted or refused before any asks."""
    callers = [Caller(gateway) for _ in range(CALLERS)]
    until(lambda: backlog_of(gateway.data) == 0)
    for caller in callers:
        caller.send(secret, simulate)
    return [caller.receive() for caller in callers]


def shortages(gateway: Gateway) -> float:
    """Return how many shortages of descriptors the gateway has counted."""
    text = httpx2.get(f"{gateway.console}/metrics").text
    mark = 'tollkeeper_shortages_total{kind="descriptors"} '
    return float(text.partition(mark)[2].split("\n")[0])


def test_callers_who_find_no_descriptors_left_are_told_and_nobody_is_blamed(
    site: tuple[Gateway, str],
) -> None:
    gateway, secret = site
    with few_descriptors(gateway, CALLERS):
        answers = all_at_once(gateway, secret, "latency=1000")
        assert reaches_all(gateway)
    outcomes = Counter(answer.status for answer in answers)
    assert outcomes[200]
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) > CALLERS / 2
    assert outcomes.keys() <= {200, 503, 0}
    assert {code_in(answer.body) for answer in refused} == {"gateway_shortage"}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert shortages(gateway) >= len(refused)
    said = gateway.command.said()
    assert said.count("no file descriptors") == 1
    assert "Traceback" not in said
    again = all_at_once(gateway, secret, "latency=1")
    assert Counter(answer.status for answer in again) == {200: CALLERS}
    # Those whose connection was refused were not read.
    until(lambda: sum(event.status == 200 for event in gateway.usage()) >= outcomes[200] + CALLERS)
    events = Counter((event.status, event.error_code) for event in gateway.usage())
    assert events.pop((200, "")) == outcomes[200] + CALLERS
    assert set(events) == {(503, "gateway_shortage")}


LIMIT = 256
STRANGER = "127.0.0.3"
"""An address of its own for the one who takes all connections that there are."""


@pytest.fixture(scope="module", params=["off", "self-signed"], ids=["in clear text", "over TLS"])
def cramped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator: Simulator
) -> Iterator[Gateway]:
    """A gateway that has been given LIMIT descriptors, and serves a model."""
    folder = tmp_path_factory.mktemp("cramped")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nulimit -n {LIMIT}\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        gateway = Gateway(folder, tls=request.param)
    with gateway:
        gateway.serve_models(simulator)
        yield gateway
        assert gateway.command.stop() == 0


@contextmanager
def everything_taken(address: str) -> Iterator[None]:
    """Hold as many connections to a port as it lets a stranger have, and say nothing on them."""
    host, port = address.rpartition("/")[2].rsplit(":", 1)
    with ExitStack() as held:
        for _ in range(2 * LIMIT):
            connected = held.enter_context(socket.socket())
            connected.bind((STRANGER, 0))
            connected.settimeout(PATIENCE)
            with suppress(OSError):
                connected.connect((host, int(port)))
        yield


@pytest.mark.parametrize("port", ["data", "console", "grpc"])
def test_a_stranger_who_takes_every_connection_of_a_port_leaves_descriptors_to_callers(
    cramped: Gateway, port: str
) -> None:
    secret = cramped.new_token()
    with everything_taken(getattr(cramped, port)):
        until(lambda: backlog_of(getattr(cramped, port)) == 0)
        until(lambda: descriptors_of(cramped) < LIMIT - LIMIT // 32)
        for _ in range(3):
            assert ask(cramped, secret).status_code == 200
        began = processor_seconds(cramped)
        time.sleep(1.0)  # what is measured is how much the gateway does in it
        assert processor_seconds(cramped) - began < 0.3
    until(lambda: descriptors_of(cramped) < LIMIT // 2)
    said = cramped.command.said()
    assert said.count(f"{LIMIT} descriptors (ulimit -n) allow 224 callers to the data plane") == 1
    assert "Traceback" not in said


def processor_seconds(gateway: Gateway) -> float:
    """Return the time that processors have worked for a gateway."""
    times = Path(f"/proc/{gateway.command.process.pid}/stat").read_text(encoding="ascii").split()[13:15]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
