"""A batch is charged all that it may use, and what it has used is recorded when its end is read."""

import json
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NoReturn

import pytest
from tollkeeper_server.dataplane.transport import CutError
from tollkeeper_server.domain.limit import Charge, Limit, Measure, Scope, ScopeKind
from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails, UsageEvent
from tollkeeper_server.errors import StoreUnavailableError
from tollkeeper_server.prices.consumption import Unit
from tollkeeper_server.prices.price import GivenPeriod, GivenRates, Price, Service, Variant
from tollkeeper_server.snapshot.meters import meters_of
from tollkeeper_server.snapshot.model import OwnPrice, ProjectView
from tollkeeper_server.snapshot.prices import cost_of_event

from tests.unit.dataplane.budget.limited import budget
from tests.unit.dataplane.caller import Caller, Reply
from tests.unit.dataplane.configured import member_on, route, snapshot, target
from tests.unit.dataplane.gateway import Bench
from tests.unit.dataplane.upstream import Answer, Step

HOST = "upstream.test"
ONE, TWO = target("one"), target("two", base_url="http://two.test/v1")
MUCH = (budget(Measure.TOKENS, 10**9), budget(Measure.MONEY, 10**12))
SHORT = ((-1, 2000),), ((-1, 4000),)
"""The rates of prompts and answers: two nano-dollars a token, and four."""
LONG = ((-1, 2000), (10, 8000)), ((-1, 4000), (10, 16_000))
"""The same with a tier for long prompts."""
FILE = "/v1/files/file-in"
BATCH = {"input_file_id": "file-in", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
USED = {"input_tokens": 30, "output_tokens": 7, "total_tokens": 37}
IN_BATCH = TokenDetails(service_tier="batch")
PENDING = TokenCounts(confidence=Confidence.PENDING)


def _price(rates: Any = SHORT) -> Price:
    """Return a price of which half holds in batches."""
    prompt, answer = rates
    halves = [tuple((above, rate // 2) for above, rate in steps) for steps in rates]
    variant = Variant(Service(is_batch=True), GivenRates({Unit.INPUT: halves[0], Unit.OUTPUT: halves[1]}))
    usual = {Unit.INPUT: prompt, Unit.OUTPUT: answer, Unit.WEB_SEARCH: ((-1, 500_000),)}
    return Price((GivenPeriod(GivenRates(usual)),), (variant,))


class Site:
    """A gateway, and an upstream that makes batches."""

    def __init__(
        self,
        *limits: Limit,
        rates: Any = SHORT,
        model: Sequence[Limit] = (),
        shares: bool = False,
    ) -> None:
        meters = meters_of(Scope(ScopeKind.PROJECT, "prj_1"), limits)
        own = meters_of(Scope(ScopeKind.MODEL, "m"), model)
        self.bench = Bench(
            snapshot(
                route("m", member_on(ONE, "there"), own_price=OwnPrice(_price(rates)), meters=own),
                route("other", member_on(ONE), own_price=OwnPrice(_price(rates))),
                project=ProjectView("prj_1", is_active=True, api_key=None, meters=meters),
                targets={"one": ONE},
                default=ONE,
            ),
            owns=["file-in", "file-out"],
            shares_kept=shares,
        )
        self.bench.placements.keep("file-in", "one")

    def answer(self, *answers: Answer) -> None:
        """Set what the upstream answers, one after the other."""
        self.bench.transport.answers[HOST] = [*answers]

    async def make(self, *lines: Any, **members: Any) -> tuple[Reply, UsageEvent]:
        """Have a batch made of lines; return the answer, and the event."""
        file = b"".join((it if isinstance(it, bytes) else json.dumps(it).encode()) + b"\n" for it in lines)
        self.answer(Answer([file]), Answer([b'{"id":"batch_1","object":"batch","status":"validating"}']))
        return await self.post(**members)

    async def post(self, **members: Any) -> tuple[Reply, UsageEvent]:
        """Post a batch."""
        body = json.dumps(BATCH | members).encode()
        reply = await Caller("POST", "/v1/batches", body).call(self.bench.plane)
        return reply, self.bench.journal.settled[-1]

    async def read(self, path: str, *steps: Step, method: str = "GET") -> Reply:
        """Read something."""
        self.answer(Answer(steps))
        return await Caller(method, f"/v1/{path}").call(self.bench.plane)

    async def end(self, status: str = "completed", **members: Any) -> Reply:
        """Read the batch, which is so by now."""
        batch = {"id": "batch_1", "object": "batch", "status": status, **members}
        return await self.read("batches/batch_1", json.dumps(batch).encode())

    def amending(self) -> list[UsageEvent]:
        """Return the events that amend."""
        return [event for event in self.bench.journal.settled if event.amends]

    def amended(self) -> UsageEvent:
        """Return the last of them."""
        return self.amending()[-1]


def _line(model: str = "there", url: str = "/v1/chat/completions", **members: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, **members}
    return {"custom_id": "x", "method": "POST", "url": url, "body": body}


def _size(*lines: dict[str, Any]) -> int:
    """Return the tokens that lines have at most: a token a byte, and five of each answer."""
    return sum(len(json.dumps(it["body"])) + 5 for it in lines)


def _amounts(charges: Sequence[Charge]) -> dict[str, int]:
    return {it.key.partition(":")[0]: it.amount for it in charges}


def _output(prompt: int, completion: int, **members: Any) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    body = {"model": "there", "usage": usage, **members}
    return json.dumps({"custom_id": "x", "response": {"status_code": 200, "body": body}}).encode() + b"\n"


async def test_the_sum_of_its_lines_is_charged_at_batch_rates() -> None:
    site = Site(*MUCH)
    lines = _line(), _line(max_tokens=5, user="someone")
    reply, event = await site.make(*lines)

    assert (reply.status, event.tokens, event.model_served) == (HTTPStatus.OK, PENDING, "m")
    tokens = _size(*lines)
    assert _amounts(event.charges) == {"tokens": tokens, "money": (tokens - 10) + 10 * 2}
    assert site.bench.placements.waiting["batch_1"].charges == event.charges
    assert site.bench.journal.begun[-1].holds == event.charges
    assert site.bench.ledger.pending == 0


async def test_its_own_sums_settle_it() -> None:
    site = Site(*MUCH)
    await site.make(_line(), _line())
    for going in ("validating", "in_progress", "finalizing", "cancelling"):
        await site.end(going, usage=USED)
        assert site.amending() == []
    await site.end(usage=USED, output_file_id="file-out")

    amended = site.amended()
    expected = TokenCounts(prompt=30, completion=7, confidence=Confidence.EXACT, details=IN_BATCH)
    assert (amended.tokens, amended.cost_nano_dollars) == (expected, 30 + 7 * 2)
    assert _amounts(amended.charges) == {"tokens": 37, "money": 44}
    assert site.bench.placements.waiting == {}
    assert cost_of_event(site.bench.snapshot, amended) == 44
    served = site.bench.metrics.served["m", "one"]
    assert (served.prompt, served.completion, served.cost) == (30, 7, 44)


async def test_of_responses_the_output_file_says_how_often_they_searched() -> None:
    """Its own sums do not."""
    site = Site(*MUCH)
    searching = _line(url="/v1/responses", tools=[{"type": "web_search"}], max_tool_calls=2)
    _, event = await site.make(searching, endpoint="/v1/responses")
    assert _amounts(event.charges)["money"] > 2 * 500
    await site.end(usage=USED, output_file_id="file-out", endpoint="/v1/responses")
    assert site.amending() == []

    searches = [{"type": "web_search_call", "status": "completed"}]
    usage = {"input_tokens": 9, "output_tokens": 2}
    await site.read("files/file-out/content", _output(0, 0, usage=usage, output=searches) * 2)

    amended = site.amended()
    assert amended.tokens.details == TokenDetails(web_searches=2, service_tier="batch")
    assert amended.cost_nano_dollars == 2 * (9 + 2 * 2 + 500)
    assert _amounts(amended.charges)["money"] == amended.cost_nano_dollars
    assert cost_of_event(site.bench.snapshot, amended) == amended.cost_nano_dollars


async def test_of_responses_without_an_output_file_its_own_sums_settle_it() -> None:
    site = Site(*MUCH)
    await site.make(_line(url="/v1/responses"), endpoint="/v1/responses")
    await site.end("cancelled", usage=USED, endpoint="/v1/responses")
    assert site.amended().cost_nano_dollars == 44


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
async def test_where_its_sums_have_no_single_price_its_output_file_settles_it(status: str) -> None:
    """A request of a long prompt costs more, and the sums do not say how long each one was."""
    site = Site(*MUCH, rates=LONG)
    _, event = await site.make(_line(), _line())
    await site.end(status, usage=USED, output_file_id="file-out")
    assert site.amending() == []
    assert [*site.bench.placements.waiting] == ["file-out"]

    lines = _output(9, 2) + _output(21, 5)
    reply = await site.read("files/file-out/content", lines[:30], lines[30:])

    assert reply.body == lines
    amended = site.amended()
    assert (amended.id, amended.tokens.prompt, amended.tokens.completion) == (event.id, 30, 7)
    assert amended.cost_nano_dollars == 9 + 2 * 2 + 21 * 4 + 5 * 8
    assert site.bench.placements.waiting == {}
    # What the sums would cost is not found again.
    assert cost_of_event(site.bench.snapshot, amended) == amended.cost_nano_dollars


@pytest.mark.parametrize(
    "steps",
    [
        [_output(9, 2)[:-20]],
        [_output(9, 2), b"no JSON\n"],
        [_output(9, 2), b'{"custom_id":"x","response":{"status_code":200,"body":{"model":"there"}}}\n'],
    ],
)
async def test_an_output_that_does_not_say_all_leaves_it_charged(steps: list[Step]) -> None:
    site = Site(*MUCH)
    _, event = await site.make(_line(), _line())
    await site.end(output_file_id="file-out")
    await site.read("files/file-out/content", *steps)

    amended = site.amended()
    assert (amended.tokens.confidence, amended.charges) == (Confidence.ESTIMATED, event.charges)


async def test_an_output_that_breaks_off_is_read_again() -> None:
    site = Site(*MUCH)
    await site.make(_line())
    await site.end(output_file_id="file-out")
    broken = await site.read("files/file-out/content", _output(9, 2), CutError("cut"))
    assert (broken.ended, site.amending()) == (False, [])
    await site.read("files/file-out/content", _output(9, 2))
    assert site.amended().tokens.prompt == 9


async def test_requests_that_failed_cost_nothing() -> None:
    site = Site(*MUCH)
    await site.make(_line(), _line(), _line())
    await site.end(output_file_id="file-out")
    refused = (
        b'{"response":{"status_code":400,"body":{}},"error":null}\n{"response":null,"error":{"code":"x"}}'
    )
    await site.read("files/file-out/content", _output(9, 2), refused)
    assert (site.amended().tokens.prompt, site.amended().tokens.confidence) == (9, Confidence.EXACT)


@pytest.mark.parametrize(
    ("status", "members"),
    [
        ("failed", {}),
        ("failed", {"request_counts": {"total": 0, "completed": 0, "failed": 0}}),
        ("expired", {"request_counts": {"total": 2, "completed": 0, "failed": 2}, "usage": None}),
        ("cancelled", {"request_counts": {"completed": 0}, "usage": {"input_tokens": 0}}),
    ],
)
async def test_one_without_an_answer_has_used_nothing(status: str, members: dict[str, Any]) -> None:
    site = Site(*MUCH)
    await site.make(_line())
    await site.end(status, **members)
    amended = site.amended()
    assert (amended.tokens, amended.cost_nano_dollars) == (TokenCounts(confidence=Confidence.EXACT), 0)
    assert _amounts(amended.charges) == {"tokens": 0, "money": 0}


@pytest.mark.parametrize("document", [b"[]", b"no JSON", b'{"id":"batch_2","status":"failed"}'])
async def test_what_tells_no_end_leaves_it_charged(document: bytes) -> None:
    site = Site(*MUCH)
    await site.make(_line())
    assert (await site.read("batches/batch_1", document)).body == document
    assert site.amending() == []
    await site.end()  # completed, and neither sums nor a file
    assert site.amending() == []
    assert [*site.bench.placements.waiting] == ["batch_1"]


@pytest.mark.parametrize("failure", [CutError("cut"), None])
async def test_one_whose_answer_tells_no_id_stays_charged(failure: CutError | None) -> None:
    site = Site(*MUCH)
    line = _line()
    ending: list[Step] = [b'{"object":', *([failure] if failure else [])]
    site.answer(Answer([json.dumps(line).encode()]), Answer(ending))
    reply, event = await site.post()
    assert reply.status == (HTTPStatus.BAD_GATEWAY if failure else HTTPStatus.OK)
    assert (event.tokens, _amounts(event.charges)["tokens"]) == (PENDING, _size(line))


@pytest.mark.parametrize("status", [400, 500])
async def test_one_that_the_upstream_refuses_costs_nothing(status: int) -> None:
    site = Site(*MUCH)
    site.answer(Answer([json.dumps(_line()).encode()]), Answer([b"{}"], status))
    reply, event = await site.post()
    assert (reply.status, event.tokens) == (status, TokenCounts())
    assert set(_amounts(event.charges).values()) <= {0}
    assert site.bench.ledger.pending == 0


async def test_one_that_may_use_more_than_is_left_is_not_sent() -> None:
    line = _line()
    for amount, status in ((_size(line), HTTPStatus.OK), (_size(line) - 1, HTTPStatus.TOO_MANY_REQUESTS)):
        site = Site(budget(Measure.TOKENS, amount))
        reply, _ = await site.make(line)
        assert reply.status == status
        posted = [it for it in site.bench.transport.requests if it.method == "POST"]
        assert len(posted) == (status == HTTPStatus.OK)
        assert site.bench.ledger.pending == 0


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("members", [{"input_blob": "https://x"}, {"input_file_id": None}])
async def test_one_whose_lines_cant_be_known_takes_no_budget(shares: bool, members: dict[str, Any]) -> None:
    for limits in (MUCH, ()):
        site = Site(*limits, model=() if limits else MUCH, shares=shares)
        reply, _ = await site.make(_line(), **members)
        assert reply.status == HTTPStatus.FORBIDDEN
        assert json.loads(reply.body)["error"]["code"] == "price_unknown"
        assert all(it.method == "GET" for it in site.bench.transport.requests)


async def test_its_lines_are_read_for_a_budget_where_all_is_shared() -> None:
    site = Site(*MUCH, shares=True)
    _, event = await site.make(_line())
    assert _amounts(event.charges)["tokens"] == _size(_line())
    await site.end(usage=USED)
    assert site.amended().tokens.prompt == 30


async def test_where_all_is_shared_it_is_read_without_the_store_too(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(*MUCH, shares=True)
    await site.make(_line())

    async def is_away(_ids: object) -> NoReturn:
        raise StoreUnavailableError("the store")

    with monkeypatch.context() as away:
        away.setattr(site.bench.placements, "find_many", is_away)
        assert (await site.end(usage=USED)).status == HTTPStatus.OK
    assert site.amending() == []
    await site.end(usage=USED)
    assert site.amended().tokens.prompt == 30


async def test_a_models_own_budget_holds_for_its_lines() -> None:
    site = Site(model=[budget(Measure.TOKENS, 10**6)])
    reply, event = await site.make(_line())
    assert (reply.status, _amounts(event.charges)) == (HTTPStatus.OK, {"tokens": _size(_line())})
    reply, _ = await site.make(_line(), _line("other"))
    assert reply.status == HTTPStatus.BAD_REQUEST
    assert "make a batch for each model" in json.loads(reply.body)["error"]["message"]


async def test_of_several_models_each_line_has_its_own_price() -> None:
    site = Site(*MUCH)
    _, event = await site.make(_line(), _line("other"))
    assert event.model_served == ""
    await site.end(output_file_id="file-out")
    await site.read("files/file-out/content", _output(9, 2), _output(1, 1, model="other"))
    assert site.amended().cost_nano_dollars == 9 + 2 * 2 + 1 + 2


async def test_a_line_of_an_unknown_price_takes_no_budget_of_money() -> None:
    site = Site(budget(Measure.MONEY, 10**12))
    reply, _ = await site.make(_line(), _line("unheard-of"))
    assert reply.status == HTTPStatus.FORBIDDEN
    assert "'unheard-of'" in json.loads(reply.body)["error"]["message"]


def _messages(*params: dict[str, Any]) -> bytes:
    return json.dumps({"requests": [{"custom_id": "x", "params": it} for it in params]}).encode()


def _params(model: str = "m", **members: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}], **members}


def _result(kind: str = "succeeded", **members: Any) -> bytes:
    return json.dumps({"custom_id": "x", "result": {"type": kind, **members}}).encode() + b"\n"


class Messages(Site):
    """The same of messages."""

    async def create(self, body: bytes) -> tuple[Reply, UsageEvent]:
        """Have a batch of messages made."""
        self.answer(Answer([b'{"id":"batch_1","type":"message_batch","processing_status":"in_progress"}']))
        reply = await Caller("POST", "/v1/messages/batches", body).call(self.bench.plane)
        return reply, self.bench.journal.settled[-1]


async def test_a_batch_of_messages_is_settled_by_its_results() -> None:
    site = Messages(*MUCH)
    sent = _params(), _params(max_tokens=9)
    reply, event = await site.create(_messages(*sent))
    prompts = sum(len(json.dumps(it)) for it in sent)
    assert (reply.status, event.tokens, event.model_served) == (HTTPStatus.OK, PENDING, "m")
    assert _amounts(event.charges) == {"tokens": prompts + 14, "money": prompts + 14 * 2}

    ended = {"id": "batch_1", "processing_status": "ended", "request_counts": {"succeeded": 1, "errored": 1}}
    await site.read("messages/batches/batch_1", json.dumps(ended).encode())
    assert site.amending() == []
    usage = {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 4, "service_tier": "batch"}
    lines = _result(message={"model": "there", "usage": usage}) + _result("errored", error={})
    await site.read("messages/batches/batch_1/results", lines)

    assert (site.amended().tokens.prompt, site.amended().tokens.cached) == (7, 4)
    assert _amounts(site.amended().charges) == {"tokens": 9, "money": 7 + 2 * 2}


async def test_a_models_own_budget_holds_for_batches_of_messages() -> None:
    site = Messages(model=[budget(Measure.TOKENS, 10**6)])
    reply, event = await site.create(_messages(_params()))
    assert (reply.status, [*_amounts(event.charges)]) == (HTTPStatus.OK, ["tokens"])
    for models in (("m", "other"), ("other", "m")):
        reply, _ = await site.create(_messages(*map(_params, models)))
        assert reply.status == HTTPStatus.BAD_REQUEST
        assert "make a batch for each model" in json.loads(reply.body)["error"]["message"]


async def test_two_names_of_a_model_are_one_to_its_budget() -> None:
    site = Messages(model=[budget(Measure.TOKENS, 10**6)])
    routes = site.bench.snapshot.routes
    site.bench.snapshot = replace(site.bench.snapshot, routes={**routes, "alias": routes["m"]})
    reply, event = await site.create(_messages(_params(), _params("alias")))
    assert (reply.status, [*_amounts(event.charges)]) == (HTTPStatus.OK, ["tokens"])


async def test_of_messages_of_several_models_each_is_reserved_and_charged_at_its_own_price() -> None:
    site = Messages(*MUCH)
    dear = site.bench.snapshot.routes["other"]
    price = OwnPrice(_price((((-1, 200_000),), ((-1, 400_000),))))
    routes = {**site.bench.snapshot.routes, "other": replace(dear, own_price=price)}
    site.bench.snapshot = replace(site.bench.snapshot, routes=routes)
    sent = _params(), _params("other")
    _, event = await site.create(_messages(*sent))
    size = len(json.dumps(sent[0]))
    assert _amounts(event.charges)["money"] == size + 5 * 2 + (len(json.dumps(sent[1])) + 5 * 2) * 100
    lines = [
        _result(message={"model": name, "usage": {"input_tokens": 3, "output_tokens": 2}})
        for name in ("there", "other")
    ]
    await site.read("messages/batches/batch_1/results", *lines)
    assert _amounts(site.amended().charges) == {"tokens": 10, "money": 7 + 700}


async def test_a_batch_of_messages_of_which_none_succeeded_has_used_nothing() -> None:
    site = Messages(*MUCH)
    await site.create(_messages(_params()))
    ended = {"id": "batch_1", "processing_status": "ended", "request_counts": {"succeeded": 0, "expired": 1}}
    await site.read("messages/batches/batch_1", json.dumps(ended).encode())
    assert _amounts(site.amended().charges) == {"tokens": 0, "money": 0}


async def test_a_batch_of_messages_that_is_deleted_first_stays_charged() -> None:
    site = Messages(*MUCH)
    _, event = await site.create(_messages(_params()))
    await site.read("messages/batches/batch_1", b'{"id":"batch_1"}', method="DELETE")
    assert site.amended().tokens.confidence is Confidence.ESTIMATED
    assert site.amended().charges == event.charges


@pytest.mark.parametrize(
    "hidden",
    [
        b'{"requests":[],"requests":[{"params":%s}]}',
        b'{"requests":[{"params":%s}],"Requests":[]}',
        b'{"requests":[{"params":{},"params":%s}]}',
        b'{"r\\u0065quests":[{"p\\u0061rams":%s}]}',
        b'{"requests":[{"params":%s,"x":NaN}]}',
    ],
)
async def test_no_spelling_hides_a_request(hidden: bytes) -> None:
    params = json.dumps(_params(max_tokens=100_000)).encode()
    site = Messages(budget(Measure.TOKENS, 50_000))
    reply, _ = await site.create(hidden % params)
    assert reply.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_REQUEST}
    assert site.bench.transport.requests == []


@pytest.mark.parametrize("size", [10, 3000, 300_000])
async def test_small_and_large_batches_need_the_same_for_each_request(size: int) -> None:
    params = _params(messages=[{"role": "user", "content": "x" * size}])
    site = Messages(*MUCH)
    _, event = await site.create(_messages(*[params] * 3))
    assert _amounts(event.charges)["tokens"] == 3 * (len(json.dumps(params)) + 5)
