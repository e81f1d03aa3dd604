"""What requests cost: by the model's own price, or by the prices of the upstream that has answered."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.domain.model import Price
from tollkeeper_server.domain.price import DatedPrice, PriceRates
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails, UsageEvent
from tollkeeper_server.snapshot.model import OwnPrice
from tollkeeper_server.snapshot.prices import dated_price, max_output, price_of_served, short_price

from tests.unit.dataplane.caller import Caller
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.recordings import BODIES, chat_events
from tests.unit.dataplane.upstream import Answer, Step

NOW = datetime(2026, 12, 1, tzinfo=UTC)
OPENAI, OWN = target("openai", prices="openai"), target("own")
MISTRAL = target("mistral", prices="mistral")
CONFIGURED = snapshot(
    route("gpt-4o", member_on(OPENAI, "gpt-4o")),
    route("cheap", member_on(OPENAI, "gpt-4o-mini")),
    route("own", member_on(OWN, "gpt-4o")),
    route(
        "mine",
        member_on(OPENAI, "gpt-4o"),
        own_price=OwnPrice(short_price(Price(prompt=1, completion=2, cached=0))),
    ),
    route(
        "dated",
        member_on(OPENAI, "gpt-4o"),
        own_price=dated_price(
            [DatedPrice(start_time=datetime(2100, 1, 1, tzinfo=UTC), rates=PriceRates(input=1, output=1))]
        ),
    ),
    route(
        "deployed",
        member_on(OPENAI, "gpt-4o"),
        own_price=OwnPrice(short_price(Price(prompt=1, completion=2, cached=0))),
        deployment_prices={
            ("openai", "gpt-4o"): dated_price([DatedPrice(rates=PriceRates(input=0.0001, output=0))])
        },
    ),
    route("gpt-4o-*", member_on(OPENAI)),
    route("whisper-1", member_on(OPENAI, "whisper-1")),
    route("ocr", member_on(MISTRAL, "mistral-ocr-2512")),
    route("tts-1", member_on(OPENAI, "tts-1")),
    route("gpt-4o-mini-tts", member_on(OPENAI, "gpt-4o-mini-tts")),
    default=OPENAI,
    targets={"openai": OPENAI, "own": OWN, "mistral": MISTRAL},
)


async def _event(
    model: str, body: bytes, *, path: str = "/v1/chat/completions", status: int = 200
) -> UsageEvent:
    bench = Bench(CONFIGURED)
    bench.transport.answer = Answer([body], status, [(b"content-type", b"application/json")])
    asked = {"model": model, "messages": [{"role": "user", "content": "12345678"}]}
    await Caller("POST", path, body=json.dumps(asked).encode()).call(bench.plane)
    return bench.journal.only


def _answer(**more: object) -> bytes:
    return json.dumps(json.loads(BODIES["chat"].body) | more).encode()


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        # 15 tokens, 4 cached ones and 10 of the answer, at $2.50, $1.25 and $10 for a million; at $0.15,
        # $0.075 and $0.60; at 1, 0 and 2 nano-dollars.
        ("gpt-4o", 142_500),
        ("cheap", 8_550),
        ("mine", 35),
        # Its own price begins in 2100; that of its deployment goes before its own, at 100 pico-dollars.
        ("dated", 142_500),
        ("deployed", 2),
        ("gpt-4o-mini", 8_550),
        ("gpt-4o-invented", None),
        ("own", None),
    ],
)
async def test_a_request_costs_what_its_price_says(model: str, cost: int | None) -> None:
    event = await _event(model, BODIES["chat"].body)
    assert event.tokens == BODIES["chat"].tokens
    assert event.cost_nano_dollars == cost


async def test_the_answer_says_the_kind_of_service() -> None:
    """Flex has no price of its own for this model, priority has."""
    assert (await _event("gpt-4o", _answer(service_tier="default"))).cost_nano_dollars == 142_500
    priority = await _event("gpt-4o", _answer(service_tier="priority"))
    assert priority.tokens.details is not None
    assert priority.tokens.details.service_tier == "priority"
    assert priority.cost_nano_dollars == 242_250


async def test_a_stream_costs_the_same() -> None:
    bench = Bench(CONFIGURED)
    bench.streams(*chat_events())
    await Caller(body=b'{"model":"gpt-4o","stream":true,"messages":[]}').call(bench.plane)
    assert bench.journal.only.cost_nano_dollars == 142_500


SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
OPENED = SEARCH | {"action": {"type": "open_page", "url": "http://x"}}
OF_FILES = {"type": "file_search_call", "status": "completed", "queries": ["x"]}
OUTPUT = [SEARCH, OPENED, SEARCH, OF_FILES]
RESPONSE = {
    "id": "resp_1",
    "model": "gpt-4o",
    "status": "completed",
    "output": OUTPUT,
    "usage": {"input_tokens": 1000, "output_tokens": 100},
}
# At $2.50 and $10 for a million tokens, $10 for a thousand searches of the web, $2.50 for those of files.
SEARCHED = 2_500_000 + 1_000_000 + 2 * 10_000_000 + 2_500_000


def _responses_event(kind: str, **members: object) -> bytes:
    return b"data: " + json.dumps({"type": kind, **members}).encode() + b"\n\n"


async def test_a_response_costs_its_searches_too() -> None:
    event = await _event("gpt-4o", json.dumps(RESPONSE).encode(), path="/v1/responses")
    assert event.tokens.details == TokenDetails(web_searches=2, file_searches=1)
    assert event.cost_nano_dollars == SEARCHED


async def test_a_long_response_costs_its_searches_too() -> None:
    long = {"type": "message", "content": [{"type": "output_text", "text": "ä\n" * 300_000}]}
    response = RESPONSE | {"output": [*OUTPUT, long]}
    event = await _event("gpt-4o", json.dumps(response, ensure_ascii=False).encode(), path="/v1/responses")
    assert event.cost_nano_dollars == SEARCHED


async def _streamed(*events: Step) -> UsageEvent:
    bench = Bench(CONFIGURED)
    bench.streams(*events)
    body = b'{"model":"gpt-4o","stream":true,"input":"12345678"}'
    await Caller("POST", "/v1/responses", body=body).call(bench.plane)
    return bench.journal.only


async def test_a_streamed_response_costs_its_searches_once() -> None:
    done = [_responses_event("response.output_item.done", item=item) for item in OUTPUT]
    event = await _streamed(*done, _responses_event("response.completed", response=RESPONSE))
    assert event.tokens.details == TokenDetails(web_searches=2, file_searches=1)
    assert event.cost_nano_dollars == SEARCHED


async def test_a_stream_that_breaks_off_costs_the_searches_that_were_done() -> None:
    added = [_responses_event("response.output_item.added", item=item) for item in OUTPUT]
    done = [_responses_event("response.output_item.done", item=item) for item in OUTPUT[:2]]
    text = _responses_event("response.output_text.delta", delta="abcdefgh")
    event = await _streamed(*added, *done, text, CutError("cut"))
    details = TokenDetails(web_searches=1)
    counts = TokenCounts(prompt=2, completion=2, confidence=Confidence.ESTIMATED, details=details)
    assert event.tokens == counts
    assert event.cost_nano_dollars == 2 * 2_500 + 2 * 10_000 + 10_000_000


async def test_searches_without_a_rate_have_no_known_cost() -> None:
    event = await _event("mine", json.dumps(RESPONSE).encode(), path="/v1/responses")
    assert event.tokens.details == TokenDetails(web_searches=2, file_searches=1)
    assert event.cost_nano_dollars is None


async def test_what_uses_nothing_is_free() -> None:
    assert (await _event("gpt-4o", b"{}", status=500)).cost_nano_dollars == 0
    bench = Bench(CONFIGURED)
    await Caller(body=b"no JSON").call(bench.plane)
    assert (bench.journal.only.upstream, bench.journal.only.cost_nano_dollars) == ("", 0)


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        ("/v1/messages/count_tokens", 0),
        ("/v1/responses/input_tokens", 0),
        ("/v1/conversations", 0),
        ("/v1/files", 0),
        ("/v1/batches/batch_1/cancel", 0),
        ("/v1/moderations", None),
        ("/v1/containers", None),
        ("/v1/rerank", None),
        ("/v1/rerank/cancel", None),
    ],
)
async def test_what_nobody_bills_is_free(path: str, cost: int | None) -> None:
    """A container is billed by its time, and what the gateway does not know may be, too."""
    assert (await _event("gpt-4o", b'{"input_tokens": 5}', path=path)).cost_nano_dollars == cost


async def _spoken(model: str, *, status: int = 200, **more: Any) -> tuple[UsageEvent, bytes | None]:
    bench = Bench(CONFIGURED, tells_cost=True)
    bench.transport.answer = Answer([b"\xff\xfb"], status, [(b"content-type", b"audio/mpeg")])
    body = json.dumps({"model": model, "input": "größer 🎈", "voice": "y", **more}).encode()
    reply = await Caller("POST", "/v1/audio/speech", body=body, on_listener=True).call(bench.plane)
    return bench.journal.only, reply.headers.get(b"x-tollkeeper-cost")


async def test_speech_costs_what_its_characters_do() -> None:
    """At $15 for a million; the answer says so, for it does not depend on the sound."""
    event, told = await _spoken("tts-1")
    assert event.tokens == TokenCounts(characters=8)
    assert (event.cost_nano_dollars, told) == (8 * 15_000, b"0.00012")


async def test_speech_that_was_refused_is_free() -> None:
    event, _ = await _spoken("tts-1", status=400)
    assert (event.tokens, event.cost_nano_dollars) == (TokenCounts(), 0)


async def test_a_caller_that_does_not_wait_for_speech_costs_its_characters() -> None:
    bench = Bench(CONFIGURED)
    answer = bench.answers(asyncio.Event(), kind=b"audio/mpeg")
    caller = Caller("POST", "/v1/audio/speech", body=b'{"model":"tts-1","input":"1234","voice":"y"}')
    calling = asyncio.create_task(caller.call(bench.plane))
    await answer.reached.wait()

    caller.left.set()
    await calling

    assert (bench.journal.only.status, bench.journal.only.cost_nano_dollars) == (499, 4 * 15_000)


async def test_what_is_not_counted_has_no_known_cost() -> None:
    """This model is billed by tokens, which no sound says."""
    event, told = await _spoken("gpt-4o-mini-tts")
    assert event.tokens == TokenCounts(characters=8)
    assert (event.cost_nano_dollars, told) == (None, None)


@pytest.mark.parametrize("endpoint", ["transcriptions", "translations"])
@pytest.mark.parametrize(
    ("said", "milliseconds", "cost"),
    [
        ({"usage": {"type": "duration", "seconds": 10}, "duration": 9.47}, 10_000, 1_000_000),
        ({"duration": 9.47, "segments": [{"id": 0, "text": "x"}]}, 9_470, 947_000),
        ({"duration": "9.47"}, 0, None),
        ({}, 0, None),
    ],
)
async def test_a_transcription_costs_what_its_seconds_do(
    endpoint: str, said: dict[str, object], milliseconds: int, cost: int | None
) -> None:
    """At $0.006 a minute, by usage, else by the duration of the answer; else nobody knows."""
    bench = Bench(CONFIGURED)
    bench.answers(json.dumps({"text": "x", **said}).encode())
    part = b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    form = part % (b"model", b"whisper-1") + part % (b'file"; filename="a.mp3', b"\xff\xfb") + b"--b--"
    kind = [(b"content-type", b"multipart/form-data; boundary=b")]
    await Caller("POST", f"/v1/audio/{endpoint}", body=form, headers=kind).call(bench.plane)
    assert bench.journal.only.tokens.audio_milliseconds == milliseconds
    assert bench.journal.only.cost_nano_dollars == cost


@pytest.mark.parametrize(
    ("members", "annotated", "cost"),
    [
        ({}, 0, 3 * 2_000_000),
        ({"bbox_annotation_format": None}, 0, 3 * 2_000_000),
        ({"document_annotation_format": {"type": "json_schema"}}, 3, 3 * 3_000_000),
    ],
)
async def test_a_document_costs_what_its_pages_do(
    members: dict[str, object], annotated: int, cost: int
) -> None:
    """At $2 for a thousand, and $3 if they are annotated; the answer says so."""
    bench = Bench(CONFIGURED, tells_cost=True)
    answer = {
        "pages": [],
        "model": "mistral-ocr-2512",
        "usage_info": {"pages_processed": 3, "doc_size_bytes": 9},
    }
    bench.answers(json.dumps(answer).encode())
    body = json.dumps({"model": "ocr", "document": {"document_url": "http://x"}, **members}).encode()
    reply = await Caller("POST", "/v1/ocr", body=body, on_listener=True).call(bench.plane)
    tokens = bench.journal.only.tokens
    assert (bench.journal.only.endpoint, tokens.pages, tokens.confidence) == ("ocr", 3, Confidence.NONE)
    assert (tokens.details.annotated_pages if tokens.details else 0) == annotated
    assert bench.journal.only.cost_nano_dollars == cost
    assert reply.headers[b"x-tollkeeper-cost"] == b"0.00%d" % (cost // 1_000_000)


@pytest.mark.parametrize("info", ["null", "{}", '{"pages_processed":-1}', '{"pages_processed":true}', "[3]"])
async def test_a_document_whose_pages_nobody_says_has_no_known_cost(info: str) -> None:
    bench = Bench(CONFIGURED)
    bench.answers(f'{{"pages":[],"usage_info":{info}}}'.encode())
    await Caller("POST", "/v1/ocr", body=b'{"model":"ocr"}').call(bench.plane)
    assert bench.journal.only.tokens == TokenCounts()
    assert bench.journal.only.cost_nano_dollars is None


async def test_speech_as_events_is_billed_by_the_tokens_that_it_says() -> None:
    bench = Bench(CONFIGURED)
    done = {"type": "speech.audio.done", "usage": {"input_tokens": 14, "output_tokens": 100}}
    bench.streams(b"data: %b\n\n" % json.dumps(done).encode())
    body = b'{"model":"gpt-4o-mini-tts","input":"1234","voice":"y","stream_format":"sse"}'
    await Caller("POST", "/v1/audio/speech", body=body).call(bench.plane)
    counts = TokenCounts(prompt=14, completion=100, characters=4, confidence=Confidence.EXACT)
    assert bench.journal.only.tokens == counts
    assert bench.journal.only.cost_nano_dollars == 14 * 600 + 100 * 12_000


def test_an_events_own_names_find_the_price() -> None:
    """So is a response billed whose end is read later."""
    prices = [
        price_of_served(CONFIGURED, model, "openai", NOW)
        for model in ("gpt-4o", "cheap", "gpt-4o-mini", "nobody's")
    ]
    assert prices[0] is not None
    assert prices[1] is prices[2] is not None
    assert prices[3] is None
    assert price_of_served(CONFIGURED, "own", "own", NOW) is None
    assert price_of_served(CONFIGURED, "gpt-4o", "gone", NOW) is None


def test_the_longest_answer_is_known_by_the_upstream_and_the_name_there() -> None:
    assert max_output(OPENAI, "gpt-4o") == 16_384
    assert max_output(OPENAI, "gpt-4o-2024-08-06") == 16_384
    assert max_output(OPENAI, "invented") is None
    assert max_output(OWN, "gpt-4o") is None


async def _told(model: str, *steps: Step, tells_cost: bool = True, **more: Any) -> tuple[bytes | None, Bench]:
    bench = Bench(CONFIGURED, tells_cost=tells_cost)
    kind = (b"content-type", b"application/json")
    told = (b"x-tollkeeper-cost", b"1000")  # by an upstream that is such a gateway
    length = more.pop("length", None)
    said = [] if length is None else [(b"content-length", b"%d" % length)]
    bench.transport.answer = Answer([*steps], more.pop("status", 200), [kind, told, *said])
    body = json.dumps({"model": model, "messages": []}).encode()
    reply = await Caller("POST", "/v1/chat/completions", body=body, on_listener=True).call(bench.plane)
    return reply.headers.get(b"x-tollkeeper-cost"), bench


async def test_a_whole_answer_says_what_it_costs() -> None:
    body = BODIES["chat"].body
    told, bench = await _told("gpt-4o", body)
    assert (told, bench.journal.only.cost_nano_dollars) == (b"0.0001425", 142_500)
    assert bench.journal.only.tokens == BODIES["chat"].tokens


@pytest.mark.parametrize("model", ["own", "gpt-4o-invented"])
async def test_an_answer_whose_cost_is_not_known_says_none(model: str) -> None:
    told, bench = await _told(model, BODIES["chat"].body)
    assert (told, bench.journal.only.cost_nano_dollars) == (None, None)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        # It is small, and waited for.
        (len(BODIES["chat"].body), b"0.0001425"),
        # Nobody knows how long it is, or it is long: it passes as it comes.
        (None, None),
        (16 * 1024 + 1, None),
    ],
)
async def test_an_answer_that_comes_in_parts_says_its_cost_if_it_is_small(
    length: int | None, expected: bytes | None
) -> None:
    body, between = BODIES["chat"].body, asyncio.Event()
    between.set()
    told, bench = await _told("gpt-4o", body[:20], between, body[20:], length=length)
    assert (told, bench.journal.only.cost_nano_dollars) == (expected, 142_500)


async def test_a_small_answer_that_breaks_off_breaks_off_for_the_caller() -> None:
    body, between = BODIES["chat"].body, asyncio.Event()
    between.set()
    told, bench = await _told("gpt-4o", body[:20], between, CutError("cut"), length=len(body))
    assert (told, bench.journal.only.error_code) == (None, "upstream_stream_cut")
    assert bench.journal.only.tokens.confidence is Confidence.ESTIMATED


async def test_the_header_can_be_switched_off() -> None:
    told, bench = await _told("gpt-4o", BODIES["chat"].body, tells_cost=False)
    assert (told, bench.journal.only.cost_nano_dollars) == (None, 142_500)


async def test_an_error_says_no_cost() -> None:
    told, bench = await _told("gpt-4o", b"{}", status=400)
    assert (told, bench.journal.only.cost_nano_dollars) == (None, 0)
