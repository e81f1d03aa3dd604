"""However an answer ends, its caller, its usage event, the breaker and the metrics agree on how.

README.md (Guarantees) promises it: a table says what each kind of answer comes to at each kind of end.
"""

import asyncio
import gzip
import json
from dataclasses import dataclass
from functools import partial

import pytest
from tollkeeper_server.dataplane.fair_turns import FairTurns
from tollkeeper_server.dataplane.reply import answer
from tollkeeper_server.dataplane.reply.meter import BodyMeter
from tollkeeper_server.dataplane.transport import CutError, GarbageError, TimeoutExpiredError
from tollkeeper_server.domain.usage import Confidence, TokenCounts, UsageEvent

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer, Step

PROMPT = "12345678"  # two tokens by the estimate
TEXT = "abcdefgh"  # two more


def _event(data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


CHAT = (
    "/v1/chat/completions",
    {"model": "m", "messages": [{"role": "user", "content": PROMPT}]},
    [json.dumps({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}).encode()[:-1], b"}"],
)
CHAT_STREAM = (
    "/v1/chat/completions",
    CHAT[1] | {"stream": True},
    [
        _event({"choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": None}]}),
        b"data: [DONE]\n\n",
    ],
)
RESPONSE = (
    "/v1/responses",
    {"model": "m", "input": PROMPT},
    [
        b'{"id":"resp_1234","status":"completed","output":[{"content":[{"text":"abcdefgh"}]}]',
        b',"usage":{"input_tokens":9,"output_tokens":8}}',
    ],
)
RESPONSE_STREAM = (
    "/v1/responses",
    RESPONSE[1] | {"stream": True},
    [
        _event({"type": "response.created", "response": {"id": "resp_1234", "status": "in_progress"}})
        + _event({"type": "response.output_text.delta", "delta": TEXT}),
        _event(
            {
                "type": "response.completed",
                "response": {"id": "resp_1234", "usage": {"input_tokens": 9, "output_tokens": 8}},
            }
        ),
    ],
)
NOTHING: dict[str, str] = {}
FILE = ("/v1/files", NOTHING, [b'{"object":"file","id":"file-', b'abc123"}'])
BATCH = ("/v1/batches", NOTHING, [b'{"object":"batch","id":"batch_', b'123"}'])


@dataclass(frozen=True)
class Kind:
    """A kind of answer: of what request, in which halves it comes, and how far the caller gets at an end.

    `begins` says that the caller has the head of an answer before all of it has come, `streams` that it
    comes as events, `costs` that it costs tokens, `is_batch` that it is known only later how many.
    """

    path: str
    body: object
    halves: list[bytes]
    begins: bool
    streams: bool = False
    coded: bool = False
    costs: bool = True
    is_batch: bool = False


KINDS = {
    "plain": Kind(*CHAT, begins=True),
    "streamed": Kind(*CHAT_STREAM, begins=True, streams=True),
    "kept": Kind(*RESPONSE, begins=False),
    "kept, streamed": Kind(*RESPONSE_STREAM, begins=True, streams=True),
    "kept, an upload": Kind(*FILE, begins=False, costs=False),
    "kept, a batch": Kind(*BATCH, begins=False, costs=False, is_batch=True),
    "plain, compressed": Kind(*CHAT, begins=True, coded=True),
    "streamed, compressed": Kind(*CHAT_STREAM, begins=True, streams=True, coded=True),
    "kept, compressed": Kind(*RESPONSE, begins=False, coded=True),
    "kept, streamed, compressed": Kind(*RESPONSE_STREAM, begins=True, streams=True, coded=True),
    "kept, an upload, compressed": Kind(*FILE, begins=False, coded=True, costs=False),
}
BREAKS = {
    "cut": (CutError("cut"), "upstream_stream_cut", "cut"),
    "timeout": (TimeoutExpiredError("slow"), "upstream_timeout", "timeout"),
    "garbage": (GarbageError("odd"), "upstream_invalid_response", "garbage"),
}
STATUSES = {"cut": 502, "timeout": 504, "garbage": 502}


def _coded(kind: Kind) -> list[bytes]:
    if not kind.coded:
        return kind.halves
    whole = gzip.compress(b"".join(kind.halves))
    begun = len(gzip.compress(kind.halves[0])) - 12 if kind.streams else len(whole) // 2
    return [whole[:begun], whole[begun:]]


