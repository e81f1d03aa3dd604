"""Whatever an upstream does, the caller is told plainly, and the gateway serves on."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from tollkeeper import Confidence, Deployment, Provider, Timeouts, UsageEvent

from tests.faults.traffic import DONE, MODEL, Answer, ask, callers, code_in, code_of, send
from tests.integration.process import PATIENT, Gateway, Simulator, until
from tests.integration.scripted import ScriptedUpstream
from tests.servers.ports import free_port

HASTY = "hasty"
SCRIPTED = "scripted"
CLOSED = "closed"
DEAF = "deaf"
EACH = 30


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def deaf() -> Iterator[str]:
    """A host that does not answer to SYN: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as queue:
        for _ in range(3):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module", autouse=True)
def models(gateway: Gateway, simulator: Simulator, scripted: ScriptedUpstream, deaf: str) -> None:
    """Models on upstreams with short time limits.

    They are the simulator, one with a script, a port nobody has, and one that accepts no connections.
    """
    short = Timeouts(
        connect=timedelta(seconds=1),
        first_byte=timedelta(seconds=1),
        idle=timedelta(seconds=1),
        total=timedelta(seconds=3),
    )
    places = {HASTY: simulator.address, SCRIPTED: scripted.address, DEAF: deaf}
    places[CLOSED] = f"127.0.0.1:{free_port()}"
    with gateway.management() as client:
        for name, address in places.items():
            client.upstreams.create(
                name=name,
                provider=Provider.OPENAI,
                base_url=f"http://{address}/v1",
                api_key="sk-fault-0123456789",
                timeouts=short,
                breaker=PATIENT,
            )
            client.models.create(name=name, deployments=[Deployment(name)])


@dataclass(frozen=True, slots=True)
class Call:
    """A request and the fault it asks for."""

    directive: str = ""
    model: str = MODEL
    stream: bool = False


async def make_all(gateway: Gateway, token: str, calls: Iterable[Call], *, at_once: int = 30) -> list[Answer]:
    """Make calls, some at once, and returns their answers in order."""
    gate = asyncio.Semaphore(at_once)
    async with callers() as session:

        async def make(call: Call) -> Answer:
            async with gate:
                return await send(
                    session, gateway, token, call.directive, model=call.model, stream=call.stream
                )

        return await asyncio.gather(*map(make, calls))


def outcomes(gateway: Gateway, token: str, calls: Iterable[Call]) -> dict[Call, tuple[Answer, UsageEvent]]:
    """Make calls, and returns what became of each: its answer and its one usage event."""
    calls = list(calls)
    answers = asyncio.run(make_all(gateway, token, calls))
    events = [gateway.event_of(answer.headers["x-request-id"]) for answer in answers]
    return dict(zip(calls, zip(answers, events, strict=True), strict=True))


