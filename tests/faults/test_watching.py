"""Those who watch usage see every event of every process once, whatever ends meanwhile."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from tollkeeper import MintedToken, TollkeeperError, UsageEvent

from tests.faults.processes import Pair
from tests.faults.traffic import ask
from tests.integration.process import MANAGEMENT_TOKEN, Gateway, Simulator, until

SECONDS = 30.0


class Watch(threading.Thread):
    """Watches the usage of a project in a thread of its own, until it is left."""

    def __init__(self, gateway: Gateway, project_id: str, after_id: str = "") -> None:
        super().__init__(daemon=True)
        self._client = gateway.management()
        self._news = self._client.usage.watch(project_id=project_id, after_id=after_id)
        self.events: list[UsageEvent] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread, which would call its gateway for ever and write so into other tests' logs."""
        self._client.close()
        self.join()

    def run(self) -> None:
        with suppress(TollkeeperError):  # its client is closed
            for news in self._news:
                self.events += news.events

    def ids(self) -> list[str]:
        """Return the ids that were told so far."""
        return [event.id for event in self.events]

    def request_ids(self) -> list[str]:
        """Return the request ids that were told so far."""
        return [event.request_id for event in self.events]

    def has(self, number: int) -> list[str]:
        """Wait until so many were told, and return their ids."""
        until(lambda: len(self.events) >= number, SECONDS)
        return self.ids()


@contextmanager
def watch_of(gateway: Gateway) -> Iterator[http.client.HTTPResponse]:
    """Open a stream of server-sent events, of which the first has come."""
    address = gateway.console.partition("://")[2]
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    headers = {"authorization": f"Bearer {MANAGEMENT_TOKEN}"}
    connection.request("GET", "/manage/usage/watch", headers=headers)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.readline().startswith(b"id: ")
    assert answer.readline() == b"\n"
    try:
        yield answer
    finally:
        answer.close()
        connection.close()


def known_to(pair: Pair) -> MintedToken:
    """Return a token that both processes admit."""
    minted = pair.first.mint()
    for gateway in (pair.first, pair.second):
        until(partial(_admits, gateway, minted.token))
    return minted


def _admits(gateway: Gateway, secret: str) -> bool:
    return ask(gateway, secret).status_code == 200


def stored(gateway: Gateway, project_id: str, number: int) -> list[str]:
    """Wait until a project has so many events, and return their ids in order."""
    until(lambda: len(gateway.usage(project_id=project_id)) >= number, SECONDS)
    return sorted(event.id for event in gateway.usage(project_id=project_id))


@pytest.fixture(scope="module", params=[pytest.param("pair", marks=pytest.mark.mongo), "sqlite_pair"])
def both(request: pytest.FixtureRequest) -> Pair:
    """Two gateways on one store."""
    found: Pair = request.getfixturevalue(request.param)
    return found


def test_each_process_tells_the_events_of_both_once(both: Pair) -> None:
    minted = known_to(both)
    until(lambda: len(both.first.usage(project_id=minted.project_id)) >= 2)
    after = both.first.usage(project_id=minted.project_id)[0].id
    gateways = (both.first, both.second)
    with ExitStack() as stack:
        watches = [stack.enter_context(Watch(it, minted.project_id, after)) for it in gateways]
        asked = [ask(gateway, minted.token).headers["x-request-id"] for gateway in gateways * 10]
        for watch in watches:
            until(lambda watch=watch: set(asked) <= set(watch.request_ids()), SECONDS)  # type: ignore[misc]
            assert len(watch.request_ids()) == len(set(watch.request_ids()))


def test_a_watch_loses_and_doubles_nothing_when_its_process_is_killed(
    tmp_path: Path, simulator: Simulator
) -> None:
    with Gateway(tmp_path / "gateway") as gateway:
        gateway.serve_models(simulator)
        minted = gateway.mint()
        ask(gateway, minted.token)
        (first,) = until(lambda: gateway.usage(project_id=minted.project_id))
        answered = 0
        with Watch(gateway, minted.project_id, first.id) as watch:
            for round_ in range(3):
                for _ in range(7):
                    answered += ask(gateway, minted.token).status_code == 200
                if round_ < 2:
                    gateway.command.kill()  # some of them are in the journal alone
                    gateway.start()
            assert answered == 21
            told = watch.has(21)
            assert sorted([first.id, *told]) == stored(gateway, minted.project_id, 22)


def test_watches_end_at_once_when_the_process_goes_down(tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway") as gateway, ExitStack() as stack:
        answers = [stack.enter_context(watch_of(gateway)) for _ in range(5)]
        began = time.monotonic()
        assert gateway.command.stop() == 0
        assert time.monotonic() - began < SECONDS / 2
        for answer in answers:
            assert answer.readline() == b"event: error\n"
            data = json.loads(answer.readline().removeprefix(b"data: "))
            assert (data["status"], data["message"]) == ("UNAVAILABLE", "the server is ending; call again")
            assert answer.readline() == b"\n"
            assert answer.read() == b""


def test_streams_are_counted_and_bounded(tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway") as gateway, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(watch_of(gateway))
        address = gateway.console.partition("://")[2]
        connection = http.client.HTTPConnection(address, timeout=SECONDS)
        connection.request(
            "GET", "/manage/usage/watch", headers={"authorization": f"Bearer {MANAGEMENT_TOKEN}"}
        )
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["status"]) == (429, "RESOURCE_EXHAUSTED")
        connection.request("GET", "/metrics")
        assert b"\ntollkeeper_management_streams 100.0\n" in connection.getresponse().read()
        connection.close()
        stack.close()
        until(lambda: _streams(gateway) == 0)


def _streams(gateway: Gateway) -> float:
    connection = http.client.HTTPConnection(gateway.console.partition("://")[2], timeout=SECONDS)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    (line,) = (line for line in lines if line.startswith("tollkeeper_management_streams "))
    return float(line.split()[1])


def test_watches_of_the_status_end_when_the_process_goes_down(tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway") as gateway:
        address = gateway.console.partition("://")[2]
        connection = http.client.HTTPConnection(address, timeout=SECONDS)
        headers = {"authorization": f"Bearer {MANAGEMENT_TOKEN}"}
        connection.request("GET", "/manage/status/watch", headers=headers)
        answer = connection.getresponse()
        first = json.loads(answer.readline().removeprefix(b"data: "))
        assert (answer.status, first["is_start"]) == (200, True)
        assert gateway.command.stop() == 0
        rest = answer.read()
        assert rest.count(b"event: error\n") == 1
        assert b"the server is ending; call again" in rest
        connection.close()


def test_a_watch_of_the_status_begins_anew_when_its_process_was_killed(tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway") as gateway, gateway.management() as client:
        news = client.status.watch()
        processes = [first.status.process for first in (next(news),) if first.is_start and first.status]
        gateway.command.kill()
        gateway.start()
        again = next(it for it in news if it.is_start)
        assert again.status is not None
        processes.append(again.status.process)
        assert len(set(processes)) == 2
