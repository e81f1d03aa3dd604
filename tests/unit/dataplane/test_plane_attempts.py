"""What the event of a request tells of its way: attempts, listener, group, rule."""

import asyncio
import time
from dataclasses import replace

import msgspec
import pytest
from tollkeeper_server.dataplane.caller import ACTING, LISTENER
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.domain.listener import CONSOLE, Rule
from tollkeeper_server.domain.traffic import Strategy, TrafficPolicy
from tollkeeper_server.domain.usage import MOST_ATTEMPTS, UsageAttempt
from tollkeeper_server.snapshot.model import ListenerView
from tollkeeper_server.snapshot.rules import compile_rules

from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import member_on, pool, route, snapshot, target, token
from tests.unit.dataplane.exchanges import exchange
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer

BODY = b'{"model":"m"}'


def timeless(bench: Bench) -> list[UsageAttempt]:
    """Return the attempts of the only event without their times, which are never negative.

    Each begins when the one before has ended, to within what rounding takes, and within the request.
    """
    event, ended = bench.journal.only, 0
    for attempt in event.attempts:
        assert attempt.milliseconds >= 0
        assert attempt.after_milliseconds is not None
        assert attempt.after_milliseconds >= ended - 1
        ended = attempt.after_milliseconds + attempt.milliseconds
    assert (ended - 1) * 1000 <= event.duration_us or not event.duration_us
    return [msgspec.structs.replace(it, milliseconds=0, after_milliseconds=None) for it in event.attempts]


def bench_of(*answers: Answer | BaseException) -> Bench:
    """Return a data plane with an upstream for each answer, which are asked in their order."""
    names = [f"u{number}" for number in range(len(answers))]
    members = (member_on(target(name, base_url=f"http://{name}.test/v1")) for name in names)
    policy = TrafficPolicy(strategy=Strategy.FAILOVER)
    bench = Bench(snapshot(route("m", *members, policy=policy)))
    bench.transport.answers = {f"{name}.test": [it] for name, it in zip(names, answers, strict=True)}
    return bench


async def test_one_call_is_one_attempt() -> None:
    bench = bench_of(Answer((b"{}",)))
    await Caller(body=BODY).call(bench.plane)
    event = bench.journal.only
    assert timeless(bench) == [UsageAttempt("u0", 200)]
    assert (event.listener, event.group, event.rule) == (CONSOLE, "", "")


@pytest.mark.parametrize(("path", "events"), [("/v1/models", 0), ("/v1/chat/completions", 1)])
async def test_what_a_page_asks_for_itself_is_no_call_of_its_token(path: str, events: int) -> None:
    bench = bench_of(Answer((b"{}",)))
    asked = Caller(path=path, method="GET" if events == 0 else "POST", body=b"" if events == 0 else BODY)
    asked.scope[ACTING] = token().id
    reply = await asked.call(bench.plane)
    assert reply.status == 200
    assert len(bench.journal.settled) == events


async def test_each_upstream_that_was_asked_is_told_with_what_it_answered() -> None:
    bench = bench_of(Answer((b"{}",), 503), CutError("cut"), Answer((b"{}",)))
    await Caller(body=BODY).call(bench.plane)
    assert timeless(bench) == [
        UsageAttempt("u0", 503),
        UsageAttempt("u1", error_code="upstream_unreachable"),
        UsageAttempt("u2", 200),
    ]
    assert bench.journal.only.upstream == "u2"


async def test_an_attempt_tells_when_it_began() -> None:
    """Counted from the request's arrival, whatever came before: a body, a wait, other attempts."""
    asked = exchange()
    asked.began -= 250_000_000
    asked.note_attempt("u0", time.monotonic() - 0.1, 200)
    asked.note_attempt("u1", time.monotonic() - 3600, 200)
    first, early = asked.event().attempts
    assert first.milliseconds >= 100
    assert first.after_milliseconds is not None
    assert first.after_milliseconds >= 149
    assert early.after_milliseconds == 0


async def test_what_was_refused_before_any_call_has_none() -> None:
    bench = bench_of(Answer((b"{}",)))
    await Caller(body=b'{"model":"unknown"}').call(bench.plane)
    assert bench.journal.only.attempts == ()


async def test_a_caller_that_leaves_gives_its_attempt_up() -> None:
    bench = bench_of(Answer((b"{}",)))
    bench.transport.answers = {}
    bench.transport.answer = asyncio.Event()
    asked = Caller(body=BODY)
    calling = asyncio.ensure_future(asked.call(bench.plane))
    await bench.transport.waiting.wait()
    asked.left.set()
    await calling
    assert timeless(bench) == [UsageAttempt("u0")]


def test_an_event_tells_of_the_first_eight_attempts() -> None:
    asked = exchange()
    for number in range(MOST_ATTEMPTS + 3):
        asked.note_attempt(f"u{number}", 0.0, 500)
    assert [it.upstream for it in asked.event().attempts] == [f"u{number}" for number in range(8)]


async def test_the_group_that_serves_a_model_is_told_and_that_of_its_fallback() -> None:
    farms = {
        name: pool(member_on(target(name, base_url=f"http://{name}.test/v1")), name=name)
        for name in ("first", "second")
    }
    primary = replace(route("m", fallbacks=("other",)), pool=farms["first"])
    other = replace(route("other"), pool=farms["second"])
    bench = Bench(snapshot(primary, other, groups=farms))
    for status, group in ((200, "first"), (503, "second")):
        bench.transport.answers = {
            "first.test": [Answer((b"{}",), status)],
            "second.test": [Answer((b"{}",))],
        }
        await Caller(body=BODY).call(bench.plane)
        assert bench.journal.settled[-1].group == group


@pytest.mark.parametrize(
    ("path", "group", "rule"),
    [("/v1/chat/completions", "large", ""), ("/v1/embeddings", "small", "/v1/embeddings with x-team: *")],
)
async def test_the_listener_its_group_and_rule_are_told(path: str, group: str, rule: str) -> None:
    """In the event, and in what the journal knows before an upstream is called."""
    rules = compile_rules((Rule(group="small", path="/v1/embeddings", header="x-team"),))
    view = ListenerView("tenant", "127.0.0.1:3001", rules, "large", None, 10)
    groups = {name: pool(member_on(target()), name=name) for name in ("large", "small")}
    bench = Bench(snapshot(groups=groups, listeners={"tenant": view}))
    asked = Caller(path=path, body=b'{"model":"any","input":"x"}', headers=[(b"x-team", b"a")])
    asked.scope[LISTENER] = "tenant"
    await asked.call(bench.plane)
    (event, intent) = bench.journal.only, bench.journal.begun[0]
    assert (event.listener, event.group, event.rule) == ("tenant", group, rule)
    assert (intent.listener, intent.group, intent.rule) == ("tenant", group, rule)
