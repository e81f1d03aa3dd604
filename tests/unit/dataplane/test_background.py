"""A response that is made in the background is metered once, for who had it made, when its end is read."""

import asyncio
import gzip
import json
from collections.abc import Sequence

import msgspec
import pytest
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails, UsageEvent, merge

from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer, Step

ID = "resp_1234"
ASKED = json.dumps({"model": "m", "input": "12345678", "background": True}).encode()
USAGE = {"input_tokens": 9, "output_tokens": 8, "total_tokens": 17}
USED = TokenCounts(prompt=9, completion=8, confidence=Confidence.EXACT)
PENDING = TokenCounts(confidence=Confidence.PENDING)
NOTHING = TokenCounts()


def _response(status: str, **fields: object) -> dict[str, object]:
    return {"id": ID, "object": "response", "status": status, "background": True, "usage": None, **fields}


def _document(status: str, **fields: object) -> bytes:
    return json.dumps(_response(status, **fields)).encode()


def _event(kind: str, **fields: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + json.dumps({"type": kind, **fields}).encode() + b"\n\n"


CREATED = _event("response.created", response=_response("in_progress"))
DELTA = _event("response.output_text.delta", delta="abcdefgh")
COMPLETED = _event("response.completed", response=_response("completed", usage=USAGE))


class Site:
    """A gateway, and an upstream that makes responses in the background."""

    def __init__(self, upstreams: int = 1) -> None:
        targets = {f"up{number}": target(f"up{number}") for number in range(upstreams)}
        self.bench = Bench(
            snapshot(route("m", member_on(targets["up0"])), targets=targets, default=targets["up0"])
        )

    async def call(
        self,
        method: str,
        path: str,
        steps: Sequence[Step],
        *,
        body: bytes = b"",
        query: bytes = b"",
        kind: bytes = b"application/json",
        status: int = 200,
        coding: bytes = b"",
    ) -> tuple[Reply, UsageEvent]:
        """Make one call; return its answer and its own event."""
        coded = [(b"content-encoding", coding)] if coding else []
        self.bench.transport.answer = Answer(steps, status, [(b"content-type", kind), *coded])
        reply = await Caller(method, path, body, query=query).call(self.bench.plane)
        return reply, self.bench.journal.settled[-1]

    async def make(self, *steps: Step, stream: bool = False) -> UsageEvent:
        """Have a response made in the background; return the event."""
        body, kind = ASKED, b"application/json"
        if stream:
            body, kind = ASKED[:-1] + b',"stream":true}', b"text/event-stream"
        _, event = await self.call(
            "POST", "/v1/responses", steps or [_document("queued")], body=body, kind=kind
        )
        return event

    async def poll(self, *steps: Step, **call: object) -> tuple[Reply, UsageEvent]:
        """Ask for the response."""
        return await self.call("GET", f"/v1/responses/{ID}", steps, **call)  # type: ignore[arg-type]

    def known_of(self, event: UsageEvent) -> UsageEvent:
        """Return what a store would know of an event by now."""
        known = event
        for other in self.bench.journal.settled:
            if other.id == event.id:
                known = merge(known, other)
        return msgspec.structs.replace(known, amends=False)

    @property
    def amending(self) -> list[UsageEvent]:
        """The events that amend."""
        return [event for event in self.bench.journal.settled if event.amends]

    @property
    def counted(self) -> tuple[int, int]:
        """The prompt and completion that the metrics have."""
        served = self.bench.metrics.served.values()
        return sum(one.prompt for one in served), sum(one.completion for one in served)


@pytest.mark.parametrize("upstreams", [1, 2])
@pytest.mark.parametrize("status", ["completed", "incomplete", "failed", "cancelled"])
async def test_it_is_metered_when_its_end_is_first_read(status: str, upstreams: int) -> None:
    site = Site(upstreams)
    made = await site.make()
    assert (made.status, made.tokens) == (200, PENDING)

    for waiting in ("queued", "in_progress"):
        reply, own = await site.poll(_document(waiting))
        assert (reply.body, own.tokens) == (_document(waiting), NOTHING)
        assert site.known_of(made).tokens == PENDING

    document = _document(status, usage=USAGE)
    for _ in range(3):
        reply, own = await site.poll(document[:20], document[20:])
        assert (reply.body, reply.ended, own.tokens) == (document, True, NOTHING)

    (amending,) = site.amending
    assert site.known_of(made) == msgspec.structs.replace(made, tokens=USED)
    assert (amending.token_id, amending.model_served, amending.upstream) == ("tok_1", "m", "up0")
    assert site.counted == (9, 8)


async def test_it_is_in_the_journal_before_the_caller_gets_it() -> None:
    site = Site()
    await site.make()
    seen: list[int] = []
    caller = Caller("GET", f"/v1/responses/{ID}")

    async def on_send(_: object) -> None:
        seen.append(len(site.amending))

    caller.on_send = on_send
    site.bench.answers(_document("completed", usage=USAGE))
    await caller.call(site.bench.plane)
    assert seen[0] == 1


@pytest.mark.parametrize("usage", [USAGE, None])
@pytest.mark.parametrize("asked", [b"", b"stream=true&starting_after=2"])
async def test_its_end_may_be_streamed(asked: bytes, usage: object) -> None:
    site = Site()
    made = await site.make()
    last = _event("response.completed", response=_response("completed", usage=usage))
    reply, own = await site.poll(CREATED, DELTA, last, query=asked, kind=b"text/event-stream")

    assert (reply.body, own.tokens) == (CREATED + DELTA + last, NOTHING)
    tokens = USED if usage else TokenCounts(prompt=2, completion=2, confidence=Confidence.ESTIMATED)
    assert site.known_of(made).tokens == tokens
    assert site.counted == (tokens.prompt, tokens.completion)


@pytest.mark.parametrize("kind", [b"application/json", b"text/event-stream"])
async def test_its_end_may_be_compressed(kind: bytes) -> None:
    site = Site()
    made = await site.make()
    whole = CREATED + COMPLETED if b"stream" in kind else _document("completed", usage=USAGE)
    packed = gzip.compress(whole)
    reply, _ = await site.poll(packed[:15], packed[15:], kind=kind, coding=b"gzip")

    coded = b"content-encoding" in reply.headers
    assert (gzip.decompress(reply.body) if coded else reply.body) == whole
    assert site.known_of(made).tokens == USED


async def test_a_large_end_is_metered_as_well() -> None:
    site = Site()
    made = await site.make()
    document = _document("completed", output="x" * (2 << 20), usage=USAGE)
    reply, own = await site.poll(*(document[at : at + 65536] for at in range(0, len(document), 65536)))

    assert (reply.body == document, own.tokens) == (True, NOTHING)
    assert site.known_of(made).tokens == USED


@pytest.mark.parametrize(
    ("steps", "call"),
    [
        ([_document("in_progress", usage=USAGE)], {}),
        ([_document("completed", usage=USAGE)[:40], CutError("cut")], {}),
        ([CREATED, DELTA, CutError("cut")], {"kind": b"text/event-stream", "query": b"stream=true"}),
        ([CREATED, DELTA], {"kind": b"text/event-stream", "query": b"stream=true"}),
        ([b'{"error":{"message":"no such response"}}'], {"status": 404}),
        ([b"<html>"], {"kind": b"text/html"}),
    ],
)
async def test_what_is_no_end_leaves_it_pending(steps: list[Step], call: dict[str, object]) -> None:
    site = Site()
    made = await site.make()
    _, own = await site.poll(*steps, **call)

    assert own.tokens == NOTHING
    assert site.amending == []
    _, own = await site.poll(_document("completed", usage=USAGE))
    assert site.known_of(made).tokens == USED


async def test_who_leaves_in_the_middle_of_its_end_leaves_it_pending() -> None:
    site = Site()
    await site.make()
    for steps in ([_document("completed", usage=USAGE)[:40]], [b""]):
        waiting = asyncio.Event()
        site.bench.transport.answer = Answer([*steps, waiting])
        caller = Caller("GET", f"/v1/responses/{ID}")
        calling = asyncio.create_task(caller.call(site.bench.plane))
        await site.bench.transport.answer.reached.wait()
        caller.left.set()
        await calling

        assert (site.bench.journal.settled[-1].status, site.bench.journal.settled[-1].tokens) == (
            499,
            NOTHING,
        )
        assert site.amending == []


@pytest.mark.parametrize("usage", [USAGE, None])
async def test_what_is_cancelled_is_metered_and_may_say_later_what_it_used(usage: object) -> None:
    site = Site(2)
    made = await site.make()
    cancelled = _document("cancelled", usage=usage)
    reply, own = await site.call("POST", f"/v1/responses/{ID}/cancel", [cancelled])

    assert (reply.body, own.tokens) == (cancelled, NOTHING)
    estimate = TokenCounts(prompt=2, confidence=Confidence.ESTIMATED)
    assert site.known_of(made).tokens == (USED if usage else estimate)
    await site.poll(_document("cancelled", usage=USAGE))
    assert site.known_of(made).tokens == USED
    assert site.counted == (9, 8)


async def test_what_is_deleted_before_its_end_was_read_is_estimated() -> None:
    site = Site()
    made = await site.make()
    await site.call("DELETE", f"/v1/responses/{ID}", [b'{"deleted":true}'])

    assert site.known_of(made).tokens == TokenCounts(prompt=2, confidence=Confidence.ESTIMATED)


@pytest.mark.parametrize(
    "path",
    [f"/v1//responses/{ID}", f"/responses/{ID}/", f"/openai/v1/responses/{ID}", "/v1/Responses/resp%5F1234"],
)
async def test_its_end_is_found_by_whatever_spelling_of_its_path(path: str) -> None:
    site = Site()
    made = await site.make()
    await site.call("GET", path, [_document("completed", usage=USAGE)])
    assert site.known_of(made).tokens == USED


@pytest.mark.parametrize(
    "path", [f"/v1/responses/{ID}/input_items", "/v1/responses/resp_5678", "/v1/responses"]
)
async def test_other_reads_are_not_its_end(path: str) -> None:
    site = Site()
    await site.make()
    _, own = await site.call("GET", path, [_document("completed", usage=USAGE)])

    assert own.tokens == NOTHING
    assert site.amending == []


@pytest.mark.parametrize("upstreams", [1, 2])
async def test_a_response_that_is_not_made_in_the_background_is_metered_when_it_is_made(
    upstreams: int,
) -> None:
    site = Site(upstreams)
    whole = json.dumps({"id": ID, "status": "completed", "usage": USAGE}).encode()
    _, made = await site.call("POST", "/v1/responses", [whole], body=ASKED)
    assert made.tokens == USED
    assert site.bench.placements.waiting == {}
    await site.poll(whole)
    assert site.amending == []


async def test_its_searches_are_counted_when_its_end_is_read() -> None:
    """Not before: those that are done by then are among them."""
    site = Site()
    made = await site.make()
    search = {"type": "web_search_call", "status": "completed"}
    await site.poll(_document("in_progress", output=[search]))
    assert site.known_of(made).tokens == PENDING

    await site.poll(_document("completed", output=[search, search], usage=USAGE))
    details = TokenDetails(web_searches=2)
    assert site.known_of(made).tokens == msgspec.structs.replace(USED, details=details)


async def test_one_that_was_cancelled_has_searched_all_the_same() -> None:
    site = Site()
    made = await site.make()
    await site.poll(_document("cancelled", output=[{"type": "file_search_call", "status": "completed"}]))
    tokens = site.known_of(made).tokens
    assert (tokens.confidence, tokens.details) == (Confidence.ESTIMATED, TokenDetails(file_searches=1))


async def test_one_that_streams_to_its_end_is_metered_at_once() -> None:
    site = Site()
    made = await site.make(CREATED, DELTA, COMPLETED, stream=True)
    assert made.tokens == USED
    await site.poll(_document("completed", usage=USAGE))
    assert site.amending == []
    assert site.counted == (9, 8)


async def test_one_whose_stream_breaks_off_goes_on_and_is_metered_when_its_end_is_read() -> None:
    """What had passed stands with it until then."""
    site = Site()
    made = await site.make(CREATED, DELTA, CutError("cut"), stream=True)
    assert made.tokens == TokenCounts(prompt=2, completion=2, confidence=Confidence.PENDING)
    await site.poll(_document("completed", usage=USAGE))
    assert site.known_of(made).tokens == USED
    assert site.counted == (9, 8)


async def test_a_stream_that_does_not_go_on_without_its_caller_is_estimated() -> None:
    site = Site()
    tools = [{"type": "function", "parameters": {"background": True}}]
    created = _event("response.created", response=_response("in_progress", background=False, tools=tools))
    made = await site.make(created, DELTA, CutError("cut"), stream=True)
    assert made.tokens.confidence is Confidence.ESTIMATED
    assert site.bench.placements.waiting == {}


async def test_who_leaves_before_it_is_remembered_has_had_it_made_all_the_same() -> None:
    site = Site()
    site.bench.placements.may_write.clear()
    site.bench.answers(_document("queued"))
    caller = Caller("POST", "/v1/responses", ASKED)
    calling = asyncio.create_task(caller.call(site.bench.plane))
    await site.bench.placements.writing.wait()
    caller.left.set()
    await calling

    assert (site.bench.journal.only.status, site.bench.journal.only.tokens) == (499, PENDING)


async def test_a_request_for_its_end_costs_no_prompt_if_the_process_dies() -> None:
    site = Site()
    await site.make()
    await site.poll(_document("queued"))
    assert [intent.has_prompt for intent in site.bench.journal.begun] == [True, False]