def _bench(kind: Kind, *steps: Step) -> Bench:
    targets = {name: target(name) for name in ("one", "two")}
    configured = snapshot(route("m", member_on(targets["one"])), targets=targets, default=targets["one"])
    bench = Bench(configured)
    bench.placements.keep("file-own", "one")
    content_type = b"text/event-stream" if kind.streams else b"application/json"
    coding = [(b"content-encoding", b"gzip")] if kind.coded else []
    bench.transport.answer = Answer(steps, 200, [(b"content-type", content_type), *coding])
    return bench


def _caller(kind: Kind) -> Caller:
    return Caller("POST", kind.path, json.dumps(kind.body).encode())


def _calls(bench: Bench) -> tuple[dict[str | int, int], dict[str | int, int]]:
    """Return what the breaker was told, and the kinds of errors that calls are counted under."""
    results = {result: one.value for (_, result), one in bench.metrics.breaker_calls.items() if one.value}
    errors = {error: one.value for (*_, error), one in bench.metrics.upstream_errors.items() if one.value}
    return results, errors


def _check_tokens(kind: Kind, event: UsageEvent) -> None:
    if not kind.costs:
        confidence = Confidence.PENDING if kind.is_batch else Confidence.NONE
        assert event.tokens == TokenCounts(confidence=confidence)
        return
    assert event.tokens.confidence is Confidence.ESTIMATED
    assert event.tokens.prompt == 2
    if not kind.coded:
        assert event.tokens.completion >= 2


@pytest.mark.parametrize("name", KINDS)
async def test_a_whole_one_is_a_success(name: str) -> None:
    kind = KINDS[name]
    bench = _bench(kind, *_coded(kind))

    reply = await _caller(kind).call(bench.plane)

    assert (reply.status, reply.ended) == (200, True)
    shown = gzip.decompress(reply.body) if b"content-encoding" in reply.headers else reply.body
    assert shown == b"".join(kind.halves)
    assert (bench.journal.only.status, bench.journal.only.error_code) == (200, "")
    assert (bench.journal.only.tokens != TokenCounts()) is (kind.costs or kind.is_batch)
    assert _calls(bench) == ({"success": 1}, {})
    assert (len(bench.placements.upstreams) > 1) is name.startswith("kept")


@pytest.mark.parametrize("ending", BREAKS)
@pytest.mark.parametrize("name", KINDS)
async def test_one_that_breaks_off_fails_for_everyone(name: str, ending: str) -> None:
    kind, (failure, code, counted) = KINDS[name], BREAKS[ending]
    bench = _bench(kind, _coded(kind)[0], failure)

    reply = await _caller(kind).call(bench.plane)

    event = bench.journal.only
    if not kind.begins:
        assert (reply.status, json.loads(reply.body)["error"]["code"]) == (STATUSES[ending], code)
    else:
        code, counted = "upstream_stream_cut", "cut"
        assert (reply.status, reply.ended) == (200, kind.streams)
        assert (code.encode() in reply.body) is kind.streams
    assert (event.status, event.error_code) == (reply.status, code)
    _check_tokens(kind, event)
    assert _calls(bench) == ({"failure": 1}, {counted: 1})
    assert bench.metrics.errors["console", code, reply.status].value == 1


@pytest.mark.parametrize("ending", BREAKS)
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.streams])
async def test_a_stream_that_breaks_off_before_it_shows_as_one_is_no_answer(name: str, ending: str) -> None:
    kind, (failure, code, counted) = KINDS[name], BREAKS[ending]
    bench = _bench(kind, failure)
    assert isinstance(bench.transport.answer, Answer)
    bench.transport.answer.headers[0] = (b"content-type", b"application/json")

    reply = await _caller(kind).call(bench.plane)

    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (STATUSES[ending], code)
    assert (bench.journal.only.status, bench.journal.only.error_code) == (reply.status, code)
    assert bench.journal.only.tokens == TokenCounts(prompt=2, confidence=Confidence.ESTIMATED)
    assert _calls(bench) == ({"failure": 1}, {counted: 1})


