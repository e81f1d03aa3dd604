"""Whatever an upstream does, the caller is told plainly, and the gateway serves on."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from tollkeeper import Confidence, Deployment, Provider, Timeouts

from tests.faults.traffic import DONE, MODEL, Answer, ask, callers, code_of, send
from tests.integration.process import Gateway, Simulator, until
from tests.integration.scripted import ScriptedUpstream
from tests.servers.process import free_port

HASTY = "hasty"
SCRIPTED = "scripted"
CLOSED = "closed"
FAULTY = 300


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def models(gateway: Gateway, simulator: Simulator, scripted: ScriptedUpstream) -> None:
    """Models on upstreams with short time limits: the simulator, one with a script, a port nobody has."""
    short = Timeouts(
        connect=timedelta(seconds=2),
        first_byte=timedelta(seconds=0.4),
        idle=timedelta(seconds=0.4),
        total=timedelta(seconds=1.5),
    )
    places = {HASTY: simulator.address, SCRIPTED: scripted.address, CLOSED: f"127.0.0.1:{free_port()}"}
    with gateway.management() as client:
        for name, address in places.items():
            client.upstreams.create(
                name=name,
                provider=Provider.OPENAI,
                base_url=f"http://{address}/v1",
                api_key="sk-fault-0123456789",
                timeouts=short,
            )
            client.models.create(name=name, deployments=[Deployment(name)])


def assert_fails(answer: httpx2.Response, status: int, code: str, should_retry: str | None) -> None:
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert answer.headers.get("x-should-retry") == should_retry
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("directive", "model", "status", "code", "should_retry"),
    [
        ("", CLOSED, 502, "upstream_unreachable", None),
        ("reset", MODEL, 502, "upstream_unreachable", None),
        ("drop", MODEL, 502, "upstream_unreachable", None),
        ("garbage", MODEL, 502, "upstream_invalid_response", None),
        ("hang=headers", HASTY, 504, "upstream_timeout", "false"),
        ("latency=60000", HASTY, 504, "upstream_timeout", "false"),
    ],
)
def test_no_answer(
    gateway: Gateway,
    token: str,
    directive: str,
    model: str,
    status: int,
    code: str,
    should_retry: str | None,
    stream: bool,
) -> None:
    answer = ask(gateway, token, directive, model=model, stream=stream)
    assert_fails(answer, status, code, should_retry)
    event = gateway.event_of(answer.headers["x-request-id"])
    assert (event.status, event.error_code) == (status, code)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BAD_HEADS = {
    "silence": b"",
    "half a head": HEAD,
    "half a line": b"HTTP/1.1 20",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n",
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
    answer = asyncio.run(one(gateway, token, SCRIPTED))
    assert (answer.status, answer.whole) in {(200, False), (502, True)}
    event = gateway.event_of(answer.headers["x-request-id"])
    assert event.error_code in {"upstream_stream_cut", "upstream_invalid_response"}


async def one(
    gateway: Gateway, token: str, model: str, simulate: str = "", *, stream: bool = False
) -> Answer:
    """Sends one request."""
    async with callers() as session:
        return await send(session, gateway, token, simulate, model=model, stream=stream)


@pytest.mark.parametrize("directive", ["cut=20", "hang=body", "hang=20"])
def test_a_plain_body_that_stops(gateway: Gateway, token: str, directive: str) -> None:
    answer = asyncio.run(one(gateway, token, HASTY, directive))
    assert (answer.status, answer.whole) == (200, False)
    assert gateway.event_of(answer.headers["x-request-id"]).error_code == "upstream_stream_cut"


@pytest.mark.parametrize(
    "directive",
    [
        "events=20,cut=4",
        "events=20,hang=4",
        "events=20,hang=body",
        "events=100000,interval=5",  # longer than the total time
        "events=20,cut=4,close-framed",
        "events=20,cut=4,crlf",
    ],
)
def test_a_stream_that_stops_ends_with_an_error(gateway: Gateway, token: str, directive: str) -> None:
    answer = ask(gateway, token, directive, model=HASTY, stream=True)
    assert answer.status_code == 200
    assert DONE not in answer.content
    *_, last = answer.text.strip().replace("\r", "").split("\n\n")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_stream_cut"
    event = gateway.event_of(answer.headers["x-request-id"])
    assert (event.error_code, event.streamed) == ("upstream_stream_cut", True)
    assert event.confidence in {Confidence.ESTIMATED, Confidence.EXACT}


def test_an_upstream_that_makes_no_sense_is_relayed_as_it_is(gateway: Gateway, token: str) -> None:
    body = ask(gateway, token, "garbage=body")
    assert (body.status_code, body.text[:6]) == (200, "<html>")
    stream = ask(gateway, token, "garbage=event,events=5", stream=True)
    assert stream.status_code == 200
    assert b"{this is not JSON" in stream.content
    assert stream.content.endswith(DONE)


async def many_faults(gateway: Gateway, token: str, requests: int) -> list[Answer]:
    """Has every kind of fault happen, thirty at a time."""
    kinds = [
        ("reset", MODEL, False),
        ("drop", MODEL, True),
        ("garbage", MODEL, False),
        ("hang=headers", HASTY, False),
        ("events=20,cut=4", HASTY, True),
        ("events=20,hang=4", HASTY, True),
        ("cut=20", HASTY, False),
        ("hang=20", HASTY, False),
        ("", CLOSED, False),
        ("events=9,garbage=event", MODEL, True),
    ]
    gate = asyncio.Semaphore(30)
    async with callers() as session:

        async def ask_next(number: int) -> Answer:
            directive, model, stream = kinds[number % len(kinds)]
            async with gate:
                return await send(session, gateway, token, directive, model=model, stream=stream)

        return await asyncio.gather(*map(ask_next, range(requests)))


def test_hundreds_of_faults_leave_nothing_behind(gateway: Gateway, simulator: Simulator, token: str) -> None:
    descriptors = Path(f"/proc/{gateway.command.process.pid}/fd")
    asyncio.run(many_faults(gateway, token, 30))
    until(lambda: simulator.in_flight() == 0)
    before = len(list(descriptors.iterdir()))
    answers = asyncio.run(many_faults(gateway, token, FAULTY))
    assert Counter((answer.status, answer.whole) for answer in answers) == {
        (502, True): 4 * FAULTY // 10,
        (504, True): FAULTY // 10,
        (200, True): 3 * FAULTY // 10,
        (200, False): 2 * FAULTY // 10,
    }
    until(lambda: simulator.in_flight() == 0)
    until(lambda: len(list(descriptors.iterdir())) <= before)
    assert ask(gateway, token).status_code == 200
    assert "Traceback" not in gateway.command.said()
