"""Asking upstreams how they are."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from tollkeeper_server.dataplane.call.breaker import BreakerState
from tollkeeper_server.dataplane.call.health import Health
from tollkeeper_server.dataplane.call.prober import MAX_BYTES, Prober
from tollkeeper_server.dataplane.transport import LocalShortageError, Outgoing
from tollkeeper_server.domain.shortage import Shortage
from tollkeeper_server.domain.upstream import Breaker, HeaderAction, Probe, Provider
from tollkeeper_server.http1.client.transport import Http1Transport
from tollkeeper_server.snapshot.model import Dial, Target

from tests.unit.clock import Clock
from tests.unit.dataplane.call.served import Upstream, serving
from tests.unit.dataplane.configured import PROVIDER_KEY, snapshot_of, target

BRITTLE = Breaker(threshold=1, min_calls=1, cooldown_seconds=30)
NOTHING = snapshot_of()


class Pauses:
    """Sleep that lasts until it is told to end."""

    def __init__(self) -> None:
        self._begun: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        end = asyncio.Event()
        self._begun.put_nowait((seconds, end))
        await end.wait()

    async def next(self) -> tuple[float, asyncio.Event]:
        """Return how long somebody wants to sleep, and what ends that."""
        return await self._begun.get()


class Scene:
    """A prober at work on a real upstream, its clock and its pauses."""

    def __init__(self, upstream: Upstream, transport: Http1Transport) -> None:
        self.upstream = upstream
        self.clock = Clock()
        self.pauses = Pauses()
        self.health = Health(self.clock)
        self.prober = Prober(transport, self.health, sleep=self.pauses.sleep)

    def target(self, timeout: float = 10.0, **changes: Any) -> Target:
        """Return the upstream as a target."""
        probe = Probe(path="/models", interval_seconds=10, timeout_seconds=timeout)
        fields = {"base_url": self.upstream.url, "probe": probe, "breaker": BRITTLE, **changes}
        return target("probed", **fields)

    async def probe(self) -> None:
        """End a pause, and returns at the next, which comes when the probe has ended."""
        _, end = await self.pauses.next()
        end.set()
        following = await self.pauses.next()
        self.pauses._begun.put_nowait(following)

    @property
    def last_error(self) -> str:
        """The kind of the latest failure."""
        return self.health.of(self.target()).last_error

    def state(self) -> BreakerState:
        """Where the breaker stands."""
        return self.health.of(self.target()).view().breaker


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A scene in which nothing is probed yet."""
    async with serving() as (upstream, transport):
        made = Scene(upstream, transport)
        yield made
        await made.prober.close()


async def test_it_asks_as_the_upstream_wants_to_be_asked(scene: Scene) -> None:
    scene.upstream.status(200)
    operations = (
        (HeaderAction.REPLACE, b"user-agent", b"mine"),
        (HeaderAction.INSERT, b"x-team", b"blue"),
        (HeaderAction.REMOVE, b"x-unwanted", b""),
    )
    probed = scene.target(
        headers=((b"openai-organization", b"org"), (b"x-unwanted", b"1")),
        fallback_headers=((b"anthropic-version", b"2023-06-01"),),
        operations=operations,
    )

    scene.prober.follow(snapshot_of(probed))
    await scene.probe()

    head = await scene.upstream.requests.get()
    line, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    sent = {name.lower(): value for name, value in (header.split(b": ", 1) for header in headers)}
    assert line == b"GET /v1/models HTTP/1.1"
    assert (
        sent.items()
        >= {
            b"authorization": b"Bearer " + PROVIDER_KEY,
            b"openai-organization": b"org",
            b"anthropic-version": b"2023-06-01",
            b"user-agent": b"mine",
            b"x-team": b"blue",
        }.items()
    )
    assert b"x-unwanted" not in sent


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "closed"), (301, "closed"), (404, "closed"), (429, "closed"), (500, "open"), (503, "open")],
)
async def test_below_500_is_a_success(scene: Scene, status: int, state: str) -> None:
    scene.upstream.status(status)
    scene.prober.follow(snapshot_of(scene.target()))

    await scene.probe()

    assert scene.state() == state
    assert scene.last_error == (f"http_{status}" if state == "open" else "")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"what?\r\n\r\n"]
)
async def test_no_whole_answer_in_time_is_a_failure(scene: Scene, answer: bytes) -> None:
    scene.upstream.answer = answer
    scene.prober.follow(snapshot_of(scene.target(timeout=0.05)))

    await scene.probe()

    assert scene.state() is BreakerState.OPEN
    assert scene.last_error != ""


async def test_nobody_there_is_a_failure(scene: Scene) -> None:
    probed = scene.target()
    scene.upstream.server.close()
    scene.prober.follow(snapshot_of(probed))

    await scene.probe()

    assert scene.health.of(probed).view().breaker is BreakerState.OPEN
    assert scene.health.of(probed).last_error == "connect"


async def test_more_than_anybody_wants_to_read_is_given_up(scene: Scene) -> None:
    body = b"x" * (MAX_BYTES + 1)
    scene.upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (
        len(body),
        body,
    )
    scene.prober.follow(snapshot_of(scene.target()))

    await scene.probe()

    assert scene.state() is BreakerState.CLOSED
    await scene.upstream.left.get()


async def test_an_outage_ends_without_any_traffic(scene: Scene) -> None:
    probed = scene.target()
    scene.health.begin(probed).failed(1.0)
    scene.upstream.status(200)
    scene.prober.follow(snapshot_of(probed))

    await scene.probe()
    assert scene.state() is BreakerState.OPEN  # it is to be left alone for its cooldown
    scene.clock.now += 30
    await scene.probe()

    assert scene.state() is BreakerState.CLOSED