@pytest.mark.parametrize("process_ends", [False, True])
@pytest.mark.parametrize("name", KINDS)
async def test_one_that_nobody_waits_for_any_more_is_estimated(name: str, process_ends: bool) -> None:
    kind = KINDS[name]
    waiting = asyncio.Event()
    bench = _bench(kind, _coded(kind)[0], waiting)
    caller = _caller(kind)
    calling = asyncio.create_task(caller.call(bench.plane))
    assert isinstance(bench.transport.answer, Answer)
    await bench.transport.answer.reached.wait()

    if process_ends:
        calling.cancel()
    else:
        caller.left.set()
    await asyncio.gather(calling, return_exceptions=True)

    event = bench.journal.only
    expected = (500, "gateway_interrupted") if process_ends else (499, "client_closed_request")
    if process_ends and event.error_code == "draining":  # a stream says so
        expected = (500, "draining")
    assert (event.status, event.error_code) == expected
    _check_tokens(kind, event)
    assert _calls(bench) == ({}, {})  # the upstream is not at fault
    assert caller.started is kind.begins


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith("kept")])
async def test_the_caller_may_leave_while_it_is_remembered(name: str) -> None:
    kind = KINDS[name]
    bench = _bench(kind, *_coded(kind))
    bench.placements.may_write.clear()
    caller = _caller(kind)
    calling = asyncio.create_task(caller.call(bench.plane))
    await bench.placements.writing.wait()

    caller.left.set()
    await calling

    event = bench.journal.only
    assert (event.status, event.error_code) == (499, "client_closed_request")
    assert (event.tokens.confidence is not Confidence.NONE) is (kind.costs or kind.is_batch)
    assert _calls(bench) == ({}, {})


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith("kept")])
async def test_what_can_not_be_remembered_yet_is_answered_and_metered_all_the_same(name: str) -> None:
    kind = KINDS[name]
    bench, expected = _bench(kind, *_coded(kind)), _bench(kind, *_coded(kind))
    bench.placements.away = True

    reply = await _caller(kind).call(bench.plane)
    usual = await _caller(kind).call(expected.plane)

    assert (reply.status, reply.body) == (usual.status, usual.body)
    assert bench.journal.only.tokens == expected.journal.only.tokens
    assert bench.journal.only.error_code == ""
    assert _calls(bench) == ({"success": 1}, {})


@pytest.mark.parametrize("name", ["plain", "kept", "plain, compressed", "kept, compressed"])
async def test_one_that_is_too_large_to_look_into_is_relayed_and_estimated(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = KINDS[name]
    monkeypatch.setattr(answer, "BodyMeter", partial(BodyMeter, max_kept=10))
    bench = _bench(kind, *_coded(kind))

    reply = await _caller(kind).call(bench.plane)

    assert (reply.status, reply.ended) == (200, True)
    assert bench.journal.only.tokens.confidence is Confidence.ESTIMATED
    assert bench.journal.only.tokens.prompt == 2
    assert _calls(bench) == ({"success": 1}, {})


@pytest.mark.parametrize("name", KINDS)
async def test_a_request_that_is_too_large_reaches_no_upstream(name: str) -> None:
    kind = KINDS[name]
    bench = _bench(kind, *_coded(kind))
    caller = Caller("POST", kind.path, json.dumps({"x": "y" * (3 << 20)}).encode())

    reply: Reply = await caller.call(bench.plane)

    assert reply.status == 413
    event = bench.journal.only
    assert (event.status, event.error_code) == (413, "request_too_large")
    assert (event.tokens, event.upstream) == (TokenCounts(), "")
    assert _calls(bench) == ({}, {})


class Crowded(FairTurns):
    """Turns among so many that no answer is read before the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.end = 0.0
        self.waiting = asyncio.Event()

    def is_over(self, token_id: str) -> bool:
        """Return that others come first."""
        return True

    def wait(self, token_id: str, *, begun: bool) -> asyncio.Future[None]:
        """Let requests begin, and none go on."""
        turn = asyncio.get_running_loop().create_future()
        if begun:
            self.waiting.set()
        else:
            turn.set_result(None)
        return turn


@pytest.mark.parametrize("name", KINDS)
async def test_one_that_waits_for_its_turn_is_estimated_if_the_caller_leaves(name: str) -> None:
    kind = KINDS[name]
    bench = _bench(kind, *_coded(kind))
    turns = bench.plane._turns = Crowded()
    caller = _caller(kind)
    calling = asyncio.create_task(caller.call(bench.plane))
    await turns.waiting.wait()

    caller.left.set()
    await calling

    event = bench.journal.only
    assert event.status == 499
    expected = TokenCounts(prompt=2, confidence=Confidence.ESTIMATED) if kind.costs else TokenCounts()
    assert event.tokens == (TokenCounts(confidence=Confidence.PENDING) if kind.is_batch else expected)
