"""A request that an upstream may have read is repeated only if a policy says so, and then it is counted."""

import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import httpx2
import pytest
from tollkeeper import Deployment, Provider, Retry, TrafficPolicy

from tests.faults.traffic import ask, code_of
from tests.integration.process import PATIENT, Gateway, until

ANSWER = json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}).encode()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
RESET = struct.pack("ii", 1, 0)


class Quitter:
    """Answers the first request of each connection. It reads the second whole, and closes without a word."""

    def __init__(self, *, reset: bool) -> None:
        self._reset = reset
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self.requests: list[int] = []
        """The number of each request's connection, in the order in which they were read."""
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nothing more, and leave the connections that are kept."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):  # it was left
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as reader:
            for answer in (OK, b""):
                length = 0
                while line := reader.readline().strip().lower():
                    name, _, value = line.partition(b":")
                    length = int(value) if name == b"content-length" else length
                if not length:
                    return  # it was closed
                reader.read(length)
                self.requests.append(number)
                connection.sendall(answer)
            if self._reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.fixture(params=[False, True], ids=["closed", "reset"])
def quitter(request: pytest.FixtureRequest) -> Iterator[Quitter]:
    upstream = Quitter(reset=request.param)
    yield upstream
    upstream.close()


@dataclass
class Model:
    """A model whose one upstream is the quitter."""

    gateway: Gateway
    name: str

    def counted(self) -> dict[str, int]:
        """Return what metrics tell of calls of the upstream."""
        text = httpx2.get(f"{self.gateway.console}/metrics").text
        families = "tollkeeper_upstream_(requests|retries|errors)_total"
        pattern = rf'{families}\{{(.*upstream="{self.name}".*)\}} (\S+)'
        found: dict[str, int] = {}
        for family, labels, value in re.findall(pattern, text):
            kind = re.search(r'error="(\w+)"', labels)
            found[kind[1] if kind else family] = int(float(value))
        return found


def _model(gateway: Gateway, quitter: Quitter, retry: Retry | None) -> Model:
    name = f"quitter-{quitter.address.rpartition(':')[2]}"
    with gateway.management() as client:
        client.upstreams.create(
            name=name,
            provider=Provider.OPENAI,
            base_url=f"http://{quitter.address}/v1",
            api_key="sk-fault-0123456789",
            breaker=PATIENT,
        )
        client.models.create(name=name, deployments=[Deployment(name)], policy=TrafficPolicy(retry=retry))
    return Model(gateway, name)


@pytest.mark.parametrize("retry", [None, Retry(attempts=3, only_safe=True)], ids=["none", "only_safe"])
def test_a_request_whose_kept_connection_ends_was_sent_once_and_has_failed(
    gateway: Gateway, token: str, quitter: Quitter, retry: Retry | None
) -> None:
    model = _model(gateway, quitter, retry)
    assert ask(gateway, token, model=model.name).status_code == 200

    answer = ask(gateway, token, model=model.name)

    assert (answer.status_code, code_of(answer)) == (502, "upstream_unreachable")
    assert quitter.requests == [1, 1]
    until(lambda: model.counted() == {"requests": 2, "cut": 1})
    event = gateway.event_of(answer.headers["x-request-id"])
    assert (event.status, event.error_code, event.upstream) == (502, "upstream_unreachable", model.name)


def test_a_policy_that_repeats_it_is_seen_in_the_metrics(
    gateway: Gateway, token: str, quitter: Quitter
) -> None:
    model = _model(gateway, quitter, Retry(attempts=1))
    assert ask(gateway, token, model=model.name).status_code == 200

    answer = ask(gateway, token, model=model.name)

    assert (answer.status_code, answer.content) == (200, ANSWER)
    assert quitter.requests == [1, 1, 2]
    until(lambda: model.counted() == {"requests": 3, "retries": 1, "cut": 1})
    event = gateway.event_of(answer.headers["x-request-id"])
    assert (event.status, event.prompt_tokens, event.completion_tokens) == (200, 3, 2)