async def test_a_probe_that_fails_after_the_cooldown_prolongs_the_outage(scene: Scene) -> None:
    probed = scene.target()
    scene.health.begin(probed).failed(1.0)
    scene.upstream.status(503)
    scene.prober.follow(snapshot_of(probed))
    scene.clock.now += 31

    await scene.probe()

    assert scene.health.of(probed).view().retry_after == 30


async def test_beside_a_call_that_tries_the_upstream_it_changes_nothing(scene: Scene) -> None:
    probed = scene.target()
    scene.health.begin(probed).failed(1.0)
    scene.clock.now += 30
    call = scene.health.begin(probed)
    scene.upstream.status(503)
    scene.prober.follow(snapshot_of(probed))

    await scene.probe()

    assert scene.state() is BreakerState.HALF_OPEN
    call.succeeded(1.0)
    assert scene.state() is BreakerState.CLOSED


async def test_it_is_no_measure_of_how_long_answers_take(scene: Scene) -> None:
    scene.upstream.status(200)
    scene.prober.follow(snapshot_of(scene.target()))

    await scene.probe()

    seen = scene.health.of(scene.target()).view()
    assert (seen.average_seconds, seen.average_success, seen.in_flight) == (2.0, 1.0, 0)


async def test_pauses_differ_a_little(scene: Scene) -> None:
    scene.upstream.status(200)
    scene.prober.follow(snapshot_of(scene.target()))

    first, end = await scene.pauses.next()
    pauses = []
    for _ in range(20):
        end.set()
        pause, end = await scene.pauses.next()
        pauses.append(pause)

    assert 0 <= first <= 1
    assert all(9 <= pause <= 11 for pause in pauses)
    assert len(set(pauses)) > 1


async def test_an_upstream_that_goes_is_asked_no_more_and_its_place_is_free(scene: Scene) -> None:
    probed = scene.target()
    scene.health.begin(probed).failed(1.0)
    scene.clock.now += 30
    scene.prober.follow(snapshot_of(probed))
    (_, end) = await scene.pauses.next()
    end.set()
    await scene.upstream.requests.get()  # it does not answer
    assert not scene.health.of(probed).view().is_available

    scene.prober.follow(NOTHING)
    await scene.upstream.left.get()

    assert scene.health.of(probed).view().is_available
    assert not scene.prober._running


async def test_a_new_key_is_used_at_the_next_probe(scene: Scene) -> None:
    scene.upstream.status(200)
    scene.prober.follow(snapshot_of(scene.target()))
    await scene.probe()
    await scene.upstream.requests.get()

    scene.prober.follow(snapshot_of(scene.target(credential=((b"authorization", b"Bearer new"),))))
    await scene.probe()

    assert b"Bearer new\r\n" in await scene.upstream.requests.get()


async def test_another_interval_counts_at_once(scene: Scene) -> None:
    scene.upstream.status(200)
    before = scene.target()
    scene.prober.follow(snapshot_of(before))
    await scene.pauses.next()

    slow = Probe(path="/health", interval_seconds=1000)
    scene.prober.follow(snapshot_of(replace(before, probe=slow)))
    await scene.probe()
    pause, _ = await scene.pauses.next()

    assert (await scene.upstream.requests.get()).startswith(b"GET /v1/health ")
    assert 900 <= pause <= 1100
    assert len(scene.prober._running) == 1


async def test_only_who_says_how_is_asked(scene: Scene) -> None:
    full = target("full", Provider.GENERIC, base_url="", full_url="http://x.test/", probe=Probe(path="/"))

    scene.prober.follow(snapshot_of(target("quiet"), full))

    assert not scene.prober._running


async def test_it_is_said_when_an_upstream_stops_to_pass_and_when_it_does_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    scene.prober.follow(snapshot_of(scene.target()))
    for status in (200, 503, 503, 200, 200):
        scene.upstream.status(status)
        await scene.probe()

    assert [record.getMessage() for record in caplog.records] == [
        "the upstream probed does not pass its probe: status 503",
        "the upstream probed passes its probe again",
    ]


async def test_a_probe_goes_the_way_that_requests_go(scene: Scene) -> None:
    proxy = scene.upstream.url.removesuffix("/v1")
    scene.upstream.status(503)
    scene.prober.follow(snapshot_of(scene.target(dial=Dial(proxy=proxy))))

    await scene.probe()

    assert (await scene.upstream.requests.get()).startswith(b"CONNECT ")


class Broken:
    """A transport with a fault of ours."""

    def __init__(self) -> None:
        self.asked = 0

    async def open(self, request: Outgoing) -> NoReturn:
        """Fail as nothing should."""
        self.asked += 1
        raise ZeroDivisionError

    async def close(self) -> None:
        """Nothing to do."""


async def test_a_fault_of_ours_does_not_end_it_and_blames_nobody(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken()
    scene.prober = Prober(broken, scene.health, sleep=scene.pauses.sleep)
    scene.prober.follow(snapshot_of(scene.target()))

    await scene.probe()
    await scene.probe()

    assert broken.asked == 2
    assert scene.state() is BreakerState.CLOSED
    assert "could not be probed" in caplog.text


async def test_what_this_machine_lacks_says_nothing_of_an_upstream(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def open_none(*_: object) -> NoReturn:
        raise LocalShortageError(Shortage.DESCRIPTORS)

    monkeypatch.setattr(Http1Transport, "open", open_none)
    scene.prober.follow(snapshot_of(scene.target()))
    await scene.probe()
    assert scene.state() is BreakerState.CLOSED
    assert scene.health.of(scene.target()).probe is None
    assert not caplog.records