def test_no_answer(gateway: Gateway, token: str) -> None:
    unreachable = (502, "upstream_unreachable", None)
    timeout = (504, "upstream_timeout", "false")
    expected = {
        Call("", CLOSED): unreachable,
        Call("", DEAF): unreachable,
        Call("reset"): unreachable,
        Call("drop"): unreachable,
        Call("garbage"): (502, "upstream_invalid_response", None),
        Call("hang=headers", HASTY): timeout,
        Call("latency=60000", HASTY): timeout,
    }
    expected |= {replace(call, stream=True): outcome for call, outcome in expected.items()}
    found = outcomes(gateway, token, expected)
    assert expected == {
        call: (answer.status, code_in(answer.body), answer.headers.get("x-should-retry"))
        for call, (answer, _) in found.items()
    }
    assert all(
        (event.status, event.error_code) == (answer.status, code_in(answer.body))
        for answer, event in found.values()
    )


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BAD_HEADS = {
    "silence": b"",
    "half a head": HEAD,
    "half a line": b"HTTP/1.1 20",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\n{}",
    "a status below 100": b"HTTP/1.1 099 OK\r\ncontent-length: 2\r\n\r\n{}",
    "a status above 599": b"HTTP/1.1 600 OK\r\ncontent-length: 2\r\n\r\n{}",
    "a coding that nobody asked for": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a header without a colon": HEAD + b"nonsense\r\ncontent-length: 2\r\n\r\n{}",
    "a header of a megabyte": HEAD + b"x-big: " + b"a" * 1_000_000 + b"\r\ncontent-length: 2\r\n\r\n{}",
    "a length that is none": HEAD + b"content-length: many\r\n\r\n{}",
    "a negative length": HEAD + b"content-length: -5\r\n\r\n{}",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
    "nothing but interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 50,
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_an_answer_that_does_not_begin_well(
    gateway: Gateway, token: str, scripted: ScriptedUpstream, name: str
) -> None:
    scripted.forget()
    scripted.will_answer(BAD_HEADS[name])
    answer = ask(gateway, token, model=SCRIPTED)
    assert answer.status_code == 502
    assert code_of(answer) in {"upstream_unreachable", "upstream_invalid_response"}
    assert "aaaa" not in answer.text


BAD_BODIES = {
    "shorter than its length": HEAD + b'content-length: 100\r\n\r\n{"half": ',
    "a chunk that is cut": HEAD + b"transfer-encoding: chunked\r\n\r\n20\r\n{}",
    "chunks without an end": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "a chunk's length that is none": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_breaks_off_never_looks_whole(
    gateway: Gateway, token: str, scripted: ScriptedUpstream, name: str
) -> None:
    scripted.forget()
    scripted.will_answer(BAD_BODIES[name])
    (answer,) = asyncio.run(make_all(gateway, token, [Call(model=SCRIPTED)]))
    assert (answer.status, answer.whole) in {(200, False), (502, True)}


def test_a_plain_body_that_stops(gateway: Gateway, token: str) -> None:
    calls = [Call(directive, HASTY) for directive in ("cut=20", "hang=body", "hang=20")]
    for call, (answer, event) in outcomes(gateway, token, calls).items():
        assert (answer.status, answer.whole) == (200, False), call
        assert event.error_code == "upstream_stream_cut", call


def test_a_stream_that_stops_ends_with_an_error(gateway: Gateway, token: str) -> None:
    directives = (
        "events=20,cut=4",
        "events=20,hang=4",
        "events=20,hang=body",
        "events=100000,interval=5",  # longer than the total time
        "events=20,cut=4,close-framed",
        "events=20,cut=4,crlf",
    )
    calls = [Call(directive, HASTY, stream=True) for directive in directives]
    for call, (answer, event) in outcomes(gateway, token, calls).items():
        assert (answer.status, answer.whole, DONE in answer.body) == (200, True, False), call
        *_, last = answer.body.strip().replace(b"\r", b"").split(b"\n\n")
        assert code_in(last.removeprefix(b"data: ")) == "upstream_stream_cut", call
        assert (event.error_code, event.streamed) == ("upstream_stream_cut", True), call
        assert event.confidence is Confidence.ESTIMATED, call


def test_an_upstream_that_makes_no_sense_is_relayed_as_it_is(gateway: Gateway, token: str) -> None:
    body = ask(gateway, token, "garbage=body")
    assert (body.status_code, body.text[:6]) == (200, "<html>")
    stream = ask(gateway, token, "garbage=event,events=5", stream=True)
    assert stream.status_code == 200
    assert b"{this is not JSON" in stream.content
    assert stream.content.endswith(DONE)


KINDS = (
    Call("reset"),
    Call("drop", stream=True),
    Call("garbage"),
    Call("hang=headers", HASTY),
    Call("events=20,cut=4", HASTY, stream=True),
    Call("events=20,hang=4", HASTY, stream=True),
    Call("cut=20", HASTY),
    Call("hang=20", HASTY),
    Call("", CLOSED),
    Call("events=9,garbage=event", stream=True),
)


def test_hundreds_of_faults_leave_nothing_behind(gateway: Gateway, simulator: Simulator, token: str) -> None:
    descriptors = Path(f"/proc/{gateway.command.process.pid}/fd")
    asyncio.run(make_all(gateway, token, KINDS * 3))
    until(lambda: simulator.in_flight() == 0)
    before = len(list(descriptors.iterdir()))
    answers = asyncio.run(make_all(gateway, token, KINDS * EACH))
    assert Counter((answer.status, answer.whole) for answer in answers) == {
        (502, True): 4 * EACH,
        (504, True): EACH,
        (200, True): 3 * EACH,
        (200, False): 2 * EACH,
    }
    until(lambda: simulator.in_flight() == 0)
    until(lambda: len(list(descriptors.iterdir())) <= before)
    assert ask(gateway, token).status_code == 200
    assert "Traceback" not in gateway.command.said()
