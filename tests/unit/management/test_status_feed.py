"""Those who watch the status are told the whole first, and then what has changed, by one look for all."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from msgspec.structs import replace
from tollkeeper.v1 import status_service_pb2 as pb
from tollkeeper_server.domain.status import (
    Attention,
    AttentionKind,
    BreakerState,
    ListenerStatus,
    ProcessStatus,
    Severity,
)
from tollkeeper_server.management.status_feed import StatusFeed

from tests.unit.management.observed import Observed, upstream_status

SECONDS = 20.0
NEVER = 1000.0
Watch = AsyncGenerator[pb.WatchStatusResponse]


@dataclass
class Told:
    """What a watcher knows by all that it was told."""

    status: pb.ProcessStatus | None = None
    upstreams: dict[str, pb.UpstreamStatus] = field(default_factory=dict)
    listeners: dict[str, pb.ListenerStatus] = field(default_factory=dict)
    attention: list[str] = field(default_factory=list)
    starts: int = 0

    def take(self, news: pb.WatchStatusResponse) -> None:
        """Take a message in."""
        if news.is_start:
            self.__init__(starts=self.starts + 1)  # type: ignore[misc]  # all before is void
        if news.HasField("status"):
            self.status = news.status
        self.upstreams |= {it.name: it for it in news.upstreams}
        self.listeners |= {it.name: it for it in news.listeners}
        for name in news.removed_upstreams:
            del self.upstreams[name]
        for name in news.removed_listeners:
            del self.listeners[name]
        if news.attention_changed:
            self.attention = [it.subject for it in news.attention]

    async def until(self, watch: Watch, is_so: Callable[["Told"], bool]) -> "Told":
        """Take messages in until something is so."""
        async with asyncio.timeout(SECONDS):
            while not is_so(self):
                self.take(await anext(watch))
        return self


def feed(observed: Observed, *, interval: float = 0.01, heartbeat: float = SECONDS) -> StatusFeed:
    """Return a feed that looks often."""
    return StatusFeed(observed, interval=interval, heartbeat=heartbeat)


def are_called(told: Told, *, count: int) -> bool:
    """Return whether each upstream is known to have so many calls under way."""
    return {it.in_flight for it in told.upstreams.values()} == {count}


def port(name: str, *, connections: int = 0) -> ListenerStatus:
    """Return an open port."""
    return ListenerStatus(
        name=name,
        process="host-1",
        address="127.0.0.1:1",
        is_open=True,
        problem="",
        connections=connections,
        tls=False,
    )


def thing(subject: str) -> Attention:
    """Return something that needs attention."""
    return Attention(
        kind=AttentionKind.UNPRICED,
        severity=Severity.INFO,
        subject=subject,
        detail="has no price",
        remedy="give it one",
        since=None,
        process="host-1",
    )


async def test_the_first_message_is_the_whole() -> None:
    observed = Observed(names=["a", "b"], ports=[port("main")], things=[thing("m")])
    async with aclosing(feed(observed).watch()) as watch:
        first = await anext(watch)
    assert (first.is_start, first.has_more, first.status.process) == (True, False, "host-1")
    assert [it.name for it in first.upstreams] == ["a", "b"]
    assert [it.name for it in first.listeners] == ["main"]
    assert (first.attention_changed, [it.subject for it in first.attention]) == (True, ["m"])


async def test_then_only_what_has_changed_is_told() -> None:
    observed = Observed(names=["a", "b"], ports=[port("main"), port("other")], things=[thing("m")])
    async with aclosing(feed(observed).watch()) as watch:
        await anext(watch)
        observed.seen["b"] = replace(upstream_status("b"), in_flight=3)
        news = await anext(watch)
        assert [(it.name, it.in_flight) for it in news.upstreams] == [("b", 3)]
        assert {descriptor.name for descriptor, _ in news.ListFields()} == {"upstreams"}
        observed.ports = [port("main", connections=7)]
        news = await anext(watch)
        assert [(it.name, it.connections) for it in news.listeners] == [("main", 7)]
        assert {descriptor.name for descriptor, _ in news.ListFields()} == {"listeners", "removed_listeners"}
        observed.names = ["a"]
        news = await anext(watch)
        assert (list(news.removed_upstreams), len(news.ListFields())) == (["b"], 1)
        observed.told = replace(observed.told, revision=8)
        news = await anext(watch)
        assert (news.status.revision, len(news.ListFields())) == (8, 1)
        observed.things = []
        news = await anext(watch)
        assert (news.attention_changed, list(news.attention), len(news.ListFields())) == (True, [], 1)


async def test_that_time_goes_by_is_no_news() -> None:
    @dataclass
    class Ageing(Observed):
        async def process(self) -> ProcessStatus:
            self.looks += 1
            return replace(self.told, snapshot_age_seconds=float(self.looks))

    observed = Ageing()
    async with aclosing(feed(observed, heartbeat=0.1).watch()) as watch:
        assert (await anext(watch)).status.snapshot_age.seconds == 1
        assert await anext(watch) == pb.WatchStatusResponse()  # a heartbeat
        assert observed.looks > 1


async def test_a_change_of_a_breaker_does_not_wait_for_the_next_look() -> None:
    observed = Observed(names=["a", "b"])
    usual = feed(observed, interval=NEVER)
    async with aclosing(usual.watch()) as watch:
        told = await Told().until(watch, lambda it: len(it.upstreams) == 2)
        for state, number in (
            (BreakerState.OPEN, pb.BREAKER_STATE_OPEN),
            (BreakerState.HALF_OPEN, pb.BREAKER_STATE_HALF_OPEN),
            (BreakerState.CLOSED, pb.BREAKER_STATE_CLOSED),
        ):
            observed.seen["b"] = replace(upstream_status("b"), breaker=state, opened_at=datetime.now(UTC))
            usual.look("b")
            async with asyncio.timeout(SECONDS):
                news = await anext(watch)
            assert [(it.name, it.breaker) for it in news.upstreams] == [("b", number)]
        usual.look("not-there")
        observed.names = ["a"]
        usual.look("b")
        await told.until(watch, lambda it: list(it.upstreams) == ["a"])


async def test_one_look_serves_all_who_watch() -> None:
    observed = Observed(names=["a"])
    shared = feed(observed, interval=NEVER)
    async with aclosing(shared.watch()) as first, aclosing(shared.watch()) as second:
        assert await anext(first) == await anext(second)
        async with aclosing(shared.watch()) as third:
            assert (await anext(third)).is_start
    assert observed.looks == 1


async def test_nothing_is_looked_at_while_nobody_watches() -> None:
    observed = Observed(names=["a"])
    shared = feed(observed)
    async with aclosing(shared.watch()) as watch:
        await anext(watch)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("status-feed")]
    shared.look("a")
    observed.names = ["b"]
    async with aclosing(shared.watch()) as watch:
        told = await Told().until(watch, lambda it: it.status is not None)
    assert (list(told.upstreams), told.starts) == (["b"], 1)


async def test_who_takes_nothing_is_told_the_latest_and_holds_no_more() -> None:
    observed = Observed(names=[f"u{number:03}" for number in range(20)])
    shared = feed(observed, interval=NEVER)
    async with aclosing(shared.watch()) as slow, aclosing(shared.watch()) as quick:
        known = await Told().until(slow, lambda it: len(it.upstreams) == 20)
        ahead = await Told().until(quick, lambda it: len(it.upstreams) == 20)
        for count in range(1, 6):
            for name in observed.names:
                observed.seen[name] = replace(upstream_status(name), in_flight=count)
                shared.look(name)
            await ahead.until(quick, partial(are_called, count=count))
        assert shared.kept == 20
        known.take(await anext(slow))
        assert (known.upstreams, known.starts) == (ahead.upstreams, 1)


async def test_a_long_whole_comes_in_several_messages() -> None:
    observed = Observed(names=[f"u{number:03}" for number in range(230)], ports=[port("main")])
    async with aclosing(feed(observed).watch()) as watch:
        messages = [await anext(watch)]
        while messages[-1].has_more:
            messages.append(await anext(watch))
    assert [it.is_start for it in messages] == [True, False, False, False, False]
    assert messages[0].HasField("status")
    assert max(len(it.upstreams) + len(it.listeners) for it in messages) == 50
    assert [it.name for news in messages for it in news.upstreams] == observed.names


async def test_who_missed_what_was_removed_is_told_the_whole_again() -> None:
    observed = Observed(names=[f"u{number}" for number in range(9)])
    shared = StatusFeed(observed, interval=0.01, removed=3)
    async with aclosing(shared.watch()) as slow, aclosing(shared.watch()) as quick:
        known = await Told().until(slow, lambda it: len(it.upstreams) == 9)
        ahead = await Told().until(quick, lambda it: len(it.upstreams) == 9)
        while len(observed.names) > 1:
            observed.names = observed.names[1:]
            await ahead.until(quick, lambda it: len(it.upstreams) == len(observed.names))
        assert (shared.kept, ahead.starts) == (4, 1)
        await known.until(slow, lambda it: len(it.upstreams) == 1)
        assert known.starts == 2
        async with aclosing(shared.watch()) as late:
            assert list((await anext(late)).removed_upstreams) == []


async def test_what_can_not_be_seen_keeps_nothing_else_from_being_told() -> None:
    @dataclass
    class Broken(Observed):
        async def process(self) -> ProcessStatus:
            raise RuntimeError("the disk is gone")

    async with aclosing(feed(Broken(names=["a"])).watch()) as watch:
        told = await Told().until(watch, lambda it: bool(it.upstreams))
    assert told.status is None
